// Words of the call that prove something: a click plays them and shows them in the transcript.
import { clock, day } from "../../lib/format.ts";
import { language } from "../../lib/i18n.ts";
import type { Evidence, PastEvidence } from "./document.ts";
import { useReading } from "./reading.ts";
import { text } from "./text.ts";
import { word } from "../../lib/vocabulary.ts";

export function quoted(said: string): string {
  return language.value === "ru" ? `«${said}»` : `“${said}”`;
}

/** Where a turn is: its time, or its number where there are no times. */
export function useWhere(): (turn: number) => string {
  const reading = useReading();
  return (number) => {
    const start = reading.turn(number)?.start_s;
    return start == null ? text().turnNo(number) : clock(start);
  };
}

export function Quote(props: Evidence) {
  const reading = useReading();
  const where = useWhere();
  const role = reading.turn(props.turn)?.role;
  return (
    <button class="call-quote" onClick={() => reading.go(props.turn, props.quote)}>
      <span class="call-where">
        {reading.sound && <span aria-hidden="true">▶ </span>}
        {where(props.turn)} · {word("roles", role)}
      </span>{" "}
      {quoted(props.quote)}
    </button>
  );
}

/** Only where it was said, for words that stand beside it. */
export function QuoteAt(props: Evidence) {
  const reading = useReading();
  const where = useWhere();
  return (
    <button class="plain small call-at" title={quoted(props.quote)} onClick={() => reading.go(props.turn, props.quote)}>
      {reading.sound && <span aria-hidden="true">▶</span>} {where(props.turn)}
    </button>
  );
}

/** Words of an earlier call: a link to it. */
export function PastQuote({ of: past }: { of: PastEvidence }) {
  return (
    <a class="call-quote" href={`/calls/${past.call}?turn=${past.turn}`}>
      <span class="call-where">
        ↩ {text().earlierCall(day(past.call_date))} · {text().turnNo(past.turn)}
      </span>{" "}
      {quoted(past.quote)}
    </a>
  );
}

export function Quotes(props: { of: readonly Evidence[]; earlier?: readonly PastEvidence[] }) {
  const { earlier = [] } = props;
  if (props.of.length + earlier.length === 0) return null;
  return (
    <ul class="call-quotes">
      {earlier.map((past) => (
        <li key={`${past.call} ${past.turn} ${past.quote}`}>
          <PastQuote of={past} />
        </li>
      ))}
      {props.of.map((one) => (
        <li key={`${one.turn} ${one.quote}`}>
          <Quote {...one} />
        </li>
      ))}
    </ul>
  );
}

/** Numbers of turns as small buttons, to listen to. */
export function Turns(props: { of: readonly number[] }) {
  const reading = useReading();
  const where = useWhere();
  return (
    <span class="row">
      {props.of.map((turn) => (
        <button key={turn} class="small" onClick={() => reading.go(turn)}>
          {reading.sound && <span aria-hidden="true">▶</span>} {where(turn)}
        </button>
      ))}
    </span>
  );
}
