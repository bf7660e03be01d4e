// All deals: on a board by stage, or as a list.
import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { api, ask } from "../../api/client.ts";
import { day } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { useResource } from "../../lib/resource.ts";
import { word } from "../../lib/vocabulary.ts";
import { Empty, Field, Loaded, PageHead } from "../../ui/basics.tsx";
import { FormDialog } from "../../ui/form.tsx";
import { elementName, inForce, stageName } from "../../lib/process.ts";
import { columns, isPast, matching, tone, type Column, type Deal } from "./board.ts";
import { text } from "./text.ts";
import "./deals.css";

const PAGE = 200;
const MOST = 1000;
/** Cards of a column before people ask for all. */
const FIRST_CARDS = 40;

const VIEW = "dealstage.deals.view";
type View = "board" | "list";

function firstView(): View {
  const kept = localStorage.getItem(VIEW);
  if (kept === "board" || kept === "list") return kept;
  // Columns side by side need room.
  return matchMedia("(min-width: 700px)").matches ? "board" : "list";
}

async function allDeals(signal: AbortSignal): Promise<{ deals: Deal[]; more: boolean }> {
  const deals: Deal[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { limit: PAGE, ...(cursor ? { cursor } : {}) };
    const page = await ask(api.GET("/v1/deals", { params: { query }, signal }));
    deals.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && deals.length < MOST);
  return { deals, more: Boolean(cursor) };
}

export function Deals() {
  const [view, setView] = useState<View>(firstView);
  const [words, setWords] = useState("");
  const [owner, setOwner] = useState("");
  const [adding, setAdding] = useState(false);
  const process = inForce.value;
  const found = useResource(allDeals, [], (event) => /^(deal|call|action)\./.test(event.type));
  const look = (to: View) => {
    localStorage.setItem(VIEW, to);
    setView(to);
  };
  const mine = new Set(found.data?.deals.flatMap((deal) => deal.owner ?? []));
  return (
    <>
      <PageHead title={text().title}>
        <button class="primary" onClick={() => setAdding(true)}>
          {text().add}
        </button>
      </PageHead>
      <div class="row deals-filters">
        <label class="grow">
          <span class="sr-only">{text().search}</span>
          <input
            type="search"
            placeholder={text().search}
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </label>
        {mine.size > 1 && (
          <label>
            <span class="sr-only">{text().owner}</span>
            <select value={owner} onChange={(event) => setOwner(event.currentTarget.value)}>
              <option value="">
                {text().owner}: {text().everybody}
              </option>
              {[...mine].map((id) => (
                <option key={id} value={id}>
                  {nameOf(id)}
                </option>
              ))}
            </select>
          </label>
        )}
        <div class="row" role="group" aria-label={text().view}>
          {(["board", "list"] as const).map((one) => (
            <button key={one} class="small" aria-pressed={view === one} onClick={() => look(one)}>
              {text()[one]}
            </button>
          ))}
        </div>
      </div>
      <Loaded of={found}>
        {({ deals, more }) => {
          const shown = matching(deals, { words, owner });
          return (
            <>
              <p class="muted deals-count" role="status">
                {text().deals(shown.length)}
                {more && `. ${text().more}`}
              </p>
              {shown.length === 0 ? (
                <Empty>{deals.length === 0 ? text().none : text().noneFound}</Empty>
              ) : view === "board" ? (
                <div class="deals-board" tabIndex={0} role="region" aria-label={text().board}>
                  {columns(shown, process?.stages ?? []).map((column) => (
                    <BoardColumn key={column.stage} column={column} />
                  ))}
                </div>
              ) : (
                <Table deals={shown} />
              )}
            </>
          );
        }}
      </Loaded>
      {adding && <AddDeal onClose={() => setAdding(false)} />}
    </>
  );
}

function BoardColumn(props: { column: Column }) {
  const { stage, deals } = props.column;
  const [all, setAll] = useState(false);
  const name = stage === null ? text().notDecided : stageName(stage);
  return (
    <section class="deals-column" aria-label={name}>
      <h2>
        {name} <span class="muted">{deals.length}</span>
      </h2>
      <ul>
        {(all ? deals : deals.slice(0, FIRST_CARDS)).map((deal) => (
          <li key={deal.id}>
            <Card deal={deal} />
          </li>
        ))}
      </ul>
      {!all && deals.length > FIRST_CARDS && (
        <button class="small" onClick={() => setAll(true)}>
          {text().allOf(deals.length)}
        </button>
      )}
    </section>
  );
}

export function Health(props: { deal: Deal }) {
  const { health } = props.deal;
  if (!health) return null;
  return (
    <span class={`tag ${tone(health.score)}`} title={text().healthOf(health.score)}>
      <span class="sr-only">{text().healthOf(health.score)}</span>
      <span aria-hidden="true">♥ {health.score}</span>
    </span>
  );
}

