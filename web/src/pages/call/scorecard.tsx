// How the rep led the talk: figures against norms, what went well and what to try, each with the turns to listen to.
import { figure, share } from "../../lib/format.ts";
import { language } from "../../lib/i18n.ts";
import { word } from "../../lib/vocabulary.ts";
import { words } from "../../lib/words.ts";
import { Meter } from "../../ui/basics.tsx";
import type { Analysis, Metric } from "./document.ts";
import { Quote, Quotes, quoted, Turns } from "./quote.tsx";
import { useReading } from "./reading.ts";
import { text } from "./text.ts";

const TONES: Record<Metric["band"], string> = { good: "tag good", watch: "tag watch", poor: "tag poor", "n/a": "tag" };

/** At most so many turns to listen to: nobody hears twenty. */
const LISTEN = 5;

function valueOf(metric: Metric): string {
  const { value, unit } = metric;
  if (value == null) return "–";
  if (unit === "yes_no") return value > 0 ? text().yes : text().no;
  if (unit === "share") return share(value);
  return [figure(value, 2), text().unit[unit]].filter(Boolean).join(" ");
}

/** The document has the norms of shares in figures of 1. */
function normOf(metric: Metric): string {
  if (metric.unit !== "share") return metric.norm;
  const space = language.value === "ru" ? "\u00a0" : "";
  return metric.norm && `${metric.norm.replace(/\d+(\.\d+)?/g, (n) => figure(Number(n) * 100))}${space}%`;
}

function MetricItem({ metric }: { metric: Metric }) {
  const notes = [metric.norm && text().norm(normOf(metric)), text().source(metric.source), metric.why];
  return (
    <li class="call-metric">
      <h3>{metric.name}</h3>
      <span class="row call-figure">
        {valueOf(metric)}
        <span class={TONES[metric.band]}>{metric.band === "n/a" ? words().noNorm : word("bands", metric.band)}</span>
      </span>
      <p class="muted">{notes.filter(Boolean).join(" · ")}</p>
      {metric.turns.length > 0 && <Turns of={metric.turns.slice(0, LISTEN)} />}
    </li>
  );
}

function Metrics({ metrics }: { metrics: readonly Metric[] }) {
  return (
    <ul class="call-list">
      {metrics.map((metric) => (
        <MetricItem key={metric.id} metric={metric} />
      ))}
    </ul>
  );
}

const ORDER: Record<Metric["band"], number> = { poor: 0, watch: 1, good: 2, "n/a": 3 };

export function ScorecardPart({ analysis }: { analysis: Analysis }) {
  const reading = useReading();
  const { scorecard: card } = analysis;
  if (!card) return <p class="call-verdict muted card">{text().noScorecard}</p>;
  const judged = card.metrics.filter((metric) => metric.band !== "n/a").sort((a, b) => ORDER[a.band] - ORDER[b.band]);
  const others = card.metrics.filter((metric) => metric.band === "n/a");
  return (
    <div class="call-verdict stack" id="verdict">
      <section class="card call-part" aria-labelledby="call-overall">
        <h2 id="call-overall">{text().overall}</h2>
        {card.overall == null ? (
          <p>{text().noOverall}</p>
        ) : (
          <div class="row call-standing">
            <strong>{text().overallOf(card.overall)}</strong>
            <Meter value={card.overall / 100} label={text().overallOf(card.overall)} />
          </div>
        )}
        <p class="muted">
          {text().callType}: {word("call_types", card.call_type)}
        </p>
      </section>
      {card.strength && (
        <section class="card call-part" aria-labelledby="call-strength">
          <h2 id="call-strength">{text().strength}</h2>
          <p>{card.strength.name}</p>
          <Quote turn={card.strength.turn} quote={card.strength.quote} />
        </section>
      )}
      {card.coaching.length > 0 && (
        <section class="card call-part" aria-labelledby="call-coaching">
          <h2 id="call-coaching">{text().coaching}</h2>
          <ul class="call-list">
            {card.coaching.map((tip, n) => (
              <li key={n}>
                <h3>{card.metrics.find((metric) => metric.id === tip.metric)?.name ?? word("metrics", tip.metric)}</h3>
                <p>{tip.why}</p>
                {tip.evidence.length > 0 ? (
                  <Quotes of={tip.evidence} />
                ) : (
                  <Quote turn={tip.turn} quote={reading.turn(tip.turn)?.text ?? ""} />
                )}
                <p class="call-instead">
                  <strong>{text().sayInstead}:</strong> {quoted(tip.say_instead)}
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="card call-part" aria-labelledby="call-judged">
        <h2 id="call-judged">{text().judged(judged.length)}</h2>
        <Metrics metrics={judged} />
        {others.length > 0 && (
          <details>
            <summary>{text().notJudged(others.length)}</summary>
            <Metrics metrics={others} />
          </details>
        )}
        <p class="muted">{text().grades}</p>
      </section>
    </div>
  );
}
