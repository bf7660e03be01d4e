// Names of people. Reps see only themselves: the server does not tell them of others.
import { effect, signal } from "@preact/signals";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast, me } from "../../api/session.ts";
import { text } from "./text.ts";

type User = Schemas["User"];

export const people = signal<User[]>([]);

effect(() => {
  people.value = [];
  if (!me.value || !atLeast("manager")) return;
  void ask(api.GET("/v1/users", { params: { query: { limit: 200 } } }))
    .then((page) => (people.value = page.items as User[]))
    // Without it colleagues have no names, which is still readable.
    .catch(() => undefined);
});

/** The name of a person, or what can be said without one. */
export function nameOf(id: string | null | undefined): string {
  if (!id) return "–";
  if (id === me.value?.user?.id) return me.value.user.name;
  if (id.startsWith("key_")) return text().program;
  return people.value.find((person) => person.id === id)?.name ?? text().colleague;
}
