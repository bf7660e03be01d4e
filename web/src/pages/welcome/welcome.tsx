// The first steps: the language, what leaves the machine, a sample call analysed, and what one may do then.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import type { components } from "../../api/document.d.ts";
import { about } from "../../api/events.ts";
import { asProblem, type Problem } from "../../api/problem.ts";
import { atLeast } from "../../api/session.ts";
import { language, speak, type Language } from "../../lib/i18n.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Field, PageHead, ProblemBox } from "../../ui/basics.tsx";
import { isOpen } from "../calls/pace.ts";
import { CallProgress } from "../calls/progress.tsx";
import { today } from "../calls/today.ts";
import { text } from "./text.ts";
import "./welcome.css";

type Call = Schemas["Call"];

interface Sample {
  turns: { i: number; name: string; text: string }[];
}

const SAMPLES: Record<Language, () => Promise<{ default: Sample }>> = {
  en: () => import("./sample-en.json"),
  ru: () => import("./sample-ru.json"),
};

async function send(sample: Language): Promise<string> {
  const file = new Blob([JSON.stringify((await SAMPLES[sample]()).default)], { type: "application/json" });
  const meta = { call_date: today(), deal: { name: text().deal } };
  const form = new FormData();
  form.append("meta", new Blob([JSON.stringify(meta)], { type: "application/json" }));
  form.append("file", file, `sample-${sample}.json`);
  const request = api.POST("/v1/calls", {
    headers: { "idempotency-key": crypto.randomUUID() },
    body: form as never,
    bodySerializer: (body: unknown) => body as FormData,
  });
  return (await ask(request)).id;
}

function Result(props: { id: string; began: number }) {
  const path = { params: { path: { id: props.id } } };
  const call = useResource(
    (signal) => ask(api.GET("/v1/calls/{id}", { ...path, signal })) as Promise<Call>,
    [props.id],
    (event) => about(event, "call_id", props.id),
  );
  const runs = !call.data || isOpen(call.data);
  usePoll(runs, 700, call.reload);
  const status = call.data?.status;
  const analysis = useResource(
    async (signal) => {
      if (status !== "done") return undefined;
      const found = await ask(api.GET("/v1/calls/{id}/analysis", { ...path, signal }));
      return found as unknown as components["schemas"]["Analysis"];
    },
    [props.id, status],
  );
  if (call.problem) return <ProblemBox problem={call.problem} again={call.reload} />;
  if (!call.data || runs) {
    return <div role="status">{call.data ? <CallProgress call={call.data} /> : text().working}</div>;
  }
  if (status === "failed") {
    return (
      <div class="problem" role="alert">
        {text().failed} {call.data.error?.message}
      </div>
    );
  }
  if (status !== "done") return <p role="status">{text().cancelled}</p>;
  const took = Math.max(1, Math.round((Date.parse(call.data.done_at ?? "") - props.began) / 1000));
  const egress = analysis.data?.provenance.egress;
  return (
    <div class="stack" role="status">
      <p>
        <span class="tag good">{text().done(took)}</span>{" "}
        {egress && (egress.length === 0 ? text().nothingLeft : text().left(egress.length))}
      </p>
      <p class="row">
        <a class="button primary" href={`/calls/${props.id}`}>
          {text().report}
        </a>
        <a class="button" href={`/calls/${props.id}/follow-up`}>
          {text().letter}
        </a>
      </p>
      <p class="muted">{text().erase}</p>
    </div>
  );
}

function SampleText(props: { of: Language }) {
  const sample = useResource(() => SAMPLES[props.of](), [props.of]);
  return (
    <ol class="welcome-turns" lang={props.of} tabIndex={0}>
      {sample.data?.default.turns.map((turn) => (
        <li key={turn.i}>
          <strong>{turn.name}:</strong> {turn.text}
        </li>
      ))}
    </ol>
  );
}

export function Welcome() {
  const [chosen, setChosen] = useState<Language>();
  const sample = chosen ?? language.value;
  const [sent, setSent] = useState<{ id: string; began: number }>();
  const [busy, setBusy] = useState(false);
  const [reading, setReading] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const go = () => {
    setBusy(true);
    setProblem(undefined);
    setSent(undefined);
    const began = Date.now();
    send(sample)
      .then(
        (id) => setSent({ id, began }),
        (error: unknown) => setProblem(asProblem(error)),
      )
      .finally(() => setBusy(false));
  };
  return (
    <div class="welcome">
      <PageHead title={text().title}>
        <a href="/">{text().skip}</a>
      </PageHead>
      <p>{text().lead}</p>
      <ol class="welcome-steps">
        <li class="card">
          <h2>{text().language}</h2>
          <select
            aria-label={text().language}
            value={language.value}
            onChange={(event) => speak(event.currentTarget.value as Language)}
          >
            <option value="en">English</option>
            <option value="ru">Русский</option>
          </select>
          <p class="muted">{text().languageHint}</p>
        </li>
        <li class="card">
          <h2>{text().privacy}</h2>
          <p>
            <strong>{text().privacyNow}</strong>
          </p>
          <p>{text().privacyLater}</p>
          <ul>
            {text().privacyParts.map((part) => (
              <li key={part}>{part}</li>
            ))}
          </ul>
          <p>{text().privacyProof}</p>
          <p class="muted">{text().consent}</p>
        </li>
        <li class="card">
          <h2>{text().sample}</h2>
          <p>{text().sampleWhat}</p>
          <Field label={text().sampleIn}>
            {(id) => (
              <select
                id={id}
                value={sample}
                disabled={busy}
                onChange={(event) => setChosen(event.currentTarget.value as Language)}
              >
                <option value="en">{text().english}</option>
                <option value="ru">{text().russian}</option>
              </select>
            )}
          </Field>
          <p class="row">
            <button class={sent ? "" : "primary"} disabled={busy} onClick={go}>
              {sent ? text().again : text().go}
            </button>
          </p>
          {problem && <ProblemBox problem={problem} again={go} />}
          {sent && <Result key={sent.id} id={sent.id} began={sent.began} />}
          <details onToggle={(event) => setReading(event.currentTarget.open)}>
            <summary>{text().look}</summary>
            {reading && <SampleText of={sample} />}
          </details>
        </li>
        <li class="card">
          <h2>{text().next}</h2>
          <p class="muted">{text().nextHint}</p>
          <div class="welcome-next">
            <Next title={text().upload} what={text().uploadWhat} href="/" go={text().uploadGo} may />
            <Next
              title={text().invite}
              what={text().inviteWhat}
              href="/users"
              go={text().inviteGo}
              may={atLeast("admin")}
            />
            <Next title={text().crm} what={text().crmWhat} href="/endpoints" go={text().crmGo} may={atLeast("admin")} />
          </div>
        </li>
      </ol>
    </div>
  );
}

function Next(props: { title: string; what: string; href: string; go: string; may: boolean }) {
  return (
    <section>
      <h3>{props.title}</h3>
      <p>{props.what}</p>
      {props.may ? <a href={props.href}>{props.go}</a> : <p class="muted">{text().admin}</p>}
    </section>
  );
}
