// Which deals stand where on the board, and which of them are asked for.
import type { Schemas } from "../../api/client.ts";
import type { StageCard } from "../../lib/process.ts";

export type Deal = Schemas["Deal"];

export interface Asked {
  words: string;
  owner: string;
}

/** Capitals and ё do not matter. */
export function folded(text: string): string {
  return text.toLowerCase().replaceAll("ё", "е");
}

/** Deals whose name (or id in the CRM) holds every word. */
export function matching(deals: readonly Deal[], asked: Asked): Deal[] {
  const words = folded(asked.words).split(/\s+/).filter(Boolean);
  return deals.filter((deal) => {
    const text = folded(`${deal.name} ${deal.crm_id ?? ""}`);
    return (!asked.owner || deal.owner === asked.owner) && words.every((word) => text.includes(word));
  });
}

/** `null`: not decided, or nothing known yet. */
export interface Column {
  stage: string | null;
  deals: Deal[];
}

/** What needs a hand first comes first: poor health, then the nearest day. */
function urgency(a: Deal, b: Deal): number {
  const health = (a.health?.score ?? 101) - (b.health?.score ?? 101);
  if (health !== 0) return health;
  return (a.next_action?.due ?? "9").localeCompare(b.next_action?.due ?? "9") || a.name.localeCompare(b.name);
}

/** The stages of the process in their order, behind them those that only deals name, before them deals without one. */
export function columns(deals: readonly Deal[], stages: readonly StageCard[]): Column[] {
  const ids = [...new Set([...stages.map((stage) => stage.id), ...deals.flatMap((deal) => deal.stage ?? [])])];
  const none = deals.filter((deal) => !deal.stage);
  const of = (stage: string | null, found: Deal[]): Column => ({ stage, deals: found.toSorted(urgency) });
  const known = ids.map((id) =>
    of(
      id,
      deals.filter((deal) => deal.stage === id),
    ),
  );
  return none.length > 0 ? [of(null, none), ...known] : known;
}

export function tone(score: number): "good" | "watch" | "poor" {
  return score >= 80 ? "good" : score >= 55 ? "watch" : "poor";
}

/** A day (`2026-04-16`) that has passed, by the clock of whoever looks. */
export function isPast(due: string | null | undefined, now = new Date()): boolean {
  const pad = (n: number) => String(n).padStart(2, "0");
  return due != null && due < `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}
