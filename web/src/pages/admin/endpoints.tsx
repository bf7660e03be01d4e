// Where results go: receivers of webhooks, connections to a CRM.
import { useEffect, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast } from "../../api/session.ts";
import { ago, day, figure, moment } from "../../lib/format.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Empty, Field, Loaded, PageHead } from "../../ui/basics.tsx";
import { tell } from "../../ui/toast.tsx";
import { outcome, typeWord } from "./delivery-text.ts";
import { AddEndpoint, ChangeEndpoint } from "./endpoint-form.tsx";
import { endpointName, text } from "./endpoint-text.ts";
import { Confirm, Fact, Facts, More, Secret, usePages, useWork } from "./parts.tsx";

type Endpoint = Schemas["Endpoint"];

export function Endpoints() {
  const { params } = useRoute();
  return params.id ? <One key={params.id} id={params.id} /> : <List />;
}

function StateTag(props: { of: Endpoint }) {
  const { enabled, failing_since: failing } = props.of;
  if (!enabled) return <span class="tag poor">{text().stateOff}</span>;
  if (failing) return <span class="tag watch">{text().stateFailing}</span>;
  return <span class="tag good">{text().stateOn}</span>;
}

function Name(props: { of: Endpoint }) {
  return (
    <>
      {endpointName(props.of)} <span class="tag">{text().kinds[props.of.kind]}</span>{" "}
      {props.of.own_file && <span class="tag">{text().ownTag}</span>}
    </>
  );
}

