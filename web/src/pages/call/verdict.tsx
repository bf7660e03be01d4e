// Where the deal stands and why: each statement with the words that prove it, or that nobody said them.
import type { ComponentChildren } from "preact";
import { clock, day, figure, share } from "../../lib/format.ts";
import { word } from "../../lib/vocabulary.ts";
import { of, words } from "../../lib/words.ts";
import { aboutDealStage, CorrectedMark, DealStageMenu } from "./corrections.tsx";
import type { Analysis, Deal, Element } from "./document.ts";
import { Fields } from "./fields.tsx";
import { PastQuote, Quote, Quotes } from "./quote.tsx";
import { text } from "./text.ts";

const FULL_SCORE = 3;

function Part(props: { title: string; id: string; side?: ComponentChildren; children: ComponentChildren }) {
  const id = `call-${props.id}`;
  return (
    <section class="card call-part" aria-labelledby={id}>
      <div class="row between">
        <h2 id={id}>{props.title}</h2>
        {props.side}
      </div>
      {props.children}
    </section>
  );
}

/** What a decision that is not sure waits for: the gaps of the element the stage is about, else of the weakest. */
function wanting(deal: Deal): string[] {
  const own = deal.elements.find((element) => element.id === deal.stage && element.missing.length > 0);
  const weakest = deal.elements
    .filter((element) => element.missing.length > 0)
    .sort((a, b) => a.score - b.score || a.confidence - b.confidence);
  return (own ?? weakest[0])?.missing ?? [];
}

function DealStage({ analysis }: { analysis: Analysis }) {
  const { deal, qualification, call } = analysis;
  const name = deal.stage_name ?? deal.stage;
  const missing = wanting(deal);
  const previous = deal.previous_stage_name ?? deal.previous_stage;
  const facts: [string, ComponentChildren][] = [];
  if (deal.stage_purpose) facts.push([text().purpose, deal.stage_purpose]);
  if (deal.stage_exit) facts.push([text().exit, deal.stage_exit]);
  if (deal.call_outcome) facts.push([text().outcome, word("outcomes", deal.call_outcome)]);
  if (!call.not_sales) {
    facts.push([text().lead, text().leadOf(qualification.lead_score)]);
    facts.push([text().qualification, word("qualification", qualification.status)]);
  }
  return (
    <Part title={text().dealStage} id="stage" side={<DealStageMenu stage={deal.abstained ? null : deal.stage} />}>
      <div class="row call-standing">
        <strong>{!name ? text().noStage : deal.abstained ? text().mostLikely(name) : name}</strong>
        {name && deal.abstained && <span class="tag watch">{text().notSure}</span>}
        {name && (
          <span class="muted" title={of(words().decided, deal.decided_by)}>
            {text().sure(share(deal.confidence))}
          </span>
        )}
        {deal.on_hold && <span class="tag watch">{text().onHold}</span>}
        {deal.flags.map((flag) => (
          <span key={flag} class="tag watch">
            {word("flags", flag)}
          </span>
        ))}
        <CorrectedMark about={aboutDealStage} />
      </div>
      {previous && name && (
        <p class="muted">
          {text().stageBefore(previous)}
          {deal.move && ` · ${word("moves", deal.move)}`}
        </p>
      )}
      {deal.abstained && missing.length > 0 && (
        <div>
          <h3>{text().wouldDecide}</h3>
          <ul class="call-missing">
            {missing.map((what) => (
              <li key={what}>{what}</li>
            ))}
          </ul>
        </div>
      )}
      <dl class="call-facts">
        {facts.map(([term, said]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{said}</dd>
          </div>
        ))}
      </dl>
    </Part>
  );
}

/** 0–3 as three boxes and in words. */
function Score({ score }: { score: number }) {
  const tone = score >= FULL_SCORE ? "good" : score > 0 ? "watch" : "poor";
  return (
    <span class="call-score">
      <span aria-hidden="true" class={tone}>
        {Array.from({ length: FULL_SCORE }, (_, n) => (
          <i key={n} class={n < score ? "full" : ""} />
        ))}
      </span>
      {text().score(score)}
    </span>
  );
}

function ElementItem({ element }: { element: Element }) {
  return (
    <li class="call-element">
      <div class="row between">
        <h3>{element.name}</h3>
        <span class="row">
          <Score score={element.score} />
          <span class="muted">{text().sure(share(element.confidence))}</span>
        </span>
      </div>
      <p>{element.why}</p>
      <Quotes of={element.evidence} earlier={element.earlier} />
      {element.missing.length > 0 && (
        <p class="call-gap">
          <strong>{text().missing}:</strong> {element.missing.join("; ")}
        </p>
      )}
    </li>
  );
}

function NextSteps({ analysis, callId }: { analysis: Analysis; callId: string }) {
  if (analysis.next_actions.length === 0) return null;
  return (
    <Part title={text().next_actions} id="next" side={<a href={`/calls/${callId}/follow-up`}>{text().allActions}</a>}>
      <ol class="call-next">
        {analysis.next_actions.slice(0, 3).map((action, n) => (
          <li key={n}>
            {action.title}
            {action.due && <span class="muted"> · {text().by(day(action.due, { weekday: true, year: false }))}</span>}
          </li>
        ))}
      </ol>
    </Part>
  );
}

