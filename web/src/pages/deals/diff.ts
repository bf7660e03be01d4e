// What a call changed: two records of what was known of a deal, side by side.
import type { components } from "../../api/document.d.ts";

type Document = components["schemas"];
export type Known = Omit<Document["Analysis"], "turns" | "segments">;
type Promise = Document["OpenPromise"];
export type Field = Document["FieldInfo"];

export interface Step {
  revision: number;
  call_id: string;
  call_date: string;
  known_at: string;
  known: Known;
}

export type Difference =
  | { kind: "stage"; from: string | null; to: string | null }
  | { kind: "sure"; to: boolean }
  | { kind: "outcome"; from: string | null; to: string | null }
  | { kind: "hold"; to: boolean }
  | {
      kind: "element";
      id: string;
      name: string;
      from: number;
      to: number;
      why: string;
      evidence: (Document["Evidence"] | Document["PastEvidence"])[];
    }
  | { kind: "facts"; fields: string[] }
  | { kind: "promise"; promise: Promise }
  | { kind: "kept"; promise: Promise };

/** Status of a field that says nothing. */
const SILENT = "not_stated";

export function saidFields(known: Known): Field[] {
  return known.qualification.fields.filter((field) => field.status !== SILENT);
}

function same(a: Promise, b: Promise): boolean {
  return a.call === b.call && a.turn === b.turn && a.what === b.what;
}

/** `before` is undefined for the first call of a deal. */
export function differences(before: Known | undefined, after: Known): Difference[] {
  const out: Difference[] = [];
  const [was, is] = [before?.deal, after.deal];
  if ((was?.stage ?? null) !== is.stage) out.push({ kind: "stage", from: was?.stage ?? null, to: is.stage });
  if (was && was.abstained !== is.abstained) out.push({ kind: "sure", to: !is.abstained });
  if (was && was.call_outcome !== is.call_outcome) {
    out.push({ kind: "outcome", from: was.call_outcome, to: is.call_outcome });
  }
  if ((was?.on_hold ?? false) !== is.on_hold) out.push({ kind: "hold", to: is.on_hold });
  for (const element of is.elements) {
    const from = was?.elements.find((other) => other.id === element.id)?.score ?? 0;
    if (from === element.score) continue;
    const { id, name, score: to, why } = element;
    out.push({ kind: "element", id, name, from, to, why, evidence: [...element.evidence, ...element.earlier] });
  }
  // Facts of earlier calls stand apart in a record: what is in `fields` was said in this call.
  const fields = [...new Set(saidFields(after).map((field) => field.field))];
  if (fields.length > 0) out.push({ kind: "facts", fields });
  const [had, has] = [was?.open_promises ?? [], is.open_promises];
  for (const promise of has) if (!had.some((other) => same(other, promise))) out.push({ kind: "promise", promise });
  for (const promise of had) if (!has.some((other) => same(other, promise))) out.push({ kind: "kept", promise });
  return out;
}

/** Place of the record that was the last one known at a moment; the first where none was yet. */
export function placeAt(steps: readonly Step[], at: string | null): number {
  if (at === null) return steps.length - 1;
  const moment = new Date(at).getTime();
  if (Number.isNaN(moment)) return steps.length - 1;
  return Math.max(
    0,
    steps.findLastIndex((step) => new Date(step.known_at).getTime() <= moment),
  );
}