export function NotSure() {
  return (
    <span class="tag watch" title={text().notSureWhy}>
      {text().notSure}
    </span>
  );
}

export function Due(props: { due: string | null | undefined }) {
  if (!props.due) return null;
  return (
    <span class={isPast(props.due) ? "deals-overdue" : "muted"}>
      {day(props.due, { year: false })}
      {isPast(props.due) && `, ${text().overdue}`}
    </span>
  );
}

function reasonsOf(deal: Deal): string {
  return deal.health?.reasons.map((reason) => word("health", reason)).join("; ") ?? "";
}

function Card(props: { deal: Deal }) {
  const { deal } = props;
  const reasons = reasonsOf(deal);
  const missing = deal.missing ?? [];
  return (
    <article class="deals-card">
      <div class="row between">
        <h3>
          <a href={`/deals/${deal.id}`}>{deal.name}</a>
        </h3>
        <Health deal={deal} />
      </div>
      {deal.stage && deal.abstained && <NotSure />}
      {reasons && <p class="deals-reasons">{reasons}</p>}
      {deal.next_action ? (
        <p>
          {deal.next_action.title} <Due due={deal.next_action.due} />
        </p>
      ) : (
        deal.health && !deal.health.reasons.includes("no_next_step") && <p class="muted">{text().noNext}</p>
      )}
      {missing.length > 0 && (
        <p class="muted">
          {text().missing}: {missing.map(elementName).join(", ")}
        </p>
      )}
      <p class="muted deals-foot">
        {[
          deal.last_call_date ? `${text().last}: ${day(deal.last_call_date, { year: false })}` : null,
          deal.lead_score != null ? text().leadOf(deal.lead_score) : null,
          deal.owner && nameOf(deal.owner),
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
    </article>
  );
}

function Table(props: { deals: Deal[] }) {
  return (
    <div class="table-wrap card deals-table" tabIndex={0} role="region" aria-label={text().list}>
      <table>
        <thead>
          <tr>
            <th scope="col">{text().deal}</th>
            <th scope="col">{text().stage}</th>
            <th scope="col">{text().health}</th>
            <th scope="col">{text().next}</th>
            <th scope="col">{text().last}</th>
            <th scope="col">{text().lead}</th>
            <th scope="col">{text().missing}</th>
            <th scope="col">{text().owner}</th>
          </tr>
        </thead>
        <tbody>
          {props.deals.map((deal) => (
            <tr key={deal.id}>
              <th scope="row">
                <a href={`/deals/${deal.id}`}>{deal.name}</a>
              </th>
              <td>
                {deal.stage ? stageName(deal.stage) : text().notDecided} {deal.stage && deal.abstained && <NotSure />}
              </td>
              <td>
                <Health deal={deal} /> <span class="muted">{reasonsOf(deal)}</span>
              </td>
              <td>
                {deal.next_action?.title ?? "–"} <Due due={deal.next_action?.due} />
              </td>
              <td>{day(deal.last_call_date)}</td>
              <td>{deal.lead_score ?? "–"}</td>
              <td>{deal.missing?.map(elementName).join(", ") ?? "–"}</td>
              <td>{nameOf(deal.owner)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AddDeal(props: { onClose: () => void }) {
  const { route } = useLocation();
  const [key] = useState(() => crypto.randomUUID());
  const add = async (form: HTMLFormElement) => {
    const said = new FormData(form);
    const of = (name: string) => (said.get(name) as string | null)?.trim() || null;
    const contact = { name: of("person"), email: of("email"), phone: of("phone") };
    const given = Object.values(contact).some(Boolean);
    const deal = await ask(
      api.POST("/v1/deals", {
        body: { name: of("name") ?? "", crm_id: of("crm_id"), contacts: given ? [contact] : [] },
        headers: { "idempotency-key": key },
      }),
    );
    route(`/deals/${deal.id}`);
  };
  return (
    <FormDialog title={text().add} label={text().add} onClose={props.onClose} send={add}>
      <Field label={text().name}>{(id) => <input id={id} name="name" required autocomplete="off" />}</Field>
      <Field label={text().crmId} hint={text().crmIdHint}>
        {(id) => <input id={id} name="crm_id" autocomplete="off" />}
      </Field>
      <fieldset class="deals-contact">
        <legend>{text().contact}</legend>
        <p class="muted">{text().contactHint}</p>
        <Field label={text().person}>{(id) => <input id={id} name="person" autocomplete="off" />}</Field>
        <Field label={text().email}>{(id) => <input id={id} name="email" type="email" autocomplete="off" />}</Field>
        <Field label={text().phone}>{(id) => <input id={id} name="phone" type="tel" autocomplete="off" />}</Field>
      </fieldset>
    </FormDialog>
  );
}
