// What calls would change in the CRM: people look, approve, reject, and take back.
import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { api, ask, type Schemas } from "../../api/client.ts";
import { about } from "../../api/events.ts";
import { me } from "../../api/session.ts";
import { ago, day, share } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Empty, Loaded, Meter, PageHead } from "../../ui/basics.tsx";
import { tell } from "../../ui/toast.tsx";
import { DeliveriesOf } from "../admin/delivery.tsx";
import { Confirm, More, usePages, useWork } from "../admin/parts.tsx";
import {
  backwards,
  canRetry,
  canUndo,
  isMoving,
  newValue,
  oldValue,
  plain,
  title,
  tone,
  waits,
  wasWritten,
  type Change,
  type Proposal,
} from "./change.ts";
import { text } from "./text.ts";
import "./changes.css";

type Decision = "approve" | "reject" | "undo";

function send(id: string, decision: Decision, changes: readonly Change[]): Promise<Proposal> {
  const params = { path: { id } };
  const body = { changes: changes.map((change) => change.id) };
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  switch (decision) {
    case "approve":
      return ask(api.POST("/v1/proposals/{id}/approve", { params, body, headers }));
    case "reject":
      return ask(api.POST("/v1/proposals/{id}/reject", { params, body, headers }));
    case "undo":
      return ask(api.POST("/v1/proposals/{id}/undo", { params, body, headers }));
  }
}

/** A value as it stands in the CRM, or would. */
function Value(props: { value: string | null; long: boolean }) {
  return <dd tabIndex={props.long ? 0 : undefined}>{props.value ?? <span class="muted">{text().empty}</span>}</dd>;
}

function Values(props: { of: Change }) {
  const change = props.of;
  const makes = change.kind === "note" || change.kind === "task";
  return (
    <dl class="changes-values">
      {/* What is made anew was nothing before. */}
      {!makes && (
        <div>
          <dt>{wasWritten(change) ? text().before : text().now}</dt>
          <Value value={oldValue(change)} long={false} />
        </div>
      )}
      <div class={makes ? "changes-new changes-whole" : "changes-new"}>
        <dt>{wasWritten(change) ? text().written : text().will}</dt>
        <Value value={newValue(change)} long={makes} />
      </div>
    </dl>
  );
}

function Quotes(props: { of: Change }) {
  if (props.of.evidence.length === 0) return null;
  return (
    <ul class="changes-quotes" aria-label={text().why}>
      {props.of.evidence.map((one) => (
        <li key={`${one.call_id} ${one.turn} ${one.quote}`}>
          <blockquote>
            {one.quote} <a href={`/calls/${one.call_id}?turn=${one.turn}`}>{text().turn(one.turn)}</a>
          </blockquote>
        </li>
      ))}
    </ul>
  );
}

/** What came of it: the state in words, and what the CRM said. */
function Outcome(props: { of: Change }) {
  const { state, message, found } = props.of;
  const means = text().means[state];
  if (!means && !message && !found) return null;
  return (
    <div class={tone(state) === "poor" ? "problem" : "muted"}>
      {means && <p>{means}</p>}
      {found && (
        <p>
          {text().crmHas}: <strong>{plain(found.value, found.name) ?? text().empty}</strong>
        </p>
      )}
      {message && (
        <p>
          {text().crmSays}: {message}
        </p>
      )}
    </div>
  );
}

function About(props: { of: Change }) {
  const { confidence, policy, why, state, decided_at, decided_by } = props.of;
  const decider = () => {
    if (!decided_by) return text().byPolicy;
    return decided_by === me.value?.user?.id ? text().you : nameOf(decided_by);
  };
  return (
    <>
      {why && state === "proposed" && <p>{text().asked[why] ?? why}</p>}
      <p class="changes-about muted">
        {confidence != null && (
          <span>
            {text().confidence}: {share(confidence)}{" "}
            <Meter value={confidence} label={`${text().confidence}: ${share(confidence)}`} />
          </span>
        )}
        <span>
          {text().policy}: {text().policies[policy]}
        </span>
        {decided_at && <span>{text().by(decider(), ago(decided_at))}</span>}
      </p>
    </>
  );
}

interface Doing {
  busy: boolean;
  decide: (decision: Decision, changes: readonly Change[]) => void;
  askUndo: (changes: readonly Change[]) => void;
}

