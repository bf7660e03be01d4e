// Names of people. Reps see only themselves: the server does not tell them of others.
import { effect, signal } from "@preact/signals";
import { api, ask, type Schemas } from "../api/client.ts";
import { atLeast, me } from "../api/session.ts";
import { texts } from "./i18n.ts";

type User = Schemas["User"];

const text = texts({
  en: { colleague: "a colleague", key: "an API key" },
  ru: { colleague: "коллега", key: "ключ API" },
});

export const people = signal<User[]>([]);

/** Also after somebody was added or got another name. */
export function loadPeople(): void {
  if (!atLeast("manager")) return;
  void ask(api.GET("/v1/users", { params: { query: { limit: 200 } } }))
    .then((page) => (people.value = page.items))
    // Without it colleagues have no names, which is still readable.
    .catch(() => undefined);
}

effect(() => {
  people.value = [];
  if (me.value) loadPeople();
});

/** The name of a person, or what can be said without one. */
export function nameOf(id: string | null | undefined): string {
  if (!id) return "–";
  if (id === me.value?.user?.id) return me.value.user.name;
  if (id.startsWith("key_")) return text().key;
  return people.value.find((person) => person.id === id)?.name ?? text().colleague;
}
