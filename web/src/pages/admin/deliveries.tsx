// The ledger: what was sent where, and every attempt.
import { TYPES } from "../../api/events.ts";
import { useLocation, useRoute } from "preact-iso";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast } from "../../api/session.ts";
import { ago, moment } from "../../lib/format.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Field, Loaded, PageHead } from "../../ui/basics.tsx";
import { tell } from "../../ui/toast.tsx";
import { Attempts, DeliveryTag } from "./delivery.tsx";
import { STATES, text, typeWord } from "./delivery-text.ts";
import { endpointName } from "./endpoint-text.ts";
import { Fact, Facts, Listed, More, usePages, useWork } from "./parts.tsx";

type Endpoint = Schemas["Endpoint"];
type State = Schemas["DeliveryState"];

export function Deliveries() {
  const { params } = useRoute();
  return params.id ? <One key={params.id} id={params.id} /> : <List />;
}

/** Only admins may see endpoints; others see deliveries without names of theirs. */
function useEndpoints(): Endpoint[] {
  const found = useResource(
    (signal) =>
      atLeast("admin")
        ? ask(api.GET("/v1/endpoints", { params: { query: { limit: 100 } }, signal }))
        : Promise.resolve({ items: [] as Endpoint[] }),
    [],
  );
  return found.data?.items ?? [];
}

function nameOf(id: string, endpoints: readonly Endpoint[]): string {
  const found = endpoints.find((endpoint) => endpoint.id === id);
  return found ? endpointName(found) : id;
}

const FILTERS = ["state", "type", "endpoint", "call", "deal", "since"] as const;
type Filter = (typeof FILTERS)[number];