function Warnings({ analysis }: { analysis: Analysis }) {
  const { premature, root_causes: causes } = analysis;
  if (premature.length + causes.length === 0) return null;
  return (
    <Part title={text().warnings} id="warnings">
      {premature.length > 0 && (
        <>
          <h3>{text().premature}</h3>
          <ul class="call-list">
            {premature.map((move) => (
              <li key={`${move.id} ${move.turn}`}>
                <p class="row">
                  <strong>{word("premature", move.id)}</strong>
                  <span class={move.severity === "low" ? "tag" : move.severity === "high" ? "tag poor" : "tag watch"}>
                    {of(words().severity, move.severity)}
                  </span>
                </p>
                <p>{move.why}</p>
                <Quote turn={move.turn} quote={move.quote} />
                <p>
                  <strong>{text().better}:</strong> {move.advice}
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
      {causes.length > 0 && (
        <>
          <h3>{text().rootCauses}</h3>
          <ul class="call-list">
            {causes.map((cause) => (
              <li key={cause.id}>
                <strong>{word("root_causes", cause.id)}</strong>
                <p>{cause.why}</p>
                <Quotes of={cause.evidence} earlier={cause.earlier} />
                {cause.missing.length > 0 && (
                  <p class="call-gap">
                    <strong>{text().notThere}:</strong> {cause.missing.join("; ")}
                  </p>
                )}
                <p>
                  <strong>{text().firstStep}:</strong> {word("actions", cause.first_action)}
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
    </Part>
  );
}

function Contradictions({ deal }: { deal: Deal }) {
  if (deal.contradictions.length === 0) return null;
  const name = (about: string) => deal.elements.find((element) => element.id === about)?.name ?? word("fields", about);
  return (
    <Part title={text().contradictions} id="contradictions">
      <ul class="call-list">
        {deal.contradictions.map((one) => (
          <li key={`${one.about} ${one.latest.turn}`}>
            <h3>{name(one.about)}</h3>
            <p class="muted">{text().before}</p>
            <PastQuote of={one.earlier} />
            <p class="muted">{text().now}</p>
            <Quote {...one.latest} />
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Promises({ analysis, callId }: { analysis: Analysis; callId: string }) {
  const promises = analysis.deal.open_promises;
  if (promises.length === 0) return null;
  const here = (call: string) => call === analysis.call.id || call === callId;
  return (
    <Part title={text().promises} id="promises">
      <ul class="call-list">
        {promises.map((promise) => (
          <li key={`${promise.call} ${promise.turn} ${promise.what}`}>
            <p class="row">
              <span class="tag">{word("roles", promise.who)}</span>
              <span class="muted">{promise.due ? text().by(day(promise.due, { weekday: true })) : ""}</span>
            </p>
            {here(promise.call) ? <Quote turn={promise.turn} quote={promise.quote} /> : <PastQuote of={promise} />}
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Provenance({ analysis }: { analysis: Analysis }) {
  const { provenance, deal } = analysis;
  const { timings_ms: times } = provenance;
  const spent = (times.decode + times.transcribe + times.understand + times.decide) / 1000;
  const rows: [string, string][] = [
    [text().speech, provenance.asr_model ?? text().none],
    [text().meaning, provenance.turn_model],
    [text().llm, provenance.llm?.model ?? text().none],
    [text().process, `${deal.process} · ${deal.process_hash.slice(0, 12)}`],
    [text().version, `dealstage ${provenance.version}`],
    [text().time, spent < 60 ? `${figure(spent)} ${text().unit.seconds}` : clock(spent)],
    [text().hash, provenance.result_hash],
  ];
  return (
    <details class="card call-part">
      <summary>
        {text().provenance}
        <span class="muted">
          {" "}
          · {provenance.egress.length === 0 ? text().nothingLeft : text().leftMachine(provenance.egress.length)}
        </span>
      </summary>
      <dl class="call-facts">
        {rows.map(([term, said]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd class="call-code">{said}</dd>
          </div>
        ))}
      </dl>
      {provenance.egress.length > 0 && (
        <ul>
          {provenance.egress.map((sent, n) => (
            <li key={n}>
              {sent.prompt}{" "}
              {sent.sound_s == null
                ? text().sentTo(sent.to, sent.characters, sent.replaced)
                : text().spokenTo(sent.to, figure(sent.sound_s))}
            </li>
          ))}
        </ul>
      )}
      {provenance.llm?.problems.map((problem, n) => (
        <p key={n} class="muted">
          {problem}
        </p>
      ))}
    </details>
  );
}

export function Verdict({ analysis, callId }: { analysis: Analysis; callId: string }) {
  const { call, deal } = analysis;
  const judged = !call.not_sales && !call.other_language;
  return (
    <div class="call-verdict stack" id="verdict">
      {judged && <DealStage analysis={analysis} />}
      {judged && <NextSteps analysis={analysis} callId={callId} />}
      <Warnings analysis={analysis} />
      {judged && deal.elements.length > 0 && (
        <Part title={text().elements} id="elements">
          <ul class="call-list">
            {deal.elements.map((element) => (
              <ElementItem key={element.id} element={element} />
            ))}
          </ul>
        </Part>
      )}
      <Contradictions deal={deal} />
      <Promises analysis={analysis} callId={callId} />
      <Part title={text().fields} id="fields">
        <Fields analysis={analysis} />
      </Part>
      <Provenance analysis={analysis} />
    </div>
  );
}
