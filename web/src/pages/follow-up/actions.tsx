// What to do next, as a checklist with days, reasons and the words behind them; and as a calendar file.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import type { components } from "../../api/document.d.ts";
import { asProblem } from "../../api/problem.ts";
import { me } from "../../api/session.ts";
import { day, moment } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { useResource } from "../../lib/resource.ts";
import { tellProblem } from "../../ui/toast.tsx";
import { today } from "../calls/today.ts";
import { calendar, type Entry } from "./ics.ts";
import { text } from "./text.ts";
import "./follow-up.css";

type Documents = components["schemas"];
type Analysis = Documents["Analysis"];
type Action = Documents["ActionInfo"];
type Done = Schemas["ActionDone"];

/** null: the server keeps no ticks. */
async function load(callId: string, signal: AbortSignal): Promise<Done[] | null> {
  try {
    return await ask(api.GET("/v1/calls/{id}/actions", { params: { path: { id: callId } }, signal }));
  } catch (error) {
    if (asProblem(error).status === 404) return null;
    throw error;
  }
}

/** Two promises have the same id, but not the same words: the turn of the first goes with it. */
function keys(actions: readonly Action[]): string[] {
  return actions.map(({ id, evidence: [first] }) => (first ? `${id}.${first.turn}` : id));
}

function entry(callId: string, key: string, action: Action): Entry | undefined {
  if (!action.due) return undefined;
  const quotes = action.evidence.map(({ quote }) => `“${quote}”`);
  const url = `${location.origin}/calls/${callId}/follow-up`;
  return {
    uid: `${callId}.${key}@dealstage`,
    day: action.due,
    title: action.title,
    note: [action.why, ...quotes, url].join("\n"),
    url,
  };
}

function contactEntry(callId: string, contact: Documents["ContactInfo"]): Entry {
  const channel = text().channels[contact.channel] ?? contact.channel;
  const url = `${location.origin}/calls/${callId}`;
  return {
    uid: `${callId}.next_contact@dealstage`,
    day: contact.date,
    title: `${text().nextTalk} (${channel})`,
    note: [contact.why, ...contact.evidence.map(({ quote }) => `“${quote}”`), url].join("\n"),
    url,
  };
}

