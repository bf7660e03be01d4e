// The elements of the process with their scores, the words that prove them, and what the next score needs.
import type { components } from "../../api/document.d.ts";
import { day } from "../../lib/format.ts";
import { texts } from "../../lib/i18n.ts";
import "./elements.css";

type Element = components["schemas"]["ElementInfo"];
type Evidence = components["schemas"]["Evidence"];
type PastEvidence = components["schemas"]["PastEvidence"];

export const TOP_SCORE = 3;

const text = texts({
  en: {
    score: (score: number) => `${score} of ${TOP_SCORE}`,
    missing: "Missing",
    turn: (turn: number) => `turn ${turn}`,
    why: "Why",
    quotes: (n: number) => (n === 1 ? "1 quote" : `${n} quotes`),
  },
  ru: {
    score: (score: number) => `${score} из ${TOP_SCORE}`,
    missing: "Не хватает",
    turn: (turn: number) => `реплика ${turn}`,
    why: "Почему",
    quotes: (n: number) => `цитаты: ${n}`,
  },
});

/** Where a turn can be read: a link to its call, or a place on this page. */
export type ToTurn = { href: (call: string | null, turn: number) => string } | { go: (turn: number) => void };

export function callTurn(call: string, turn: number): string {
  return `/calls/${encodeURIComponent(call)}?turn=${turn}`;
}

export function Quote(props: { evidence: Evidence | PastEvidence; to: ToTurn }) {
  const { evidence, to } = props;
  const past = "call" in evidence ? evidence : undefined;
  const where = (past ? `${day(past.call_date)}, ` : "") + text().turn(evidence.turn);
  return (
    <blockquote class="el-quote">
      <p>{evidence.quote}</p>
      {"href" in to ? (
        <a href={to.href(past?.call ?? null, evidence.turn)}>{where}</a>
      ) : past ? (
        <a href={callTurn(past.call, past.turn)}>{where}</a>
      ) : (
        <button class="plain small el-turn" onClick={() => to.go(evidence.turn)}>
          {where}
        </button>
      )}
    </blockquote>
  );
}

export function Score(props: { score: number }) {
  const said = text().score(props.score);
  return (
    <span class="el-score">
      <span class="el-pips" aria-hidden="true">
        {Array.from({ length: TOP_SCORE }, (_, n) => (
          <i key={n} class={n < props.score ? "on" : undefined} />
        ))}
      </span>
      {said}
    </span>
  );
}

/** Quotes, each once. */
export function Quotes(props: { of: readonly (Evidence | PastEvidence)[]; to: ToTurn }) {
  const seen = new Set<string>();
  const once = props.of.filter((evidence) => {
    const key = JSON.stringify(["call" in evidence ? evidence.call : null, evidence.turn, evidence.quote]);
    return !seen.has(key) && seen.add(key);
  });
  return (
    <div class="el-quotes">
      {once.map((evidence, n) => (
        <Quote key={n} evidence={evidence} to={props.to} />
      ))}
    </div>
  );
}

/** `compact`: why and the quotes are behind a click. */
export function ElementList(props: { elements: readonly Element[]; to: ToTurn; compact?: boolean }) {
  return (
    <ul class={props.compact ? "el-list el-compact" : "el-list"}>
      {props.elements.map((element) => {
        const quotes = [...element.evidence, ...element.earlier];
        const why = <p class="muted">{element.why}</p>;
        return (
          <li key={element.id}>
            <div class="row between">
              <strong class="el-name">{element.name}</strong>
              <Score score={element.score} />
            </div>
            {!props.compact && why}
            {element.missing.length > 0 && (
              <p>
                <span class="tag watch">{text().missing}</span> {element.missing.join("; ")}
              </p>
            )}
            {(props.compact || quotes.length > 0) && (
              <details>
                <summary>{quotes.length > 0 ? text().quotes(quotes.length) : text().why}</summary>
                {props.compact && why}
                <Quotes of={quotes} to={props.to} />
              </details>
            )}
          </li>
        );
      })}
    </ul>
  );
}
