// Values of fields as people read them, in the language of the interface. The shape of a value goes by its field.
import { day, figure } from "../../lib/format.ts";
import { language } from "../../lib/i18n.ts";
import { word } from "../../lib/vocabulary.ts";
import { of, words } from "../../lib/words.ts";
import type { DateValue, FieldInfo, FieldName, Money, Person, Quantity } from "./document.ts";
import { fold } from "./timeline.ts";

type Loose = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const object = (value: unknown): Loose | undefined =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Loose) : undefined;

function joined(parts: readonly (string | null | undefined | false)[], between = " "): string {
  return parts.filter(Boolean).join(between);
}

/** What is unsure or meant differently goes behind the value, in brackets. */
function noted(value: string, notes: readonly (string | false | null | undefined)[]): string {
  const said = joined(notes, ", ");
  return said ? `${value} (${said})` : value;
}

function span(
  exact: number | null | undefined,
  min: number | null | undefined,
  max: number | null | undefined,
  write: (n: number) => string,
): string {
  if (exact != null) return write(exact);
  if (min != null && max != null) return min === max ? write(min) : `${write(min)} – ${write(max)}`;
  if (min != null) return `${words().bound.min} ${write(min)}`;
  if (max != null) return `${words().bound.max} ${write(max)}`;
  return "";
}

/** Cents only where there are some. */
export function sum(amount: number, currency: string): string {
  const digits = Number.isInteger(amount) ? 0 : 2;
  const format = {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: digits,
    maximumFractionDigits: 2,
  } as const;
  try {
    return new Intl.NumberFormat(language.value, format).format(amount);
  } catch {
    return `${figure(amount, 2)} ${currency}`;
  }
}

export function moneyWords(value: Money): string {
  const amount = span(value.amount, value.min, value.max, (n) => sum(n, value.currency));
  return noted(
    joined([value.qualifier === "approx" && "≈", amount, of(words().per, value.per), of(words().period, value.period)]),
    [
      of(words().vat, value.vat),
      value.currency_inferred && words().assumedCurrency,
      value.scale_inferred && words().assumedScale,
    ],
  );
}

export function dateWords(value: DateValue): string {
  const from = value.date ?? value.start;
  const days =
    value.date == null && value.start && value.end
      ? `${day(value.start)} – ${day(value.end)}`
      : from
        ? day(from, { weekday: true })
        : value.end
          ? day(value.end, { weekday: true })
          : "";
  const time = joined([value.time, value.time_end], "–");
  return noted(joined([of(words().qualifier, value.qualifier), joined([days, time], ", ")]), [
    of(words().dateKind, value.kind),
    value.ambiguous && words().ambiguous,
    value.past && words().past,
  ]);
}

export function quantityWords(value: Quantity): string {
  return joined([
    value.approx && "≈",
    span(value.n, value.min, value.max, (n) => figure(n, 2)),
    value.unit,
    of(words().period, value.period),
  ]);
}

export function personWords(value: Person): string {
  const title = value.title && of(words().title, value.title);
  const roles = (value.roles ?? []).map((role) => word("decision_roles", role)).filter((role) => role !== title);
  return noted(joined([value.name, title], ", ") || word("roles", value.side), roles);
}

const dated = (said: string, due: unknown): string => {
  const date = object(due);
  return date ? `${said} — ${dateWords(date as unknown as DateValue)}` : said;
};