function One(props: { change: Change; chosen: boolean; onChoose: (on: boolean) => void; doing: Doing }) {
  const { change, doing } = props;
  const name = title(change);
  const label = (what: string) => `${what}: ${name}`;
  return (
    <li class="changes-one">
      <div class="changes-head">
        {waits(change) ? (
          <label>
            <input
              type="checkbox"
              aria-label={text().select(name)}
              checked={props.chosen}
              onChange={(event) => props.onChoose(event.currentTarget.checked)}
            />
            {name}
          </label>
        ) : (
          <strong>{name}</strong>
        )}
        <span class="row">
          <span class={`tag ${tone(change.state)}`}>{text().states[change.state]}</span>
          {waits(change) && (
            <>
              <button
                class="small"
                aria-label={label(text().approve)}
                disabled={doing.busy}
                onClick={() => doing.decide("approve", [change])}
              >
                {text().approve}
              </button>
              <button
                class="small"
                aria-label={label(text().reject)}
                disabled={doing.busy}
                onClick={() => doing.decide("reject", [change])}
              >
                {text().reject}
              </button>
            </>
          )}
          {canRetry(change) && (
            <button
              class="small"
              aria-label={label(change.state === "failed" ? text().tryAgain : text().again)}
              disabled={doing.busy}
              onClick={() => doing.decide("approve", [change])}
            >
              {change.state === "failed" ? text().tryAgain : text().again}
            </button>
          )}
          {canUndo(change) && (
            <button
              class="small"
              aria-label={label(text().undo)}
              disabled={doing.busy}
              onClick={() => doing.askUndo([change])}
            >
              {text().undo}
            </button>
          )}
        </span>
      </div>
      <Values of={change} />
      <Quotes of={change} />
      <About of={change} />
      <Outcome of={change} />
    </li>
  );
}

/** A change-set. `onChanged` gets it as it is after a decision. */
function ChangeSet(props: {
  proposal: Proposal;
  heading: string;
  dealName: string | undefined;
  onChanged: (now: Proposal) => void;
}) {
  const { proposal } = props;
  const changes: readonly Change[] = proposal.changes;
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [undoing, setUndoing] = useState<readonly Change[]>();
  const { busy, work } = useWork();
  const waiting = changes.filter(waits);
  const written = changes.filter(canUndo);
  const selected = waiting.filter((change) => chosen.includes(change.id));
  const said = { approve: text().approved, reject: text().rejected, undo: text().undone };
  const decided = async (decision: Decision, of: readonly Change[]) => {
    const now = await send(proposal.id, decision, of);
    setChosen([]);
    tell(said[decision]);
    props.onChanged(now);
  };
  const decide = (decision: Decision, of: readonly Change[]) => void work(() => decided(decision, of));
  const doing: Doing = { busy, decide, askUndo: setUndoing };
  const choose = (id: string, on: boolean) => setChosen(on ? [...chosen, id] : chosen.filter((other) => other !== id));
  return (
    <section class="card stack" aria-label={props.heading}>
      <div class="row between">
        <h2>{props.dealName ? <a href={`/deals/${proposal.deal_id}`}>{props.heading}</a> : props.heading}</h2>
        <span class="muted">
          <a href={`/calls/${proposal.call_id}`}>{text().fromCall}</a> · {day(proposal.created_at)} · {text().crmDeal}:{" "}
          {proposal.crm_deal_id}
        </span>
      </div>
      {waiting.length > 0 && <p role="status">{text().waiting(waiting.length)}</p>}
      <ul class="changes-list">
        {changes.map((change) => (
          <One
            key={change.id}
            change={change}
            chosen={chosen.includes(change.id)}
            onChoose={(on) => choose(change.id, on)}
            doing={doing}
          />
        ))}
      </ul>
      {(waiting.length > 1 || written.length > 1) && (
        <div class="changes-bar">
          {waiting.length > 1 && (
            <>
              <button
                class="primary"
                disabled={busy}
                onClick={() => decide("approve", selected.length > 0 ? selected : waiting)}
              >
                {selected.length > 0 ? text().approveChosen(selected.length) : text().approveAll}
              </button>
              <button disabled={busy} onClick={() => decide("reject", selected.length > 0 ? selected : waiting)}>
                {selected.length > 0 ? text().rejectChosen(selected.length) : text().rejectAll}
              </button>
            </>
          )}
          {written.length > 1 && (
            <button disabled={busy} onClick={() => setUndoing(written)}>
              {text().undoAll}
            </button>
          )}
        </div>
      )}
      {undoing && (
        <Confirm
          title={text().undoTitle}
          label={text().undo}
          danger
          onClose={() => setUndoing(undefined)}
          onYes={() => decided("undo", undoing)}
        >
          <p>{text().undoAsk}</p>
          <ul>
            {undoing.map((change) => (
              <li key={change.id}>{backwards(change)}</li>
            ))}
          </ul>
        </Confirm>
      )}
    </section>
  );
}

