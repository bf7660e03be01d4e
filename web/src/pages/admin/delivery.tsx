// One delivery: its state, its attempts; and those of a call or a deal, which other pages show.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { about } from "../../api/events.ts";
import { ago, figure, moment } from "../../lib/format.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Loaded } from "../../ui/basics.tsx";
import { outcome, stateTone, text, typeWord } from "./delivery-text.ts";
import { Table } from "../../ui/table.tsx";

type Delivery = Schemas["Delivery"];
type Whole = Schemas["DeliveryWithAttempts"];

export function DeliveryTag(props: { of: Delivery }) {
  return <span class={`tag ${stateTone(props.of.state)}`}>{text().states[props.of.state]}</span>;
}

function Outcome(props: { of: Schemas["Attempt"]; delivery: Whole }) {
  const { words, good } = outcome(props.of, props.delivery);
  return <span class={`tag ${good ? "good" : "poor"}`}>{words}</span>;
}

export function Attempts(props: { of: Whole }) {
  const { tries } = props.of;
  if (tries.length === 0) return <p class="muted">{text().noAttempts}</p>;
  return (
    <Table
      label={text().attempts}
      columns={[text().number, text().started, text().status, text().duration, text().answer]}
    >
      {tries.map((attempt) => (
        <tr key={attempt.number}>
          <th scope="row">{attempt.number}</th>
          <td class="admin-nowrap">{moment(attempt.started_at)}</td>
          <td>
            <Outcome of={attempt} delivery={props.of} />
          </td>
          <td class="admin-nowrap">{text().took(figure(attempt.duration_ms, 0))}</td>
          <td>
            {attempt.answer ? (
              <pre class="admin-answer">{attempt.answer}</pre>
            ) : (
              <span class="muted">{text().empty}</span>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** The attempts of a delivery, loaded when they are looked at. */
function Fold(props: { of: Delivery }) {
  const [open, setOpen] = useState(false);
  const { id, attempts, state } = props.of;
  const load = (signal: AbortSignal) =>
    open ? ask(api.GET("/v1/deliveries/{id}", { params: { path: { id } }, signal })) : Promise.resolve(null);
  const resource = useResource(load, [open, id, attempts, state]);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text().tries(attempts)}</summary>
      {open && <Loaded of={resource}>{(found) => found && <Attempts of={found} />}</Loaded>}
    </details>
  );
}

/** What was sent about a call, or a deal. */
export function DeliveriesOf(props: { callId?: string; dealId?: string }) {
  const query = {
    ...(props.callId ? { call: props.callId } : {}),
    ...(props.dealId ? { deal: props.dealId } : {}),
    limit: 20,
  };
  const list = useResource(
    (signal) => ask(api.GET("/v1/deliveries", { params: { query }, signal })),
    [query],
    (event) => about(event, "call_id", props.callId) || about(event, "deal_id", props.dealId),
  );
  usePoll(list.data?.items.some((delivery) => delivery.state === "pending") ?? false, 2500, list.reload);
  const where = props.callId ? `call=${props.callId}` : `deal=${props.dealId ?? ""}`;
  return (
    <section class="stack" aria-label={text().sent}>
      <div class="row between">
        <h2>{text().sent}</h2>
        <a href={`/deliveries?${where}`}>{text().allOf}</a>
      </div>
      <Loaded of={list}>
        {(found) =>
          found.items.length === 0 ? (
            <p class="muted">{text().noneOf}</p>
          ) : (
            <ul class="admin-list">
              {found.items.map((delivery) => (
                <li key={delivery.id} class="card">
                  <div class="row between">
                    <a href={`/deliveries/${delivery.id}`}>{typeWord(delivery.type)}</a>
                    <span class="row">
                      <span class="muted">{ago(delivery.done_at ?? delivery.created_at)}</span>
                      <DeliveryTag of={delivery} />
                    </span>
                  </div>
                  {delivery.message && <p>{delivery.message}</p>}
                  {delivery.next_at && delivery.attempts > 0 && (
                    <p class="muted">
                      {text().next}: {ago(delivery.next_at)}
                    </p>
                  )}
                  {delivery.attempts > 0 && <Fold of={delivery} />}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}
