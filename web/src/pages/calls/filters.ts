// What the list shows, as it stands in the address of the page.
import type { Schemas } from "../../api/client.ts";

type Status = Schemas["CallStatus"];

export interface Filters {
  q: string;
  status: string;
  stage: string;
  /** A deal, `inbox`, or empty. */
  deal: string;
  /** A person, `me`, or empty. */
  owner: string;
  from: string;
  to: string;
}

export const NO_FILTERS: Filters = { q: "", status: "", stage: "", deal: "", owner: "", from: "", to: "" };

const NAMES = Object.keys(NO_FILTERS) as (keyof Filters)[];

export function read(query: Record<string, string | undefined>): Filters {
  const found = { ...NO_FILTERS };
  for (const name of NAMES) found[name] = query[name] ?? "";
  return found;
}

export function address(filters: Filters): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filters[name]) query.set(name, filters[name]);
  return query.size > 0 ? `/?${query.toString()}` : "/";
}

export function isAny(filters: Filters): boolean {
  return NAMES.some((name) => filters[name] !== "");
}

/** As the server is asked. */
export function asked(filters: Filters, me: string | undefined) {
  const owner = filters.owner === "me" ? me : filters.owner;
  return {
    ...(filters.q.trim() ? { q: filters.q.trim() } : {}),
    ...(filters.status ? { status: filters.status as Status } : {}),
    ...(filters.stage ? { stage: filters.stage } : {}),
    ...(filters.deal === "inbox" ? { inbox: true } : filters.deal ? { deal: filters.deal } : {}),
    ...(owner ? { owner } : {}),
    ...(filters.from ? { from: filters.from } : {}),
    ...(filters.to ? { to: filters.to } : {}),
  };
}