function List() {
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<string>();
  const list = usePages(
    (cursor, signal) =>
      ask(api.GET("/v1/endpoints", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } }, signal })),
    [],
    (event) => event.type === "endpoint.disabled",
  );
  const added = (endpoint: Schemas["FreshEndpoint"]) => {
    setAdding(false);
    tell(text().added);
    setSecret(endpoint.secret ?? undefined);
    list.reload();
  };
  return (
    <>
      <PageHead title={text().title}>
        {atLeast("admin") && (
          <button class="primary" onClick={() => setAdding(true)}>
            {text().add}
          </button>
        )}
      </PageHead>
      <div class="stack">
        <p class="muted">{text().about}</p>
        <Loaded of={list}>
          {(found) =>
            found.items.length === 0 ? (
              <Empty>{text().none}</Empty>
            ) : (
              <ul class="admin-list">
                {found.items.map((endpoint) => (
                  <li key={endpoint.id} class="card">
                    <div class="row between">
                      <a class="admin-break" href={`/endpoints/${endpoint.id}`}>
                        {endpointName(endpoint)}
                      </a>
                      <span class="row">
                        <span class="tag">{text().kinds[endpoint.kind]}</span>
                        <StateTag of={endpoint} />
                      </span>
                    </div>
                    <p class="muted">
                      {endpoint.kind === "webhook" && <>{endpoint.types.map(typeWord).join(", ") || text().all} · </>}
                      {text().lastSuccess}: {endpoint.last_success_at ? ago(endpoint.last_success_at) : text().never}
                    </p>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
        <More of={list} />
      </div>
      {adding && <AddEndpoint onClose={() => setAdding(false)} onAdded={added} />}
      {secret && (
        <Secret title={text().secretTitle} secret={secret} onClose={() => setSecret(undefined)}>
          <p class="muted">{text().secretHint}</p>
        </Secret>
      )}
    </>
  );
}

/** What comes of a test: looked at until there is an attempt. */
function TestResult(props: { deliveryId: string }) {
  const path = { id: props.deliveryId };
  const result = useResource(
    (signal) => ask(api.GET("/v1/deliveries/{id}", { params: { path }, signal })),
    [props.deliveryId],
  );
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 20_000);
    return () => clearTimeout(timer);
  }, [props.deliveryId]);
  const last = result.data?.tries.at(-1);
  const ended = result.data !== undefined && result.data.state !== "pending";
  usePoll(!ended && !last && !late, 500, result.reload);
  const came = last && result.data ? outcome(last, result.data) : undefined;
  const words = () => {
    if (last && came?.good) return text().testGood(came.words, figure(last.duration_ms, 0));
    if (came || ended) return text().testPoor(result.data?.message ?? came?.words ?? "");
    return late ? text().testLong : text().testing;
  };
  const tone = came?.good ? "good" : came || ended ? "poor" : "";
  return (
    <div role="status" class="stack">
      <p>
        <span class={`tag wrap ${tone}`}>{words()}</span>{" "}
        <a href={`/deliveries/${props.deliveryId}`}>{text().delivery}</a>
      </p>
      {last?.answer && <pre class="admin-answer">{last.answer}</pre>}
    </div>
  );
}

function Replay(props: { id: string; onClose: () => void }) {
  const [which, setWhich] = useState<Schemas["Which"]>("failed");
  const [since, setSince] = useState(() => new Date(Date.now() - 7 * 86_400_000).toISOString().slice(0, 10));
  const send = async () => {
    const body = { which, since: new Date(`${since}T00:00:00`).toISOString() };
    const params = { path: { id: props.id } };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const sent = await ask(api.POST("/v1/endpoints/{id}/replay", { params, body, headers }));
    tell(text().replayed(sent.count));
  };
  const choice = (value: Schemas["Which"], label: string) => (
    <label>
      <input type="radio" name="which" checked={which === value} onChange={() => setWhich(value)} />
      {label}
    </label>
  );
  return (
    <Confirm title={text().replayTitle} label={text().replayTitle} onClose={props.onClose} onYes={send}>
      <fieldset class="admin-choices">
        <legend class="sr-only">{text().replayTitle}</legend>
        {choice("failed", text().replayFailed)}
        {choice("never_attempted", text().replayNever)}
      </fieldset>
      <Field label={text().replaySince}>
        {(id) => (
          <input id={id} type="date" required value={since} onInput={(event) => setSince(event.currentTarget.value)} />
        )}
      </Field>
    </Confirm>
  );
}

type Open = "rotate" | "replay" | "remove" | "change";

function One(props: { id: string }) {
  const params = { path: { id: props.id } };
  const { route } = useLocation();
  const { busy, work } = useWork();
  const [open, setOpen] = useState<Open>();
  const [fresh, setFresh] = useState<Schemas["Rotated"]>();
  const [test, setTest] = useState<string>();
  const one = useResource(
    (signal) => ask(api.GET("/v1/endpoints/{id}", { params, signal })),
    [props.id],
    (event) => event.type === "endpoint.disabled",
  );
  const close = () => setOpen(undefined);
  const once = () => ({ "Idempotency-Key": crypto.randomUUID() });
  const tryIt = async () => {
    setTest(undefined);
    const { delivery_id } = await ask(api.POST("/v1/endpoints/{id}/test", { params, headers: once() }));
    setTest(delivery_id);
  };
  const turn = async (enabled: boolean) => {
    await ask(api.PATCH("/v1/endpoints/{id}", { params, body: { enabled } }));
    tell(enabled ? text().onDone : text().offDone);
    one.reload();
  };
  const rotate = async () => {
    setFresh(await ask(api.POST("/v1/endpoints/{id}/rotate", { params, body: { old_for_s: null }, headers: once() })));
    one.reload();
  };
  const remove = async () => {
    await ask(api.DELETE("/v1/endpoints/{id}", { params }));
    tell(text().removed);
    route("/endpoints");
  };
  return (
    <>
      <PageHead title={one.data ? endpointName(one.data) : text().title}>
        <a href="/endpoints">{text().back}</a>
      </PageHead>
      <Loaded of={one}>
        {(endpoint) => (
          <div class="stack">
            <section class="card stack" aria-label={text().title}>
              <Facts>
                <Fact label={text().kind}>
                  <Name of={endpoint} />
                </Fact>
                <Fact label={text().state}>
                  <StateTag of={endpoint} />
                </Fact>
                {endpoint.kind === "webhook" && (
                  <Fact label={text().types}>{endpoint.types.map(typeWord).join(", ") || text().all}</Fact>
                )}
                <Fact label={text().lastSuccess}>
                  {endpoint.last_success_at ? moment(endpoint.last_success_at) : text().never}
                </Fact>
                <Fact label={text().created}>{day(endpoint.created_at)}</Fact>
              </Facts>
              {endpoint.disabled_why && <p class="problem">{text().why[endpoint.disabled_why]}</p>}
              {endpoint.failing_since && <p>{text().failingSince(moment(endpoint.failing_since))}</p>}
              {endpoint.rests_until && <p>{text().rests(ago(endpoint.rests_until))}</p>}
              {endpoint.old_secret_until && <p>{text().oldUntil(moment(endpoint.old_secret_until))}</p>}
              <div class="row">
                <button class="primary" disabled={busy || !endpoint.enabled} onClick={() => void work(tryIt)}>
                  {text().test}
                </button>
                <button disabled={busy} onClick={() => void work(() => turn(!endpoint.enabled))}>
                  {endpoint.enabled ? text().off : text().on}
                </button>
                {endpoint.kind !== "mail" && <button onClick={() => setOpen("change")}>{text().change}</button>}
                {endpoint.kind === "webhook" && <button onClick={() => setOpen("rotate")}>{text().rotate}</button>}
                <button disabled={!endpoint.enabled} onClick={() => setOpen("replay")}>
                  {text().replay}
                </button>
                <button class="danger" onClick={() => setOpen("remove")}>
                  {text().remove}
                </button>
              </div>
              {test && <TestResult key={test} deliveryId={test} />}
            </section>
            <p class="row">
              <a href={`/deliveries?endpoint=${endpoint.id}`}>{text().deliveries}</a>
              {endpoint.kind === "crm" && <a href="/changes">{text().openCrm}</a>}
            </p>
            {open === "rotate" && (
              <Confirm title={text().rotate} label={text().rotate} onClose={close} onYes={rotate}>
                <p>{text().rotateAsk}</p>
              </Confirm>
            )}
            {open === "replay" && <Replay id={props.id} onClose={close} />}
            {open === "remove" && (
              <Confirm title={text().remove} label={text().remove} danger onClose={close} onYes={remove}>
                <p>
                  <strong>{endpointName(endpoint)}</strong>
                </p>
                <p>{text().removeAsk}</p>
              </Confirm>
            )}
            {open === "change" && (
              <ChangeEndpoint
                endpoint={endpoint}
                onClose={close}
                onSaved={() => {
                  close();
                  tell(text().saved);
                  one.reload();
                }}
              />
            )}
          </div>
        )}
      </Loaded>
      {fresh && (
        <Secret title={text().secretTitle} secret={fresh.secret} onClose={() => setFresh(undefined)}>
          <p class="muted">{text().secretHint}</p>
          <p class="muted">{text().oldUntil(moment(fresh.old_secret_until))}</p>
        </Secret>
      )}
    </>
  );
}