/** What was said stands for a value that the words do not fix. */
export function valueWords(field: FieldName | string, value: unknown, raw?: string | null): string {
  const said = raw ?? "";
  const it = object(value);
  if (!it) {
    const plain = typeof value === "number" || typeof value === "boolean" ? String(value) : text(value);
    switch (field) {
      // The id of an industry is for machines; people read the words that were said.
      case "industry":
        return said || plain.replaceAll("_", " ");
      case "lead_source":
        return of(words().leadSource, plain) || said;
      case "customer_kind":
        return of(words().customer, plain) || said;
      case "call_outcome":
        return plain ? word("outcomes", plain) : said;
      case "contact_preference":
        return of(words().contact, plain) || said;
      default:
        return plain || said;
    }
  }
  switch (field) {
    case "decision_criteria":
      return noted(text(it.text), [it.must ? words().must : words().nice]);
    case "decision_process": {
      const owner = it.owner ? of(words().title, text(it.owner)) : "";
      const step = text(it.step);
      return dated(owner && !step.includes(owner) ? `${owner}: ${step}` : step, it.due);
    }
    case "paper_process":
      return joined([of(words().paper, text(it.kind)), text(it.step)], ": ");
    case "critical_event":
      return dated(text(it.text), it.date);
    case "competitors":
      return it.name
        ? noted(text(it.name), [of(words().competitor, text(it.status))])
        : of(words().competitor, text(it.status));
    case "objections":
      return joined([of(words().objection, text(it.kind)), of(words().objectionStatus, text(it.status))], ", ");
    case "commitments":
      return dated(joined([word("roles", text(it.who)), text(it.what)], ": "), it.due);
  }
  if ("currency" in it) return moneyWords(it as unknown as Money);
  if ("percent" in it) return `${figure(Number(it.percent))}%`;
  if ("side" in it) return personWords(it as unknown as Person);
  if ("n" in it || "min" in it || "max" in it || "unit" in it) return quantityWords(it as unknown as Quantity);
  if ("qualifier" in it) return dateWords(it as unknown as DateValue);
  return text(it.text) || said;
}

/** Values that stand on the same words, which need saying once. */
export function bySource(fields: readonly FieldInfo[]): FieldInfo[][] {
  const groups = new Map<string, FieldInfo[]>();
  for (const field of fields) {
    const key = `${field.turn} ${field.quote}`;
    groups.set(key, [...(groups.get(key) ?? []), field]);
  }
  return [...groups.values()];
}

const bare = (said: string) =>
  ` ${fold(said)
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()} `;

/** Whether a value has all the words of its quote. */
export function saysQuote(value: string, quote: string): boolean {
  return bare(value).includes(bare(quote));
}

/** Groups in which fields are read, as a rep thinks of a deal. */
export const GROUPS = {
  need: ["pain", "pain_impact", "goal", "decision_criteria", "current_solution", "competitors", "objections"],
  decision: ["decision_makers", "decision_process", "paper_process", "timeline", "critical_event"],
  money: ["budget", "signing_limit", "quoted_price", "discount_offered"],
  next: ["call_outcome", "next_meeting", "commitments", "materials_requested", "open_questions", "contact_preference"],
  who: ["buyer_company", "industry", "participants", "team_size", "volumes", "lead_source", "customer_kind"],
} as const satisfies Record<string, readonly FieldName[]>;

export type Group = keyof typeof GROUPS;

/** One control of the form that corrects a value. */
export interface Entry {
  /** Where in the value it goes: `due.date`; empty: it is the value. */
  path: string;
  kind: "text" | "number" | "date" | "time" | "flag" | readonly string[];
}

const MONEY: Entry[] = [
  { path: "amount", kind: "number" },
  { path: "currency", kind: ["USD", "EUR", "RUB", "GBP"] },
  { path: "period", kind: ["", "one_off", "month", "quarter", "year", "week", "day"] },
];
const PERSON: Entry[] = [
  { path: "name", kind: "text" },
  { path: "title", kind: "text" },
  { path: "side", kind: ["buyer", "rep"] },
];
const QUANTITY: Entry[] = [
  { path: "n", kind: "number" },
  { path: "unit", kind: "text" },
  { path: "period", kind: ["", "day", "week", "month", "quarter", "year"] },
];
const PERCENT: Entry[] = [{ path: "percent", kind: "number" }];
const WORDS: Entry[] = [{ path: "", kind: "text" }];

