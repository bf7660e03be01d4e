// Who uses the page. The session is a cookie that scripts cannot read; what is here is gone with the tab.
import { computed, signal } from "@preact/signals";
import type { components } from "./schema.d.ts";
import { problemOf } from "./problem.ts";

type Me = components["schemas"]["Me"];
type Role = Me["role"];

/** undefined: not known yet; null: nobody. */
export const me = signal<Me | null | undefined>(undefined);
export const csrfToken = computed(() => me.value?.csrf_token ?? null);

const RANK: Record<Role, number> = { rep: 0, manager: 1, admin: 2 };

export function atLeast(role: Role): boolean {
  const mine = me.value?.role;
  return mine !== undefined && RANK[mine] >= RANK[role];
}

export function signedOut(): void {
  me.value = null;
}

export async function loadMe(): Promise<void> {
  const response = await fetch("/v1/me", { credentials: "same-origin" });
  if (response.ok) me.value = (await response.json()) as Me;
  else if (response.status === 401) me.value = null;
  else throw await problemOf(response);
}

export async function signIn(email: string, password: string): Promise<void> {
  const response = await fetch("/v1/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  if (!response.ok) throw await problemOf(response);
  await loadMe();
}

export async function signOut(): Promise<void> {
  await fetch("/v1/session", { method: "DELETE", headers: { "x-csrf-token": csrfToken.value ?? "" } });
  signedOut();
}

/** The first person of a workspace is added with the key that the server printed when it started first. */
export async function addFirstPerson(key: string, person: { name: string; email: string; password: string }) {
  const response = await fetch("/v1/users", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key.trim()}` },
    body: JSON.stringify({ ...person, role: "admin" }),
  });
  if (!response.ok) throw await problemOf(response);
  await signIn(person.email, person.password);
}
