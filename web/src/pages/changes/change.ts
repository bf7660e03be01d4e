// A change of a change-set: what may be done with it, and its values in words.
import type { Schemas } from "../../api/client.ts";
import { day } from "../../lib/format.ts";
import { word } from "../../lib/vocabulary.ts";
import { text } from "./text.ts";

export type Proposal = Schemas["Proposal"];
export type State = Schemas["ChangeState"];

export type Change = Schemas["ProposedChange"] & {
  /** What the CRM calls a stage, where it has a name beside the id. */
  old_name?: string | null;
  new_name?: string | null;
  /** Of a conflict: what the CRM has. */
  found?: { value?: unknown; name?: string | null } | null;
};

/** The server is at it: the next state comes by itself. */
export function isMoving(change: Change): boolean {
  return ["approved", "writing", "undo_approved", "undoing"].includes(change.state);
}

export const waits = (change: Change) => change.state === "proposed";
export const canUndo = (change: Change) => change.state === "applied";
/** Compared and written anew, where a person says so. */
export const canRetry = (change: Change) => change.state === "failed" || change.state === "conflict";

/** The new value stands in the CRM, or did. */
export function wasWritten(change: Change): boolean {
  return ["applied", "undo_approved", "undoing", "undone", "undo_conflict", "undo_failed"].includes(change.state);
}

export function tone(state: State): string {
  switch (state) {
    case "applied":
      return "good";
    case "proposed":
      return "accent";
    case "approved":
    case "writing":
    case "undo_approved":
    case "undoing":
    case "not_applied":
    case "conflict":
    case "undo_conflict":
      return "watch";
    case "failed":
    case "undo_failed":
      return "poor";
    default:
      return "";
  }
}

/** `Field: budget → amount`. */
export function title(change: Change): string {
  const kind = text().kinds[change.kind];
  switch (change.kind) {
    case "field":
      return `${kind}: ${text().field(word("fields", change.name), change.target)}`;
    case "task":
      return `${kind}: ${word("actions", change.name)}`;
    default:
      return kind;
  }
}

/** A value as text; null: there is none. */
export function plain(value: unknown, name?: string | null): string | null {
  if (name) return name;
  if (value == null || value === "") return null;
  if (Array.isArray(value)) return value.length > 0 ? value.map((one) => plain(one) ?? "").join(", ") : null;
  if (typeof value === "object") {
    const { text: said, title: titled, due } = value as { text?: string; title?: string; due?: string | null };
    const whole = [titled, due ? `${text().due} ${day(due)}` : undefined, said].filter(Boolean).join("\n");
    return whole === "" ? JSON.stringify(value) : whole;
  }
  return String(value);
}

/** The stage by its name in the CRM: the mapping names it, where the CRM itself does not. */
export function newValue(change: Change): string | null {
  return plain(change.new, change.new_name ?? (change.kind === "stage" ? change.target : null));
}

export function oldValue(change: Change): string | null {
  return plain(change.old, change.old_name);
}

/** What undo does, in a line. */
export function backwards(change: Change): string {
  if (change.kind === "note" || change.kind === "task") return text().removed(title(change));
  const old = oldValue(change);
  return old === null ? text().toEmpty(title(change)) : text().backTo(title(change), old);
}