const FORMS: Partial<Record<FieldName, Entry[]>> = {
  participants: PERSON,
  team_size: QUANTITY,
  volumes: QUANTITY,
  pain: [{ path: "text", kind: "text" }],
  decision_criteria: [
    { path: "text", kind: "text" },
    { path: "must", kind: "flag" },
  ],
  decision_makers: [
    ...PERSON,
    {
      path: "roles.0",
      kind: [
        "",
        "economic_buyer",
        "signatory",
        "approver",
        "champion",
        "influencer",
        "technical_evaluator",
        "user",
        "blocker",
      ],
    },
  ],
  decision_process: [
    { path: "step", kind: "text" },
    { path: "owner", kind: "text" },
  ],
  paper_process: [
    { path: "step", kind: "text" },
    { path: "kind", kind: ["legal", "security", "procurement", "tender", "contract"] },
  ],
  budget: MONEY,
  signing_limit: MONEY,
  quoted_price: MONEY,
  timeline: [
    { path: "date", kind: "date" },
    { path: "qualifier", kind: ["on", "by", "before", "after", "approx"] },
    { path: "kind", kind: ["", "go_live", "decision", "contract_end", "budget_opens"] },
  ],
  critical_event: [
    { path: "text", kind: "text" },
    { path: "date.date", kind: "date" },
  ],
  competitors: [
    { path: "name", kind: "text" },
    { path: "status", kind: ["considering", "incumbent", "in_house", "unnamed"] },
  ],
  objections: [
    { path: "kind", kind: ["price", "need", "trust", "delay"] },
    { path: "status", kind: ["open", "answered", "accepted"] },
  ],
  next_meeting: [
    { path: "date", kind: "date" },
    { path: "time", kind: "time" },
  ],
  commitments: [
    { path: "who", kind: ["rep", "buyer"] },
    { path: "what", kind: "text" },
    { path: "due.date", kind: "date" },
  ],
  lead_source: [{ path: "", kind: ["referral", "inbound", "outbound", "event", "repeat"] }],
  customer_kind: [{ path: "", kind: ["new", "existing"] }],
  call_outcome: [{ path: "", kind: ["order", "advance", "continuation", "no_sale"] }],
  contact_preference: [{ path: "", kind: ["email", "phone", "messenger"] }],
};

/** An impact is money, a count or a share, as the value at hand is; a discount is money or a share. */
export function formOf(field: FieldName, value: unknown): Entry[] {
  const it = object(value);
  if (field === "pain_impact" || field === "discount_offered") {
    if (it && "currency" in it) return MONEY;
    if (it && "percent" in it) return PERCENT;
    if (it) return QUANTITY;
    return field === "pain_impact" ? MONEY : PERCENT;
  }
  return FORMS[field] ?? WORDS;
}

export function read(value: unknown, path: string): unknown {
  if (path === "") return value;
  return path.split(".").reduce<unknown>((at, key) => (at as Loose | null | undefined)?.[key], value);
}

/** The value with what was entered; what is not in the form stays. What the shape demands is filled in. */
export function entered(field: FieldName, before: unknown, said: ReadonlyMap<string, unknown>): unknown {
  if (said.has("")) return said.get("");
  const value = structuredClone(object(before) ?? {});
  for (const [path, given] of said) {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    if (given === "" || given == null) {
      // Emptied: an inner date goes as a whole.
      if (keys[0]) delete value[keys[0]];
      else delete value[last];
      continue;
    }
    let at: Loose = value;
    for (const key of keys) at = at[key] = key === "roles" ? [] : ((object(at[key]) ?? {}) as any);
    at[last] = given;
  }
  if ("currency" in value && "amount" in value) {
    delete value.min;
    delete value.max;
    value.qualifier = "exact";
  }
  if ("n" in value) {
    delete value.min;
    delete value.max;
    delete value.approx;
  }
  for (const inner of [field === "timeline" || field === "next_meeting" ? value : undefined, value.due, value.date]) {
    const date = object(inner);
    if (date && "date" in date) {
      date.qualifier ??= "on";
      delete date.start;
      delete date.end;
      delete date.ambiguous;
    }
  }
  if (field === "critical_event") value.date ??= null;
  return value;
}
