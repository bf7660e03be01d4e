// Short names for the parts of the analysis document.
import type { components } from "../../api/document.d.ts";

type Parts = components["schemas"];

export type Analysis = Parts["Analysis"];
export type Turn = Parts["TurnInfo"];
export type Role = Parts["Role"];
export type Evidence = Parts["Evidence"];
export type PastEvidence = Parts["PastEvidence"];
export type FieldInfo = Parts["FieldInfo"];
export type FieldName = Parts["FieldName"];
export type FieldStatus = Parts["FieldStatus"];
export type DateValue = Parts["DateValue"];
export type Money = Parts["Money"];
export type Quantity = Parts["Quantity"];
export type Person = Parts["Person"];
export type Deal = Parts["DealInfo"];
export type Element = Parts["ElementInfo"];
export type Metric = Parts["MetricInfo"];
export type Scorecard = Parts["ScorecardInfo"];
export type Segment = Parts["Segment"];

/** What a person decided has a mark of its own, which the document's type does not know yet. */
export type DecidedBy = Parts["DecidedBy"] | "person";

export const STAGES = [
  "opening",
  "discovery",
  "qualification",
  "presentation",
  "objection",
  "commercial",
  "closing",
  "other",
] as const;
