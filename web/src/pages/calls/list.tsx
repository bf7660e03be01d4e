// The list of calls: rows are links, arrows move between them.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { clock, day } from "../../lib/format.ts";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { DealDialog } from "./deal-dialog.tsx";
import { EraseDialog } from "./erase-dialog.tsx";
import { parts } from "./found.ts";
import { isOpen } from "./pace.ts";
import { nameOf } from "../../lib/people.ts";
import { stageName } from "../../lib/process.ts";
import { whyFailed } from "../../lib/words.ts";
import { CallProgress } from "./progress.tsx";
import { text } from "./text.ts";
import { today } from "./today.ts";

type Call = Schemas["Call"];

/** The year only where it is not this one: the column is narrow. */
function shortDay(when: string): string {
  return day(when, { year: when.slice(0, 4) !== today().slice(0, 4) });
}

function StageCell(props: { call: Call }) {
  const { call } = props;
  if (call.not_sales) return <span class="muted">{text().notSales}</span>;
  if (call.stage) return <span class="tag accent">{stageName(call.stage)}</span>;
  return <span class="muted">{call.status === "done" && call.abstained ? text().undecided : text().noStage}</span>;
}

function NextCell(props: { call: Call }) {
  const next = props.call.next_action;
  if (!next) return <span class="muted">–</span>;
  const late = next.due != null && next.due < today();
  return (
    <>
      <span class="calls-next">{next.title}</span>
      {next.due && (
        <span class={late ? "calls-late" : "muted"}>
          {late ? text().overdue(shortDay(next.due)) : text().due(shortDay(next.due))}
        </span>
      )}
    </>
  );
}

function Found(props: { call: Call; query: string }) {
  const { found, id } = props.call;
  if (!found) return null;
  return (
    <a class="calls-found" href={`/calls/${id}?turn=${found.turn}`}>
      <span class="muted">{text().foundIn(found.turn)}:</span> “
      {parts(found.quote, props.query).map((part, i) => (part.hit ? <mark key={i}>{part.text}</mark> : part.text))}”
    </a>
  );
}

function StatusCell(props: { call: Call }) {
  const { call } = props;
  if (isOpen(call)) return <CallProgress call={call} />;
  const tone = { done: "good", failed: "poor", cancelled: "", live: "accent" }[call.status as string] ?? "";
  return <span class={`tag ${tone}`}>{text().statuses[call.status]}</span>;
}

type Asked = "deal" | "erase";

