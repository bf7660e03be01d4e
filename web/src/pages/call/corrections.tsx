// What people know better: said at the item, kept by the server, which then recomputes the call.
import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { me } from "../../api/session.ts";
import { ago } from "../../lib/format.ts";
import { language } from "../../lib/i18n.ts";
import { nameOf } from "../../lib/people.ts";
import { allStages } from "../../lib/process.ts";
import { allWords, word } from "../../lib/vocabulary.ts";
import { of, words } from "../../lib/words.ts";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { STAGES, type FieldInfo, type Turn } from "./document.ts";
import { Menu } from "./menu.tsx";
import { useReading } from "./reading.ts";
import { text } from "./text.ts";
import { entered, formOf, read, valueWords, type Entry } from "./values.ts";

export type Correction = Schemas["Corrected"];
export type Kept = Schemas["Kept"];

interface Corrections {
  kept: readonly Kept[];
  /** Also while the result is being recomputed: what is said then counts as well, and whoever uses keys stays where they are. */
  may: boolean;
  save: (of: readonly Correction[]) => Promise<void>;
  undo: (of: Kept) => Promise<void>;
}

const Context = createContext<Corrections>({
  kept: [],
  may: false,
  save: () => Promise.resolve(),
  undo: () => Promise.resolve(),
});
export const CorrectionsProvider = Context.Provider;
export const useCorrections = (): Corrections => useContext(Context);

export async function keep(call: string, corrections: readonly Correction[]): Promise<void> {
  for (const body of corrections) {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    await ask(api.POST("/v1/calls/{id}/corrections", { params: { path: { id: call } }, headers, body }));
  }
}

/** Takes a correction back. */
export async function takeBack(call: string, correction: string): Promise<void> {
  const path = { id: call, correction };
  await ask(api.DELETE("/v1/calls/{id}/corrections/{correction}", { params: { path } }));
}

export function aboutTurn(turn: number): (one: Kept) => boolean {
  return (one) => one.about !== "field" && one.about !== "deal_stage" && one.turn === turn;
}

/** A field that nobody stated has no turn yet; a correction without words is about all values of its turn. */
export function aboutField(field: FieldInfo): (one: Kept) => boolean {
  return (one) =>
    one.about === "field" &&
    one.field === field.field &&
    (field.turn == null || ((one.turn ?? null) === field.turn && (one.raw == null || one.raw === field.raw)));
}

export const aboutDealStage = (one: Kept): boolean => one.about === "deal_stage";

/** What a correction says, in words. */
function corrected(one: Kept): string {
  switch (one.about) {
    case "stage":
      return `${text().stage}: ${word("stages", one.stage)}`;
    case "signal":
      return `${one.present ? "+" : "−"} ${word("signals", one.signal)}`;
    case "speaker":
      return `${text().speaker}: ${word("roles", one.role)}`;
    case "field":
      return `${word("fields", one.field)}: ${one.value == null ? words().status.not_stated : valueWords(one.field, one.value)}`;
    case "deal_stage":
      return `${text().dealStage}: ${one.stage ?? text().noStage}`;
  }
}

