// One deal: what is known of it over all calls, what was known when, and what comes next.
import { useLocation } from "preact-iso";
import { useId, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { api, ask, type Schemas } from "../../api/client.ts";
import type { components } from "../../api/document.d.ts";
import { about } from "../../api/events.ts";
import { atLeast } from "../../api/session.ts";
import { day, moment, share } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { useResource } from "../../lib/resource.ts";
import { word } from "../../lib/vocabulary.ts";
import { Dialog, Empty, Loaded, PageHead } from "../../ui/basics.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { ChangesPanel } from "../changes/changes.tsx";
import { elementName, inForce, stageName } from "../../lib/process.ts";
import { tone } from "./board.ts";
import { Due, Health, NotSure } from "./deals.tsx";
import { differences, placeAt, saidFields, type Difference, type Field, type Known, type Step } from "./diff.ts";
import { callTurn, ElementList, Quote, Quotes, TOP_SCORE, type ToTurn } from "./elements.tsx";
import { text } from "./text.ts";

type Document = components["schemas"];
type DealState = Schemas["DealState"];

export function DealPage(props: { id: string }) {
  const { id } = props;
  inForce.value;
  const deal = useResource(
    (signal) => ask(api.GET("/v1/deals/{id}", { params: { path: { id } }, signal })),
    [id],
    (event) => about(event, "deal_id", id),
  );
  const history = useResource(
    async (signal) => {
      const answer = await ask(api.GET("/v1/deals/{id}/history", { params: { path: { id } }, signal }));
      return answer.records as unknown as Step[];
    },
    [id],
    (event) => about(event, "deal_id", id),
  );
  return (
    <Loaded of={deal}>
      {(found) => <Loaded of={history}>{(steps) => <Whole deal={found} steps={steps} />}</Loaded>}
    </Loaded>
  );
}

function Whole(props: { deal: DealState; steps: Step[] }) {
  const { deal, steps } = props;
  const { query, path, route } = useLocation();
  const [deleting, setDeleting] = useState(false);
  const last = steps.length - 1;
  const place = placeAt(steps, query.at ?? null);
  const step = steps[place];
  // The address tells the moment, so that it can be passed on.
  const moveTo = (to: number) => {
    const at = steps[to]?.known_at;
    route(to === last || !at ? path : `${path}?at=${encodeURIComponent(at)}`, true);
  };
  const stage = step ? step.known.deal.stage : (deal.stage ?? null);
  const abstained = step ? step.known.deal.abstained : deal.abstained;
  const lead = step?.known.qualification.lead_score ?? deal.lead_score;
  return (
    <>
      <PageHead title={deal.name}>
        <span class="tag accent">{stage ? stageName(stage) : text().notDecided}</span>
        {stage && abstained && <NotSure />}
        {step?.known.deal.on_hold && <span class="tag watch">{text().onHold}</span>}
        {place === last && <Health deal={deal} />}
        {lead != null && <span class="tag">{text().leadOf(lead)}</span>}
        {deal.owner && <span class="muted">{nameOf(deal.owner)}</span>}
        {atLeast("manager") && (
          <button class="danger small" onClick={() => setDeleting(true)}>
            {text().delete}
          </button>
        )}
      </PageHead>
      {step ? (
        <Record deal={deal} steps={steps} step={step} place={place} onMove={moveTo} />
      ) : (
        <Empty>
          <p>{text().noCalls}</p>
          <a href="/">{text().upload}</a>
        </Empty>
      )}
      {deleting && <DeleteDeal deal={deal} calls={steps.length} onClose={() => setDeleting(false)} />}
    </>
  );
}

function Section(props: { title: string; wide?: boolean; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class={props.wide ? "card stack deal-wide" : "card stack"} aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </section>
  );
}

function Record(props: { deal: DealState; steps: Step[]; step: Step; place: number; onMove: (to: number) => void }) {
  const { deal, steps, step, place } = props;
  const { known } = step;
  const to: ToTurn = { href: (call, turn) => callTurn(call ?? step.call_id, turn) };
  const now = place === steps.length - 1;
  const changed = (
    <Section title={text().changedHere}>
      <Differences step={step} before={steps[place - 1]} to={to} />
    </Section>
  );
  return (
    <div class="stack">
      {steps.length > 1 && <Slider steps={steps} place={place} onMove={props.onMove} />}
      <div class="deal-grid">
        <div class="stack">
          <Section title={text().elements}>
            {known.deal.stage_exit && (
              <p class="muted">
                {text().exit}: {known.deal.stage_exit}
              </p>
            )}
            <ElementList elements={known.deal.elements} to={to} />
          </Section>
          <Section title={text().contradictions}>
            <Contradictions known={known} to={to} />
          </Section>
          <Section title={text().facts}>
            <Facts step={step} />
          </Section>
        </div>
        <div class="stack">
          {now ? <HealthSection deal={deal} /> : changed}
          <Section title={text().actions}>
            <Actions known={known} to={to} />
          </Section>
          <Section title={text().promises}>
            <Promises known={known} />
          </Section>
          {known.root_causes.length > 0 && (
            <Section title={text().causes}>
              <ul class="deal-lines">
                {known.root_causes.map((cause) => (
                  <li key={cause.id}>
                    <strong>{word("root_causes", cause.id)}</strong>
                    <p class="muted">{cause.why}</p>
                    <Quotes of={[...cause.evidence, ...cause.earlier]} to={to} />
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <Section title={text().contacts}>
            <People known={known} />
          </Section>
          {now && changed}
        </div>
      </div>
      <Calls deal={deal.id} steps={steps} place={place} />
      {now && (
        <Section title={text().crm} wide>
          <ChangesPanel dealId={deal.id} />
        </Section>
      )}
    </div>
  );
}

function Slider(props: { steps: Step[]; place: number; onMove: (to: number) => void }) {
  const { steps, place } = props;
  const id = useId();
  const step = steps[place];
  const said = step
    ? `${text().after(place + 1, steps.length)}: ${day(step.call_date)} (${text().knownAt(moment(step.known_at))})`
    : "";
  return (
    <section class="card deal-time" aria-labelledby={`${id}-label`}>
      <div class="row between">
        <label for={id} id={`${id}-label`}>
          {text().time}
        </label>
        <span>{said}</span>
      </div>
      <input
        id={id}
        type="range"
        min={0}
        max={steps.length - 1}
        step={1}
        value={place}
        aria-valuetext={said}
        aria-describedby={`${id}-hint`}
        onInput={(event) => props.onMove(Number(event.currentTarget.value))}
      />
      {place === steps.length - 1 ? (
        <p class="muted" id={`${id}-hint`}>
          {text().timeHint}
        </p>
      ) : (
        <div class="row between deal-past" id={`${id}-hint`}>
          <span>{text().past}</span>
          <button class="small" onClick={() => props.onMove(steps.length - 1)}>
            {text().toNow}
          </button>
        </div>
      )}
    </section>
  );
}

function HealthSection(props: { deal: DealState }) {
  const { health } = props.deal;
  if (health === undefined) return null;
  return (
    <Section title={text().health}>
      {health ? (
        <>
          <p>
            <span class={`tag ${tone(health.score)}`}>{text().healthOf(health.score)}</span>
          </p>
          {health.reasons.length > 0 ? (
            <ul class="deal-plain">
              {health.reasons.map((reason) => (
                <li key={reason}>{word("health", reason)}</li>
              ))}
            </ul>
          ) : (
            <p class="muted">{text().healthy}</p>
          )}
        </>
      ) : (
        <p class="muted">{text().healthUnknown}</p>
      )}
    </Section>
  );
}

function Actions(props: { known: Known; to: ToTurn }) {
  const { next_actions: actions } = props.known;
  if (actions.length === 0) return <p class="muted">{text().noActions}</p>;
  return (
    <ul class="deal-lines">
      {actions.map((action, n) => (
        <li key={n}>
          <div class="row between">
            <strong class="grow">{action.title}</strong>
            <Due due={action.due} />
          </div>
          <p class="muted">{action.why}</p>
          <Quotes of={[...action.evidence, ...action.earlier]} to={props.to} />
        </li>
      ))}
    </ul>
  );
}

function Promises(props: { known: Known }) {
  const promises = props.known.deal.open_promises;
  if (promises.length === 0) return <p class="muted">{text().noPromises}</p>;
  return (
    <ul class="deal-lines">
      {promises.map((promise, n) => (
        <li key={n}>
          <div class="row between">
            <span class="muted">{who(promise.who)}</span>
            {promise.due ? <Due due={promise.due} /> : <span class="muted">{text().noDue}</span>}
          </div>
          <Quote evidence={promise} to={{ href: (call, turn) => callTurn(call ?? promise.call, turn) }} />
        </li>
      ))}
    </ul>
  );
}

function who(role: Document["Role"]): string {
  return role === "rep" ? text().ours : role === "buyer" ? text().theirs : text().somebody;
}

/** An element of the process, or a field. */
function subject(known: Known, about: string): string {
  return known.deal.elements.find((element) => element.id === about)?.name ?? word("fields", about);
}

function Contradictions(props: { known: Known; to: ToTurn }) {
  const { contradictions } = props.known.deal;
  if (contradictions.length === 0) return <p class="muted">{text().noContradictions}</p>;
  return (
    <>
      <p class="muted">{text().nowHolds}</p>
      <ul class="deal-lines">
        {contradictions.map((one, n) => (
          <li key={n}>
            <strong class="el-name">{subject(props.known, one.about)}</strong>
            <div class="deal-sides">
              <div>
                <span class="muted">{text().before}</span>
                <Quote evidence={one.earlier} to={props.to} />
              </div>
              <div>
                <span class="muted">{text().now}</span>
                <Quote evidence={one.latest} to={props.to} />
              </div>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

interface Fact {
  field: string;
  said: string;
  /** An id; null for what an earlier call said. */
  status: string | null;
  call: string;
  call_date: string;
  turn: number | null;
}

function said(field: Field): string {
  return field.quote ?? field.raw ?? "–";
}

/** What was said in this call and in earlier ones, by field. */
function factsOf(step: Step): Map<string, Fact[]> {
  const { call_id: call, call_date, known } = step;
  const now = saidFields(known).map((field) => {
    return { field: field.field, said: said(field), status: field.status, call, call_date, turn: field.turn ?? null };
  });
  const earlier = known.deal.earlier_facts.map((fact) => ({ ...fact, said: fact.quote, status: null }));
  const facts = new Map<string, Fact[]>();
  for (const fact of [...now, ...earlier]) {
    const all = facts.get(fact.field) ?? [];
    // One quote may hold two values of a field: it is shown once.
    const twice = all.some((one) => one.call === fact.call && one.turn === fact.turn && one.said === fact.said);
    if (!twice) facts.set(fact.field, [...all, fact]);
  }
  return facts;
}

function Facts(props: { step: Step }) {
  const facts = factsOf(props.step);
  const silent = props.step.known.qualification.fields.filter((field) => !facts.has(field.field));
  return (
    <>
      <dl class="deal-facts">
        {[...facts].map(([field, all]) => (
          <div key={field}>
            <dt>{word("fields", field)}</dt>
            <dd>
              {all.map((fact, n) => (
                <p key={n}>
                  {fact.said}{" "}
                  {fact.status && fact.status !== "stated" && (
                    <span class="tag">{text().statuses[fact.status] ?? fact.status}</span>
                  )}{" "}
                  {fact.turn === null ? (
                    <span class="muted">{day(fact.call_date)}</span>
                  ) : (
                    <a href={callTurn(fact.call, fact.turn)}>
                      {day(fact.call_date)}, {text().turn(fact.turn)}
                    </a>
                  )}
                </p>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      {silent.length > 0 && (
        <p>
          <strong>{text().notStated}:</strong>{" "}
          <span class="muted">{silent.map((field) => word("fields", field.field)).join(", ")}</span>
        </p>
      )}
    </>
  );
}

interface Named {
  name: string;
  title: string;
}

function peopleOf(known: Known): Named[] {
  const people = new Map<string, Named>();
  const add = (value: unknown) => {
    const person = value as { name?: string | null; title?: string | null; side?: string } | null;
    if (person?.side !== "buyer" || !(person.name || person.title)) return;
    const key = person.name ?? person.title ?? "";
    const before = people.get(key);
    people.set(key, { name: person.name ?? "", title: person.title ?? before?.title ?? "" });
  };
  for (const name of known.deal.buyers) people.set(name, { name, title: "" });
  for (const fact of known.deal.earlier_facts) add(fact.value);
  for (const field of saidFields(known)) add(field.value);
  return [...people.values()];
}

function People(props: { known: Known }) {
  const people = peopleOf(props.known);
  if (people.length === 0) return <p class="muted">{text().noContacts}</p>;
  return (
    <ul class="deal-plain">
      {people.map((person) => (
        <li key={person.name + person.title}>{[person.name, person.title].filter(Boolean).join(", ")}</li>
      ))}
    </ul>
  );
}

function Differences(props: { step: Step; before: Step | undefined; to: ToTurn }) {
  const found = differences(props.before?.known, props.step.known);
  return (
    <>
      <p class="muted">
        {day(props.step.call_date)}: {props.before ? text().compare : text().firstCall}
      </p>
      {found.length === 0 ? (
        <p class="muted">{text().noChange}</p>
      ) : (
        <ul class="deal-lines">
          {found.map((one, n) => (
            <li key={n}>
              <DifferenceLine of={one} to={props.to} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function DifferenceLine(props: { of: Difference; to: ToTurn }) {
  const { of, to } = props;
  const words = text().diff;
  const line = (label: string, said: string) => (
    <p>
      <strong class="el-name">{label}</strong>: {said}
    </p>
  );
  const stage = (id: string | null) => (id ? stageName(id) : words.none);
  const outcome = (id: string | null) => (id ? word("outcomes", id) : words.none);
  switch (of.kind) {
    case "stage":
      return line(words.stage, `${stage(of.from)} → ${stage(of.to)}`);
    case "sure":
      return line(words.sure, of.to ? words.sureYes : words.sureNo);
    case "outcome":
      return line(words.outcome, `${outcome(of.from)} → ${outcome(of.to)}`);
    case "hold":
      return line(words.hold, of.to ? words.yes : words.no);
    case "element":
      return (
        <>
          {line(of.name || elementName(of.id), `${of.from}/${TOP_SCORE} → ${of.to}/${TOP_SCORE}`)}
          <p class="muted">{of.why}</p>
          <Quotes of={of.evidence} to={to} />
        </>
      );
    case "facts":
      return line(words.facts, of.fields.map((field) => word("fields", field)).join(", "));
    case "promise":
      return line(words.promise, of.promise.what);
    case "kept":
      return line(words.kept, of.promise.what);
  }
}

function Calls(props: { deal: string; steps: Step[]; place: number }) {
  const calls = useResource(
    async (signal) => {
      const query = { deal: props.deal, limit: 200 };
      return (await ask(api.GET("/v1/calls", { params: { query }, signal }))).items;
    },
    [props.deal],
    (event) => about(event, "deal_id", props.deal),
  );
  return (
    <Section title={text().calls} wide>
      <Loaded of={calls}>
        {(found) => (
          <div class="table-wrap" tabIndex={0} role="group" aria-label={text().calls}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{text().date}</th>
                  <th scope="col">{text().file}</th>
                  <th scope="col">{text().stage}</th>
                  <th scope="col">{text().outcome}</th>
                </tr>
              </thead>
              <tbody>
                {found.map((call) => {
                  const deal = props.steps.find((step) => step.call_id === call.id)?.known.deal;
                  const here = props.steps[props.place]?.call_id === call.id;
                  return (
                    <tr key={call.id} aria-current={here ? "true" : undefined}>
                      <td>{day(call.call_date ?? call.created_at)}</td>
                      <th scope="row">
                        <a href={`/calls/${call.id}`}>{call.source}</a>
                      </th>
                      <td>
                        {deal?.stage ? stageName(deal.stage) : "–"} {deal?.stage && deal.abstained && <NotSure />}
                        {deal && <span class="muted"> {text().confidence(share(deal.confidence))}</span>}
                      </td>
                      <td>{deal?.call_outcome ? word("outcomes", deal.call_outcome) : "–"}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
    </Section>
  );
}

function DeleteDeal(props: { deal: DealState; calls: number; onClose: () => void }) {
  const { route } = useLocation();
  const [busy, setBusy] = useState(false);
  const erase = async () => {
    setBusy(true);
    try {
      await ask(api.DELETE("/v1/deals/{id}", { params: { path: { id: props.deal.id } } }));
      tell(text().deleted);
      route("/deals", true);
    } catch (error) {
      tellProblem(error);
      setBusy(false);
    }
  };
  const calls = props.deal.calls ?? props.calls;
  return (
    <Dialog title={text().deleteTitle} onClose={props.onClose}>
      <p>
        <strong>{props.deal.name}</strong>
      </p>
      <p>{text().deleteWhat(text().callCount(calls))}</p>
      <div class="row">
        <button class="danger" disabled={busy} onClick={() => void erase()}>
          {text().delete}
        </button>
        <button disabled={busy} onClick={props.onClose}>
          {text().cancel}
        </button>
      </div>
    </Dialog>
  );
}