function Row(props: { call: Call; query: string; onChanged: () => void; onAsk: (what: Asked, call: Call) => void }) {
  const { call } = props;
  const [busy, setBusy] = useState(false);
  const work = (doing: Promise<unknown>, said: string) => {
    setBusy(true);
    doing
      .then(() => {
        tell(said);
        props.onChanged();
      })
      .catch(tellProblem)
      .finally(() => setBusy(false));
  };
  const path = { params: { path: { id: call.id } } };
  const ended = !isOpen(call) && call.status !== "live";
  const about = [
    call.language?.toUpperCase(),
    call.duration_s == null ? undefined : clock(call.duration_s),
    call.turns == null ? undefined : text().turns(call.turns),
  ].filter(Boolean);
  const href = call.status === "live" ? `/live/${call.id}` : `/calls/${call.id}`;
  return (
    <tr role="row">
      <td role="cell" class="calls-day">
        {shortDay(call.call_date ?? call.created_at)}
        {/* The list goes by when they came. */}
        {call.call_date && day(call.call_date) !== day(call.created_at) && (
          <span class="muted calls-added"> {text().added(shortDay(call.created_at))}</span>
        )}
      </td>
      <td role="cell" class="calls-what">
        <a class="calls-name" data-row href={href}>
          {call.source}
        </a>
        {about.length > 0 && <span class="muted">{about.join(" · ")}</span>}
        <Found call={call} query={props.query} />
      </td>
      <td role="cell" data-label={text().deal}>
        {call.deal_id ? (
          <a class="calls-name" href={`/deals/${call.deal_id}`}>
            {call.deal_name ?? text().untitled}
          </a>
        ) : (
          <button
            class="small plain calls-nodeal"
            aria-label={`${text().noDeal}: ${call.source}`}
            disabled={call.consent === "denied"}
            onClick={() => props.onAsk("deal", call)}
          >
            {text().noDeal}
          </button>
        )}
      </td>
      <td role="cell" class="calls-who" data-label={text().who}>
        {nameOf(call.owner)}
      </td>
      {call.error ? (
        // Nothing is known of it but why.
        <td role="cell" colSpan={3} class="calls-wrong">
          {whyFailed(call.error)}
        </td>
      ) : (
        <>
          <td
            role="cell"
            class={call.stage || call.not_sales || call.abstained ? "" : "calls-empty"}
            data-label={text().stage}
          >
            <StageCell call={call} />
          </td>
          <td role="cell" class={call.next_action ? "" : "calls-empty"} data-label={text().next}>
            <NextCell call={call} />
          </td>
          <td
            role="cell"
            class={call.lead_score == null ? "calls-score calls-empty" : "calls-score"}
            data-label={text().score}
          >
            {call.lead_score ?? <span class="muted">–</span>}
          </td>
        </>
      )}
      <td role="cell" class="calls-status" data-label={text().status}>
        <StatusCell call={call} />
      </td>
      <td role="cell" class="calls-do">
        {isOpen(call) ? (
          <button
            class="small"
            aria-label={`${text().cancel}: ${call.source}`}
            disabled={busy}
            onClick={() => work(ask(api.POST("/v1/calls/{id}/cancel", path)), text().cancelled)}
          >
            {text().cancel}
          </button>
        ) : (
          <details class="calls-menu" onFocusOut={closeWhenLeft} onKeyDown={closeOnEscape}>
            <summary class="button small plain" aria-label={text().actionsOf(call.source)} title={text().actions}>
              <span aria-hidden="true">⋯</span>
            </summary>
            <div class="card">
              {call.consent !== "denied" && (
                <button class="plain small" onClick={() => props.onAsk("deal", call)}>
                  {call.deal_id ? text().otherDeal : text().putToDeal}
                </button>
              )}
              {ended && call.consent !== "denied" && (
                <button
                  class="plain small"
                  disabled={busy}
                  onClick={() => work(ask(api.POST("/v1/calls/{id}/rerun", path)), text().rerunning)}
                >
                  {text().rerun}
                </button>
              )}
              <button class="plain small danger" onClick={() => props.onAsk("erase", call)}>
                {text().erase}
              </button>
            </div>
          </details>
        )}
      </td>
    </tr>
  );
}

function closeWhenLeft(event: FocusEvent & { currentTarget: HTMLDetailsElement }): void {
  if (!event.currentTarget.contains(event.relatedTarget as Node | null)) event.currentTarget.open = false;
}

function closeOnEscape(event: KeyboardEvent & { currentTarget: HTMLDetailsElement }): void {
  if (event.key !== "Escape") return;
  event.currentTarget.open = false;
  event.currentTarget.querySelector("summary")?.focus();
}

/** Arrows go from row to row; Enter is the link's own. */
function move(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = (event.target as Element).closest("a[data-row]");
  if (step === undefined || !here) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("a[data-row]")];
  const next = links[links.indexOf(here as HTMLAnchorElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

export function CallList(props: { calls: readonly Call[]; query: string; busy: boolean; onChanged: () => void }) {
  const [asked, setAsked] = useState<{ what: Asked; call: Call }>();
  const close = () => setAsked(undefined);
  return (
    <>
      <table class="calls-list" role="table" aria-label={text().list} aria-busy={props.busy} onKeyDown={move}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">
              {text().day}
            </th>
            <th role="columnheader" scope="col">
              {text().call}
            </th>
            <th role="columnheader" scope="col">
              {text().deal}
            </th>
            <th role="columnheader" scope="col" class="calls-who">
              {text().who}
            </th>
            <th role="columnheader" scope="col">
              {text().stage}
            </th>
            <th role="columnheader" scope="col">
              {text().next}
            </th>
            <th role="columnheader" scope="col" class="calls-score" title={text().scoreLong}>
              {text().score}
            </th>
            <th role="columnheader" scope="col">
              {text().status}
            </th>
            <th role="columnheader" scope="col">
              <span class="sr-only">{text().actions}</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {props.calls.map((call) => (
            <Row
              key={call.id}
              call={call}
              query={props.query}
              onChanged={props.onChanged}
              onAsk={(what, of) => setAsked({ what, call: of })}
            />
          ))}
        </tbody>
      </table>
      {asked?.what === "deal" && <DealDialog calls={[asked.call]} onClose={close} onDone={props.onChanged} />}
      {asked?.what === "erase" && <EraseDialog call={asked.call} onClose={close} onDone={props.onChanged} />}
    </>
  );
}
