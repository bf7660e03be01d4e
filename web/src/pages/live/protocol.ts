// The messages of a live call (the contract's section 4).
import type { components } from "../../api/document.d.ts";

type Document = components["schemas"];
export type Turn = Document["TurnInfo"];
export type Deal = Document["DealInfo"];
export type Evidence = Document["Evidence"];
export type PastEvidence = Document["PastEvidence"];

export interface AudioFormat {
  encoding: "pcm_s16le";
  sample_rate: number;
  channels: 1 | 2;
  rep?: "left" | "right";
}

export interface CallHeader {
  lang?: "en" | "ru";
  meta: {
    consent: "granted";
    deal?: { id: string } | { name: string };
  };
}

export interface TypedTurn {
  i: number;
  role: "rep" | "buyer";
  text: string;
}

export interface Partial {
  speaker: string;
  role: "rep" | "buyer" | "unknown";
  start_s: number;
  end_s: number;
  text: string;
}

export interface Change {
  /** `stage`, `outcome`, `on_hold`, `abstained`, `flags`, or an element of the process. */
  of: string;
  from: unknown;
  to: unknown;
  why: string;
  evidence: Evidence[];
  earlier: PastEvidence[];
}

export interface Hint {
  kind: "action" | "warning";
  id: string;
  title: string;
  why: string;
  evidence: Evidence[];
  earlier: PastEvidence[];
}

export interface ServerProblem {
  code: "bad_message" | "no_call" | "lagging" | "failed" | "internal";
  message: string;
  closes: boolean;
}

export type ServerMessage = { seq: number } & (
  | { type: "ready"; call_id: string; received: { bytes: number } | { turns: number } }
  | ({ type: "partial" } & Partial)
  | { type: "turn"; turn: Turn }
  | { type: "deal"; deal: Deal; changed: Change[] }
  | ({ type: "hint" } & Hint)
  | { type: "final"; call_id: string }
  | ({ type: "error" } & ServerProblem)
);
