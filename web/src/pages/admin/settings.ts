// Settings of a connection: from the fields of a form to what the server takes.

/** Any object: its description says no more. */
export type Settings = Record<string, never>;

export interface Pair {
  name: string;
  value: string;
}

export const POLICIES = ["ask", "auto", "never"] as const;
export const DECIDED = ["stage", "fields", "note", "tasks"] as const;
export type Policy = (typeof POLICIES)[number];

/** How our deals map to the CRM's. */
export interface Mapping {
  /** Our stages in the order of the process, and the CRM's names. */
  stages: Pair[];
  /** With commas between. */
  closed: string;
  fields: Pair[];
  note: boolean;
  tasks: boolean;
  policy: Record<(typeof DECIDED)[number], Policy>;
  overwrite: boolean;
}

export const FIRST_MAPPING: Mapping = {
  stages: [],
  closed: "",
  fields: [],
  note: true,
  tasks: true,
  policy: { stage: "ask", fields: "ask", note: "ask", tasks: "ask" },
  overwrite: false,
};

const filled = (pairs: readonly Pair[]) =>
  pairs
    .map((pair) => ({ name: pair.name.trim(), value: pair.value.trim() }))
    .filter((pair) => pair.name !== "" && pair.value !== "");

/** A number, true or false is meant as such; everything else is text. */
export function meant(said: string): unknown {
  const value = said.trim();
  if (/^-?\d+(\.\d+)?$/.test(value) && String(Number(value)) === value) return Number(value);
  return value === "true" ? true : value === "false" ? false : value;
}

/** null: `more` is no JSON object. What is not filled in is not sent. */
export function settingsOf(pairs: readonly Pair[], mapping: Mapping, more: string): Settings | null {
  const crm = (pair: Pair) => ({ ours: pair.name, crm: pair.value });
  const said = {
    ...Object.fromEntries(filled(pairs).map((pair) => [pair.name, meant(pair.value)])),
    stages: filled(mapping.stages).map(crm),
    closed: mapping.closed
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
    fields: filled(mapping.fields).map(crm),
    note: mapping.note,
    tasks: mapping.tasks,
    policy: { ...mapping.policy, overwrite: mapping.overwrite },
  };
  if (more.trim() === "") return said as unknown as Settings;
  try {
    const added: unknown = JSON.parse(more);
    const is = typeof added === "object" && added !== null && !Array.isArray(added);
    return is ? ({ ...said, ...added } as unknown as Settings) : null;
  } catch {
    return null;
  }
}