function List() {
  const { query: said, route } = useLocation();
  const endpoints = useEndpoints();
  const of = (name: Filter) => said[name] || undefined;
  const filtered = FILTERS.some((name) => of(name));
  const set = (name: Filter, value: string) => {
    const next = new URLSearchParams(said);
    if (value) next.set(name, value);
    else next.delete(name);
    route(next.size > 0 ? `/deliveries?${next}` : "/deliveries", true);
  };
  const since = of("since");
  const query = {
    ...(of("state") ? { state: of("state") as State } : {}),
    ...(of("type") ? { type: of("type")! } : {}),
    ...(of("endpoint") ? { endpoint: of("endpoint")! } : {}),
    ...(of("call") ? { call: of("call")! } : {}),
    ...(of("deal") ? { deal: of("deal")! } : {}),
    // The day begins where the person is.
    ...(since ? { since: new Date(`${since}T00:00:00`).toISOString() } : {}),
    limit: 50,
  };
  const list = usePages(
    (cursor, signal) =>
      ask(api.GET("/v1/deliveries", { params: { query: { ...query, ...(cursor ? { cursor } : {}) } }, signal })),
    [query],
    () => true,
  );
  usePoll(list.data?.items.some((delivery) => delivery.state === "pending") ?? false, 4000, list.reload);
  const choose = (name: Filter, label: string, choices: readonly (readonly [string, string])[]) => (
    <Field label={label}>
      {(id) => (
        <select id={id} value={of(name) ?? ""} onChange={(event) => set(name, event.currentTarget.value)}>
          <option value="">{text().any}</option>
          {choices.map(([value, word]) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <>
      <PageHead title={text().title} />
      <div class="stack">
        <form class="card admin-filters" onSubmit={(event) => event.preventDefault()}>
          {choose(
            "state",
            text().state,
            STATES.map((state) => [state, text().states[state]]),
          )}
          {choose(
            "type",
            text().type,
            [...TYPES, "endpoint.test"].map((type) => [type, typeWord(type)]),
          )}
          {endpoints.length > 0 &&
            choose(
              "endpoint",
              text().endpoint,
              endpoints.map((endpoint) => [endpoint.id, endpointName(endpoint)]),
            )}
          <Field label={text().since}>
            {(id) => (
              <input
                id={id}
                type="date"
                value={since ?? ""}
                onChange={(event) => set("since", event.currentTarget.value)}
              />
            )}
          </Field>
          {(of("call") || of("deal")) && (
            <p class="row">
              {of("call") && <span class="tag accent">{text().onlyCall}</span>}
              {of("deal") && <span class="tag accent">{text().onlyDeal}</span>}
            </p>
          )}
          {filtered && (
            <button type="button" onClick={() => route("/deliveries", true)}>
              {text().clear}
            </button>
          )}
        </form>
        <Listed
          of={list}
          none={filtered ? text().noneFits : text().none}
          label={text().title}
          columns={[
            text().type,
            text().state,
            text().attempts,
            ...(endpoints.length > 0 ? [text().endpoint] : []),
            text().when,
            text().message,
          ]}
          row={(delivery) => (
            <tr key={delivery.id}>
              <th scope="row">
                <a href={`/deliveries/${delivery.id}`}>{typeWord(delivery.type)}</a>
              </th>
              <td>
                <DeliveryTag of={delivery} />
              </td>
              <td>{delivery.attempts}</td>
              {endpoints.length > 0 && <td>{nameOf(delivery.endpoint_id, endpoints)}</td>}
              <td class="admin-nowrap">{moment(delivery.created_at)}</td>
              <td>{delivery.message ?? ""}</td>
            </tr>
          )}
        />
        <More of={list} />
      </div>
    </>
  );
}

function One(props: { id: string }) {
  const path = { id: props.id };
  const endpoints = useEndpoints();
  const { busy, work } = useWork();
  const one = useResource((signal) => ask(api.GET("/v1/deliveries/{id}", { params: { path }, signal })), [props.id]);
  usePoll(one.data?.state === "pending", 2000, one.reload);
  const replay = async () => {
    const header = { "Idempotency-Key": crypto.randomUUID() };
    await ask(api.POST("/v1/deliveries/{id}/replay", { params: { path }, headers: header }));
    tell(text().replayed);
    one.reload();
  };
  return (
    <>
      <PageHead title={one.data ? `${text().one}: ${typeWord(one.data.type)}` : text().one}>
        <a href="/deliveries">{text().back}</a>
        {atLeast("manager") && (
          <button disabled={busy || !one.data} onClick={() => void work(replay)}>
            {text().replay}
          </button>
        )}
      </PageHead>
      <Loaded of={one}>
        {(delivery) => (
          <div class="stack">
            <section class="card stack">
              <Facts>
                <Fact label={text().state}>
                  <DeliveryTag of={delivery} />
                </Fact>
                <Fact label={text().endpoint}>
                  {atLeast("admin") ? (
                    <a href={`/endpoints/${delivery.endpoint_id}`}>{nameOf(delivery.endpoint_id, endpoints)}</a>
                  ) : (
                    <span class="admin-id">{delivery.endpoint_id}</span>
                  )}
                </Fact>
                <Fact label={text().when}>{moment(delivery.created_at)}</Fact>
                {delivery.done_at && <Fact label={text().done}>{moment(delivery.done_at)}</Fact>}
                {delivery.next_at && <Fact label={text().next}>{ago(delivery.next_at)}</Fact>}
                {delivery.call_id && (
                  <Fact label={text().call}>
                    <a href={`/calls/${delivery.call_id}`}>{text().call}</a>
                  </Fact>
                )}
                {delivery.deal_id && (
                  <Fact label={text().deal}>
                    <a href={`/deals/${delivery.deal_id}`}>{text().deal}</a>
                  </Fact>
                )}
                <Fact label={text().id}>
                  <span class="admin-id">{delivery.event_id}</span>
                </Fact>
              </Facts>
              {delivery.message && <p>{delivery.message}</p>}
            </section>
            <section class="card stack">
              <h2>{text().attempts}</h2>
              <Attempts of={delivery} />
            </section>
          </div>
        )}
      </Loaded>
    </>
  );
}
