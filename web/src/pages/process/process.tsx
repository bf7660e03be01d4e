// The process file as people read it: a card for each stage (the training card of new reps), elements, and moves to avoid.
import { useState } from "preact/hooks";
import { atLeast } from "../../api/session.ts";
import { Empty, PageHead, ProblemBox } from "../../ui/basics.tsx";
import { word } from "../../lib/vocabulary.ts";
import { Editor } from "./editor.tsx";
import {
  isOpen,
  loadProcess,
  inForce,
  processProblem,
  say,
  sayAll,
  type Process,
  type StageCard,
} from "../../lib/process.ts";
import { text } from "./text.ts";
import "./process.css";

export function ProcessPage(props: { stage?: string }) {
  const process = inForce.value;
  const [editing, setEditing] = useState(false);
  const stage = process?.stages.find((stage) => stage.id === props.stage);
  const title = stage ? say(stage.name) : process ? say(process.name) : text().title;
  return (
    <>
      <PageHead title={title}>
        {process && <span class="tag">{process.own ? text().own : text().servers}</span>}
        {process && (
          <a class="button small" href="/v1/process" download={`${process.id}.toml`}>
            {text().download}
          </a>
        )}
        {process && (!props.stage || stage) && (
          <button class="small" onClick={() => print()}>
            {stage ? text().print : text().printAll}
          </button>
        )}
        {atLeast("admin") && !editing && (
          <button class="small" onClick={() => setEditing(true)}>
            {text().edit}
          </button>
        )}
      </PageHead>
      {editing && <Editor onClose={() => setEditing(false)} />}
      {process ? (
        <>
          <Steps process={process} here={props.stage} />
          {!props.stage ? (
            <Overview process={process} />
          ) : stage ? (
            <TrainingCard process={process} stage={stage} whole />
          ) : (
            <Empty>{text().missing}</Empty>
          )}
        </>
      ) : (
        processProblem.value && <ProblemBox problem={processProblem.value} again={() => void loadProcess()} />
      )}
    </>
  );
}

function Steps(props: { process: Process; here: string | undefined }) {
  const link = (href: string, label: string, here: boolean) => (
    <li key={href}>
      <a href={href} aria-current={here ? "page" : undefined}>
        {label}
      </a>
    </li>
  );
  return (
    <nav class="process-steps" aria-label={text().title}>
      <ul>
        {link("/process", text().overview, !props.here)}
        {props.process.stages.map((stage) =>
          link(`/process/${encodeURIComponent(stage.id)}`, say(stage.name), stage.id === props.here),
        )}
      </ul>
    </nav>
  );
}

/** One card is one printed page. */
function TrainingCard(props: { process: Process; stage: StageCard; whole?: boolean }) {
  const { process, stage } = props;
  const open = process.stages.filter(isOpen);
  const at = open.indexOf(stage);
  const Head = props.whole ? "h2" : "h3";
  const part = (title: string, said: string) =>
    said && (
      <>
        <Head>{title}</Head>
        <p>{said}</p>
      </>
    );
  const list = (title: string, said: string[], quoted = false) =>
    said.length > 0 && (
      <div>
        <Head>{title}</Head>
        <ul class={quoted ? "process-quoted" : undefined}>
          {said.map((line) => (
            <li key={line}>{quoted ? <q>{line}</q> : line}</li>
          ))}
        </ul>
      </div>
    );
  return (
    <article class={props.whole ? "card process-card process-whole" : "card process-card"}>
      <header>
        {props.whole ? (
          <p class="process-print-title">{say(stage.name)}</p>
        ) : (
          <h2>
            <a href={`/process/${encodeURIComponent(stage.id)}`}>{say(stage.name)}</a>
          </h2>
        )}
        <p class="muted">{at < 0 ? text().ends : text().step(at + 1, open.length)}</p>
      </header>
      {part(text().purpose, say(stage.purpose))}
      {list(text().tasks, sayAll(stage.tasks))}
      {list(text().questions, sayAll(stage.questions), true)}
      {part(text().behaviour, say(stage.behaviour))}
      {list(text().triggers, sayAll(stage.triggers))}
      {say(stage.exit) && (
        <div class="process-exit">
          <Head>{text().exit}</Head>
          <p>{say(stage.exit)}</p>
        </div>
      )}
      {props.whole && Object.keys(stage.crm).length > 0 && (
        <div class="process-no-print">
          <Head>{text().crm}</Head>
          <dl class="process-crm">
            {Object.entries(stage.crm).map(([crm, name]) => (
              <div key={crm}>
                <dt>{crm}</dt>
                <dd>{name}</dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </article>
  );
}

function Overview(props: { process: Process }) {
  const { process } = props;
  return (
    <div class="stack">
      <div class="process-grid">
        {process.stages.map((stage) => (
          <TrainingCard key={stage.id} process={process} stage={stage} />
        ))}
      </div>
      <Elements process={process} />
      {process.premature.length > 0 && (
        <section class="card stack process-no-print" aria-labelledby="process-premature">
          <h2 id="process-premature">{text().premature}</h2>
          <ul class="process-moves">
            {process.premature.map((move, n) => (
              <li key={n}>
                <strong>{word("premature", move.id)}</strong>
                <p class="muted">{say(move.why)}</p>
                <p>
                  {text().better}: {say(move.advice)}
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="card stack process-no-print">
        {process.actions.length > 0 && (
          <details>
            <summary>{text().actions}</summary>
            <ul>
              {process.actions.map((action, n) => (
                <li key={n}>
                  {say(action.title)} <span class="muted">{say(action.why)}</span>
                </li>
              ))}
            </ul>
          </details>
        )}
        <details>
          <summary>{text().fields}</summary>
          <p>{process.fields.map((field) => word("fields", field)).join(", ")}</p>
        </details>
        {process.phrases.length > 0 && (
          <details>
            <summary>
              {text().phrases} ({text().phrasesHint(process.phrases.length)})
            </summary>
            <dl class="process-phrases">
              {process.phrases.map((phrase) => (
                <div key={phrase.id}>
                  <dt>{phrase.id}</dt>
                  <dd>{phrase.words.map((said) => said.trim()).join(", ")}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </section>
    </div>
  );
}

function Elements(props: { process: Process }) {
  return (
    <section class="card stack process-no-print" aria-labelledby="process-elements">
      <h2 id="process-elements">{text().elements}</h2>
      <p class="muted">{text().elementsHint}</p>
      <div class="process-elements">
        {props.process.elements.map((element) => {
          const missing = sayAll(element.missing);
          return (
            <div key={element.id} class="table-wrap" tabIndex={0} role="group" aria-label={say(element.name)}>
              <table>
                <caption>{say(element.name)}</caption>
                <thead>
                  <tr>
                    <th scope="col">{text().score}</th>
                    <th scope="col">{text().why}</th>
                    <th scope="col">{text().needs}</th>
                  </tr>
                </thead>
                <tbody>
                  {sayAll(element.why).map((why, score) => (
                    <tr key={score}>
                      <th scope="row">{score}</th>
                      <td>{why}</td>
                      <td>{missing[score] ?? "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        })}
      </div>
    </section>
  );
}