/** Who corrected it; behind it to what and when, and the way back. */
export function CorrectedMark(props: { about: (one: Kept) => boolean }) {
  const { kept, may, undo } = useCorrections();
  const [busy, setBusy] = useState(false);
  const said = kept.filter(props.about);
  const last = said.at(-1);
  if (!last) return null;
  const mine = me.value?.user?.id;
  const who = (one: Kept) => (one.by === mine ? text().you : nameOf(one.by));
  const back = (one: Kept, close: () => void) => {
    setBusy(true);
    undo(one)
      .then(() => {
        close();
        tell(text().takenBack);
      }, tellProblem)
      .finally(() => setBusy(false));
  };
  const label = text().correctedBy(who(last));
  return (
    <Menu label={label} face={label} class="tag accent call-corrected">
      {(close) => (
        <ul class="call-list">
          {said.map((one) => (
            <li key={one.id}>
              <span>{corrected(one)}</span>
              <span class="muted">
                {text().correctedBy(who(one))}, {ago(one.at)}
              </span>
              <button class="small" disabled={busy || !may} onClick={() => back(one, close)}>
                {text().takeBack}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Menu>
  );
}

/** A form in a menu; it closes when what it says is kept. */
function Form(props: {
  close: () => void;
  read: (form: HTMLFormElement) => Correction[];
  children: preact.ComponentChildren;
}) {
  const { save } = useCorrections();
  const [busy, setBusy] = useState(false);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const said = props.read(event.currentTarget as HTMLFormElement);
    if (said.length === 0) {
      props.close();
      tell(text().same);
      return;
    }
    setBusy(true);
    save(said)
      .then(() => {
        props.close();
        tell(text().saved);
      }, tellProblem)
      .finally(() => setBusy(false));
  };
  return (
    <form class="stack" onSubmit={submit}>
      {props.children}
      <button class="primary small" disabled={busy}>
        {text().save}
      </button>
    </form>
  );
}

const said = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? "");

type SignalId = Turn["signals"][number]["id"];

/** Stage, side and signals of a turn in one small form: people see several mistakes of a turn at once. */
export function TurnMenu({ turn }: { turn: Turn }) {
  const { may } = useCorrections();
  const [side, setSide] = useState(turn.role);
  if (!may) return null;
  const present: SignalId[] = turn.signals.map((signal) => signal.id);
  const prefix = side === "unknown" ? "" : `${side}_`;
  const ids = new Set([...present, ...allWords("signals").map(([id]) => id as SignalId)]);
  const shown = [...ids].filter((id) => id.startsWith(prefix) || present.includes(id));
  const found = (form: HTMLFormElement): Correction[] => {
    const corrections: Correction[] = [];
    // Both are ids of the server's own lists.
    const stage = said(form, "stage") as Turn["stage"]["id"];
    if (stage !== turn.stage.id) corrections.push({ about: "stage", turn: turn.i, stage });
    if (side !== turn.role) corrections.push({ about: "speaker", turn: turn.i, role: side });
    const ticked = new Set(new FormData(form).getAll("signal").map(String));
    for (const id of shown) {
      const before = present.includes(id);
      if (ticked.has(id) !== before) corrections.push({ about: "signal", turn: turn.i, signal: id, present: !before });
    }
    return corrections;
  };
  return (
    <Menu label={text().correctTurn(turn.i)} face={<span aria-hidden="true">✎</span>} class="plain small call-pencil">
      {(close) => (
        <Form close={close} read={found}>
          <label>
            {text().stage}
            <select name="stage" defaultValue={turn.stage.id}>
              {STAGES.map((id) => (
                <option key={id} value={id} selected={id === turn.stage.id}>
                  {word("stages", id)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {text().speaker}
            <select value={side} onChange={(event) => setSide(event.currentTarget.value as Turn["role"])}>
              <option value="rep">{word("roles", "rep")}</option>
              <option value="buyer">{word("roles", "buyer")}</option>
              {turn.role === "unknown" && <option value="unknown">{word("roles", "unknown")}</option>}
            </select>
          </label>
          {shown.length > 0 && (
            <fieldset class="call-choices">
              <legend>{text().signals}</legend>
              {shown.map((id) => (
                <label key={id}>
                  <input type="checkbox" name="signal" value={id} defaultChecked={present.includes(id)} />
                  {word("signals", id)}
                </label>
              ))}
            </fieldset>
          )}
        </Form>
      )}
    </Menu>
  );
}

export function DealStageMenu({ stage }: { stage: string | null }) {
  const { may } = useCorrections();
  const stages = allStages();
  if (!may || stages.length === 0) return null;
  return (
    <Menu label={text().correctStage} face={text().correct}>
      {(close) => (
        <Form
          close={close}
          read={(form) => {
            const to = said(form, "stage") || null;
            return to === stage ? [] : [{ about: "deal_stage", stage: to }];
          }}
        >
          <label>
            {text().dealStage}
            <select name="stage">
              {stages.map(([id, name]) => (
                <option key={id} value={id} selected={id === stage}>
                  {name}
                </option>
              ))}
              <option value="" selected={stage === null}>
                {text().noStage}
              </option>
            </select>
          </label>
        </Form>
      )}
    </Menu>
  );
}

/** Words of the closed lists that forms offer; each id is in one of them. */
function choiceWord(field: string, path: string, id: string): string {
  if (id === "") return text().unsaid;
  if (field === "call_outcome") return word("outcomes", id);
  if (path === "qualifier") return id === "on" ? text().onDay : of(words().qualifier, id);
  if (path === "kind" && field === "timeline") return of(words().dateKind, id);
  const lists: Record<string, string>[] = [
    Object.fromEntries(allWords("roles")),
    words().period,
    Object.fromEntries(allWords("decision_roles")),
    words().competitor,
    words().objection,
    words().objectionStatus,
    words().paper,
    words().leadSource,
    words().customer,
    words().contact,
  ];
  return lists.find((list) => id in list)?.[id] ?? id;
}

/** What a control shows before anybody touches it. */
function shownAt(entry: Entry, value: unknown): string {
  const now = read(value, entry.path);
  if (entry.kind === "flag") return now === true ? "on" : "";
  if (now != null) return String(now);
  if (entry.path === "currency") return language.value === "ru" ? "RUB" : "USD";
  // Where a choice is the whole value, nothing is chosen for people.
  return typeof entry.kind === "string" || entry.path === "" ? "" : (entry.kind[0] ?? "");
}

const inputOf = (entry: Entry) => `value:${entry.path}`;

function Control(props: { field: string; entry: Entry; value: unknown; required: boolean }) {
  const { entry, required } = props;
  const name = inputOf(entry);
  const label = of(text().entry, entry.path);
  const shown = shownAt(entry, props.value);
  if (entry.kind === "flag") {
    return (
      <label class="call-flag">
        <input type="checkbox" name={name} defaultChecked={shown === "on"} /> {label}
      </label>
    );
  }
  if (typeof entry.kind !== "string") {
    const choices = entry.kind.includes(shown) ? entry.kind : [shown, ...entry.kind];
    return (
      <label>
        {label}
        <select name={name} required={required}>
          {choices.map((id) => (
            <option key={id} value={id} selected={id === shown}>
              {choiceWord(props.field, entry.path, id)}
            </option>
          ))}
        </select>
      </label>
    );
  }
  const long = entry.kind === "text" && ["", "text", "what", "step"].includes(entry.path);
  const step = entry.kind === "number" ? "any" : undefined;
  return (
    <label>
      {label}
      {long ? (
        <textarea name={name} rows={2} defaultValue={shown} required={required} />
      ) : (
        <input {...({ name, type: entry.kind, step, required } as object)} defaultValue={shown} />
      )}
    </label>
  );
}

/** What the form says of a field; undefined where nobody touched it. */
function valueOf(field: FieldInfo, form: HTMLFormElement): { value: unknown } | undefined {
  const entries = formOf(field.field, field.value);
  if (entries.every((entry) => said(form, inputOf(entry)) === shownAt(entry, field.value))) return undefined;
  const given = new Map<string, unknown>();
  for (const entry of entries) {
    const raw = said(form, inputOf(entry)).trim();
    if (entry.kind === "flag") given.set(entry.path, raw === "on");
    else if (entry.kind === "number") given.set(entry.path, raw === "" ? null : Number(raw));
    else given.set(entry.path, raw);
  }
  return { value: entered(field.field, field.value, given) };
}

/** For a field that was stated: another value, or that it was not. For one that was not: its value. */
export function FieldMenu({ field }: { field: FieldInfo }) {
  const { may, save } = useCorrections();
  const reading = useReading();
  const [busy, setBusy] = useState(false);
  if (!may) return null;
  const stated = field.status !== "not_stated";
  const name = word("fields", field.field);
  const label = stated ? text().correctField(name) : text().sayField(name);
  // A turn may have several values of a field: the words tell which.
  const which = field.turn == null ? {} : { turn: field.turn, ...(field.raw ? { raw: field.raw } : {}) };
  // Most likely what one has just heard or read.
  const at = reading.current.value ?? reading.place.value?.turn ?? "";
  const absent = (close: () => void) => {
    setBusy(true);
    save([{ about: "field", field: field.field, value: null, ...which }])
      .then(() => {
        close();
        tell(text().saved);
      }, tellProblem)
      .finally(() => setBusy(false));
  };
  return (
    <Menu label={label} face={<span aria-hidden="true">✎</span>} class="plain small call-pencil">
      {(close) => (
        <>
          <strong>{name}</strong>
          <Form
            close={close}
            read={(form) => {
              const now = valueOf(field, form);
              const where = stated ? which : { turn: Number(said(form, "turn")) };
              return now ? [{ about: "field", field: field.field, ...now, ...where }] : [];
            }}
          >
            {formOf(field.field, field.value).map((entry, n) => (
              <Control
                key={entry.path}
                field={field.field}
                entry={entry}
                value={field.value}
                required={n === 0 && !stated}
              />
            ))}
            {!stated && (
              <label>
                {text().saidIn}
                <input name="turn" type="number" min={1} max={reading.turns.length} defaultValue={at} required />
              </label>
            )}
          </Form>
          {stated && (
            <button class="small" disabled={busy} onClick={() => absent(close)}>
              {text().asNotStated}
            </button>
          )}
        </>
      )}
    </Menu>
  );
}