function download(name: string, entries: readonly Entry[]): void {
  const file = new Blob([calendar(entries, new Date())], { type: "text/calendar;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${name}.ics`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function Words(props: {
  callId: string;
  language: string;
  of: Pick<Action, "evidence"> & Partial<Pick<Action, "earlier">>;
}) {
  const { callId, language, of } = props;
  return (
    <>
      {of.evidence.map(({ turn, quote }) => (
        <blockquote key={`${turn} ${quote}`}>
          <a href={`/calls/${callId}?turn=${turn}`}>
            <span lang={language}>{quote}</span> <span class="muted">{text().turn(turn)}</span>
          </a>
        </blockquote>
      ))}
      {of.earlier?.map(({ call, call_date, turn, quote }) => (
        <blockquote key={`${call} ${turn} ${quote}`}>
          <a href={`/calls/${call}?turn=${turn}`}>
            <span lang={language}>{quote}</span>{" "}
            <span class="muted">
              {text().earlier(day(call_date))}, {text().turn(turn)}
            </span>
          </a>
        </blockquote>
      ))}
    </>
  );
}

function Item(props: {
  callId: string;
  action: Action;
  id: string;
  language: string;
  elements: Documents["ElementInfo"][];
  done: Done | undefined;
  /** Absent: ticks are not kept. */
  tick: ((done: boolean) => Promise<void>) | undefined;
}) {
  const { action, callId, done, language, tick } = props;
  const [busy, setBusy] = useState(false);
  const box = `do-${props.id}`;
  const late = action.due !== null && !done && action.due < today();
  const gap = props.elements.find((element) => element.id === action.closes);
  const event = entry(callId, props.id, action);
  return (
    <li class={done ? "do do-done" : "do"}>
      <div class="do-head">
        {tick && (
          <input
            id={box}
            type="checkbox"
            checked={done !== undefined}
            disabled={busy}
            onChange={(changed) => {
              setBusy(true);
              void tick(changed.currentTarget.checked).finally(() => setBusy(false));
            }}
          />
        )}
        {tick ? (
          <label for={box} lang={language}>
            {action.title}
          </label>
        ) : (
          <strong lang={language}>{action.title}</strong>
        )}
      </div>
      <p class="row do-facts">
        {action.due === null ? (
          <span class="muted">{text().noDue}</span>
        ) : (
          <span class={late ? "do-late" : ""}>
            {late ? text().overdue(day(action.due, { weekday: true })) : text().due(day(action.due, { weekday: true }))}
          </span>
        )}
        <span class="tag">{action.owner === "rep" ? text().rep : text().buyer}</span>
        <span class="tag">{text().channels[action.channel] ?? action.channel}</span>
        {done && <span class="muted">{text().done(nameOf(done.by), moment(done.done_at))}</span>}
        {event && (
          <button
            class="small plain"
            aria-label={`${text().calendar}: ${action.title}`}
            onClick={() => download(props.id, [event])}
          >
            {text().calendar}
          </button>
        )}
      </p>
      <p class="muted">
        <span lang={language}>{action.why}</span>
        {gap && ` · ${text().closes(gap.name)}`}
      </p>
      <Words callId={callId} language={language} of={action} />
    </li>
  );
}

export function ActionsPanel(props: { callId: string; analysis: Analysis }) {
  const { callId, analysis } = props;
  const { next_actions: next, more_actions: more, next_contact: contact } = analysis;
  const ticks = useResource((signal) => load(callId, signal), [callId]);
  const [fresh, setFresh] = useState<Done[]>();
  const kept = ticks.data === null ? null : (fresh ?? ticks.data);
  const all = [...next, ...more];
  const ids = keys(all);
  const tick = async (id: string, done: boolean) => {
    const before = kept ?? [];
    const others = before.filter((one) => one.id !== id);
    const mine = { id, done_at: new Date().toISOString(), by: me.value?.user?.id ?? "" };
    // Shown at once; taken back if the server does not have it.
    setFresh(done ? [...others, mine] : others);
    try {
      const path = { id: callId, action: id };
      setFresh(await ask(api.PUT("/v1/calls/{id}/actions/{action}", { params: { path }, body: { done } })));
    } catch (error) {
      setFresh(before);
      tellProblem(error);
    }
  };
  const item = (action: Action, at: number) => {
    const id = ids[at] ?? action.id;
    return (
      <Item
        key={id}
        callId={callId}
        action={action}
        id={id}
        language={analysis.call.language}
        elements={analysis.deal.elements}
        done={kept?.find((one) => one.id === id)}
        tick={kept ? (done) => tick(id, done) : undefined}
      />
    );
  };
  const dated = next.flatMap((action, at) => entry(callId, ids[at] ?? action.id, action) ?? []);
  if (contact) dated.push(contactEntry(callId, contact));
  const ticked = ids.slice(0, next.length).filter((id) => kept?.some((one) => one.id === id)).length;
  return (
    <section class="stack" aria-labelledby="do">
      <div class="row between">
        <h2 id="do">
          {text().actions}{" "}
          {kept && next.length > 0 && <span class="muted do-small">{text().doneOf(ticked, next.length)}</span>}
        </h2>
        {dated.length > 0 && (
          <button class="small" onClick={() => download("dealstage", dated)}>
            {text().calendarAll}
          </button>
        )}
      </div>
      {next.length === 0 && <p class="muted">{text().noActions}</p>}
      {next.length > 0 && <ol class="do-list">{next.map(item)}</ol>}
      {contact && (
        <div class="do-contact">
          <h3>{text().contact}</h3>
          <p class="row">
            <strong>{day(contact.date, { weekday: true })}</strong>
            <span class="tag">{text().channels[contact.channel] ?? contact.channel}</span>
            <span class="muted">{contact.why}</span>
          </p>
          <Words callId={callId} language={analysis.call.language} of={contact} />
        </div>
      )}
      {more.length > 0 && (
        <details>
          <summary>{text().moreActions(more.length)}</summary>
          <ul class="do-list">{more.map((action, at) => item(action, next.length + at))}</ul>
        </details>
      )}
    </section>
  );
}