/** Change-sets of a call or a deal, and what became of sending them. */
export function ChangesPanel(props: { callId?: string; dealId?: string }) {
  const { callId, dealId } = props;
  const query = { ...(callId ? { call: callId } : {}), limit: 50 };
  const list = useResource(
    (signal) =>
      dealId
        ? ask(api.GET("/v1/deals/{id}/proposals", { params: { path: { id: dealId }, query }, signal }))
        : ask(api.GET("/v1/proposals", { params: { query }, signal })),
    [callId, dealId],
    (event) => about(event, "call_id", callId) || about(event, "deal_id", dealId),
  );
  usePoll(list.data?.items.some((set) => set.changes.some(isMoving)) ?? false, 1000, list.reload);
  return (
    <div class="stack">
      <Loaded of={list}>
        {(found) =>
          found.items.length === 0 ? (
            <Empty>{text().nothingHere}</Empty>
          ) : (
            <Sets of={found.items} onChanged={list.reload} />
          )
        }
      </Loaded>
      {(callId || dealId) && (
        <DeliveriesOf {...(callId ? { callId } : {})} {...(dealId && !callId ? { dealId } : {})} />
      )}
    </div>
  );
}

/** Names of deals, asked for once. */
function useDealNames(ids: readonly string[]): Record<string, string> {
  const [names, setNames] = useState<Record<string, string>>({});
  const asked = useRef(new Set<string>());
  useEffect(() => {
    for (const id of ids) {
      if (asked.current.has(id)) continue;
      asked.current.add(id);
      ask(api.GET("/v1/deals/{id}", { params: { path: { id } } }))
        .then((deal: Schemas["Deal"]) => setNames((before) => ({ ...before, [id]: deal.name })))
        // A change-set without the name of its deal can be decided about all the same.
        .catch(() => undefined);
    }
  }, [ids.join()]);
  return names;
}

function Sets(props: { of: readonly Proposal[]; onChanged: (now: Proposal) => void }) {
  const names = useDealNames(props.of.map((proposal) => proposal.deal_id));
  return (
    <>
      {props.of.map((proposal) => (
        <ChangeSet
          key={proposal.id}
          proposal={proposal}
          heading={text().set(names[proposal.deal_id] ?? text().unnamed)}
          dealName={names[proposal.deal_id]}
          onChanged={props.onChanged}
        />
      ))}
    </>
  );
}

export function ChangesPage() {
  const { query: said, route } = useLocation();
  const all = said.show === "all";
  // What was decided about here stays in sight: what comes of it is seen, and it can be taken back.
  const decided = useRef(new Set<string>());
  const list = usePages(
    async (cursor, signal) => {
      const query = { ...(all ? {} : { open: true }), limit: 20, ...(cursor ? { cursor } : {}) };
      const page = await ask(api.GET("/v1/proposals", { params: { query }, signal }));
      if (cursor || all) return page;
      const missing = [...decided.current].filter((id) => !page.items.some((set) => set.id === id));
      const kept = missing.map((id) => ask(api.GET("/v1/proposals/{id}", { params: { path: { id } }, signal })));
      return { ...page, items: [...(await Promise.all(kept)), ...page.items] };
    },
    [all],
    (event) => event.type === "proposal.created" || event.type === "deal.updated",
  );
  usePoll(list.data?.items.some((set) => set.changes.some(isMoving)) ?? false, 1000, list.reload);
  const changed = (now: Proposal) => {
    decided.current.add(now.id);
    list.reload();
  };
  const choice = (show: "open" | "all", label: string) => (
    <button
      class="small"
      aria-pressed={(show === "all") === all}
      onClick={() => route(show === "all" ? "/changes?show=all" : "/changes", true)}
    >
      {label}
    </button>
  );
  return (
    <>
      <PageHead title={text().title}>
        <span class="row changes-show" role="group" aria-label={text().show}>
          {choice("open", text().open)}
          {choice("all", text().all)}
        </span>
      </PageHead>
      <div class="stack">
        <Loaded of={list}>
          {(found) =>
            found.items.length === 0 ? (
              <Empty>{all ? text().nothing : text().nothingOpen}</Empty>
            ) : (
              <Sets of={found.items} onChanged={changed} />
            )
          }
        </Loaded>
        <More of={list} />
      </div>
    </>
  );
}
