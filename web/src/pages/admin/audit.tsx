// Who did what, and how long things stay.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { moment } from "../../lib/format.ts";
import { useResource } from "../../lib/resource.ts";
import { Field, Loaded, PageHead, ProblemBox } from "../../ui/basics.tsx";
import { useForm } from "../../ui/form.tsx";
import { tell } from "../../ui/toast.tsx";
import { Confirm, Listed, More, usePages, useWork } from "./parts.tsx";
import { text } from "./people-text.ts";
import { useUsers } from "./users.tsx";

type Verified = Schemas["Verified"];
type Kept = Schemas["Retention"];

export function Audit() {
  return (
    <>
      <PageHead title={text().audit.title} />
      <div class="stack">
        <Retention />
        <Log />
      </div>
    </>
  );
}

function Log() {
  const words = text().audit;
  const [verified, setVerified] = useState<Verified>();
  const { busy, work } = useWork();
  const users = useUsers();
  const list = usePages(
    (cursor, signal) =>
      ask(api.GET("/v1/audit", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } }, signal })),
    [],
  );
  const keys = useResource((signal) => ask(api.GET("/v1/keys", { params: { query: { limit: 100 } }, signal })), []);
  const who = (actor: string) => {
    if (actor === "server") return words.server;
    const user = users.data?.items.find((one) => one.id === actor);
    const key = keys.data?.items.find((one) => one.id === actor);
    return user?.name ?? (key ? `${words.key} ${key.name}` : actor);
  };
  const verify = async () => setVerified(await ask(api.GET("/v1/audit/verify")));
  return (
    <section class="card stack">
      <div class="row between">
        <h2>{words.log}</h2>
        <button disabled={busy} onClick={() => void work(verify)}>
          {words.verify}
        </button>
      </div>
      <p class="muted">{words.about}</p>
      <div role="status">
        {busy && <p class="muted">{words.verifying}</p>}
        {!busy && verified && (
          <p>
            <span class={`tag wrap ${verified.intact ? "good" : "poor"}`}>
              {verified.intact ? words.intact(verified.first, verified.last) : words.broken(verified.broken_at ?? 0)}
            </span>
          </p>
        )}
      </div>
      <Listed
        of={list}
        none={words.none}
        label={words.log}
        columns={[words.seq, words.when, words.who, words.what, words.subject, words.details]}
        bare
        row={(line) => (
          <tr key={line.seq}>
            <th scope="row">{line.seq}</th>
            <td class="admin-nowrap">{moment(line.at)}</td>
            <td>{who(line.actor)}</td>
            <td>
              <code>{line.action}</code>
            </td>
            <td class="admin-id">{line.subject}</td>
            <td class="admin-id">{Object.keys(line.details ?? {}).length > 0 ? JSON.stringify(line.details) : ""}</td>
          </tr>
        )}
      />
      <More of={list} />
    </section>
  );
}

const KINDS = ["recording_days", "transcript_days", "analysis_days", "event_days", "audit_days"] as const;

/** Something would stay less long than before. */
function shortens(before: Kept, after: Kept): boolean {
  return KINDS.some((kind) => (after[kind] ?? Infinity) < (before[kind] ?? Infinity));
}

function Retention() {
  const kept = useResource((signal) => ask(api.GET("/v1/settings/retention", { signal })), []);
  return (
    <section class="card stack">
      <h2>{text().audit.retention}</h2>
      <p class="muted">{text().audit.retentionAbout}</p>
      <Loaded of={kept}>{(found) => <Days key={JSON.stringify(found)} kept={found} onSaved={kept.reload} />}</Loaded>
    </section>
  );
}

function Days(props: { kept: Kept; onSaved: () => void }) {
  const words = text().audit;
  const [said, setSaid] = useState<Kept>(props.kept);
  const [asking, setAsking] = useState(false);
  const { busy, problem, run } = useForm();
  const save = async () => {
    await ask(api.PUT("/v1/settings/retention", { body: said }));
    tell(text().saved);
    props.onSaved();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (shortens(props.kept, said)) setAsking(true);
    else run(save);
  };
  return (
    <>
      <form class="stack" onSubmit={submit}>
        <div class="admin-filters">
          {KINDS.map((kind) => (
            <Field key={kind} label={words.kinds[kind]}>
              {(id) => (
                <input
                  id={id}
                  type="number"
                  inputMode="numeric"
                  min={0}
                  max={36500}
                  value={said[kind] ?? ""}
                  onInput={(event) => {
                    const { value } = event.currentTarget;
                    setSaid({ ...said, [kind]: value === "" ? null : Number(value) });
                  }}
                />
              )}
            </Field>
          ))}
        </div>
        {problem && <ProblemBox problem={problem} />}
        <div>
          <button class="primary" disabled={busy}>
            {words.save}
          </button>
        </div>
      </form>
      {asking && (
        <Confirm title={words.retention} label={words.shorten} danger onClose={() => setAsking(false)} onYes={save}>
          <p>{words.shortenAsk}</p>
        </Confirm>
      )}
    </>
  );
}
