// Whose deals and calls: names of people by their id, for those who may see them.
import { api, ask } from "../../api/client.ts";
import { atLeast, me } from "../../api/session.ts";
import { useResource } from "../../lib/resource.ts";

export interface Owners {
  /** The name; the end of the id where nobody says it. */
  name: (id: string | null | undefined) => string | null;
  all: { id: string; name: string }[];
}

export function useOwners(): Owners {
  const may = atLeast("manager");
  const users = useResource(
    async (signal) =>
      may ? (await ask(api.GET("/v1/users", { params: { query: { limit: 200 } }, signal }))).items : [],
    [may],
  );
  const mine = me.value?.user;
  const all = users.data ?? (mine ? [mine] : []);
  const names = new Map([...all, ...(mine ? [mine] : [])].map((user) => [user.id, user.name]));
  return { all, name: (id) => (id ? (names.get(id) ?? `…${id.slice(-6)}`) : null) };
}
