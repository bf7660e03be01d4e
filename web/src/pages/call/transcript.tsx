// What was said, turn by turn. Only what is seen of it is in the page, so it has a search of its own.
import { useComputed, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { clock, share } from "../../lib/format.ts";
import { word } from "../../lib/vocabulary.ts";
import { of, words } from "../../lib/words.ts";
import { VirtualList, type ListHandle } from "../../ui/virtual-list.tsx";
import { aboutTurn, CorrectedMark, TurnMenu } from "./corrections.tsx";
import type { Turn } from "./document.ts";
import { useReading } from "./reading.ts";
import { text } from "./text.ts";
import { pieces, placeOf, type Range } from "./timeline.ts";

/** Which letter of the text was clicked. */
function letterAt(event: MouseEvent, within: HTMLElement): number | undefined {
  const { clientX: x, clientY: y } = event;
  const range = document.createRange();
  range.setStart(within, 0);
  if ("caretPositionFromPoint" in document) {
    const at = document.caretPositionFromPoint(x, y);
    if (!at || !within.contains(at.offsetNode)) return undefined;
    range.setEnd(at.offsetNode, at.offset);
  } else {
    const at = (document as Document).caretRangeFromPoint(x, y);
    if (!at || !within.contains(at.startContainer)) return undefined;
    range.setEnd(at.startContainer, at.startOffset);
  }
  return range.toString().length;
}

function Said({ turn }: { turn: Turn }) {
  const reading = useReading();
  const place = useComputed(() => (reading.place.value?.turn === turn.i ? reading.place.value : null)).value;
  const hits = useComputed(() => reading.hitsOf.value.get(turn.i)).value;
  const chosen = useComputed(() => {
    const hit = reading.hits.value[reading.hit.value];
    return hit?.turn === turn.i ? hit : null;
  }).value;
  const ranges: (Range & { kind: string })[] = [];
  const quote = place?.quote ? placeOf(place.quote, turn.text) : undefined;
  if (quote) ranges.push({ ...quote, kind: "quote" });
  for (const hit of hits ?? []) ranges.push({ ...hit, kind: hit === chosen ? "chosen" : "hit" });
  const click = (event: MouseEvent) => {
    // Who marks words wants to copy them.
    if (getSelection()?.isCollapsed === false) return;
    const letter = letterAt(event, event.currentTarget as HTMLElement);
    if (letter !== undefined) reading.hear(turn, letter);
  };
  const heard = reading.sound && turn.start_s != null;
  return (
    <p
      class={heard ? "call-words heard" : "call-words"}
      {...(heard ? { onClick: click, title: text().clickWord } : {})}
    >
      {ranges.length === 0
        ? turn.text
        : pieces(turn.text, ranges).map((piece, n) =>
            piece.kinds.length > 0 ? (
              <mark key={n} class={piece.kinds.join(" ")}>
                {piece.text}
              </mark>
            ) : (
              piece.text
            ),
          )}
    </p>
  );
}

/** `begins`: a new stage begins with it. */
function TurnRow({ turn, begins }: { turn: Turn; begins: boolean }) {
  const reading = useReading();
  const current = useComputed(() => reading.current.value === turn.i).value;
  const shown = useComputed(() => reading.place.value?.turn === turn.i).value;
  const stage = word("stages", turn.stage.id);
  const role = word("roles", turn.role);
  const sure = (one: { confidence: number; decided_by: string }) =>
    `${text().sure(share(one.confidence))}, ${of(words().decided, one.decided_by)}`;
  const atOnce = turn.overlaps?.map(({ start_s }) => clock(start_s)) ?? [];
  return (
    <div
      class={`call-turn ${turn.role} ${current ? "current" : ""} ${shown ? "shown" : ""}`}
      style={{ "--stage": `var(--stage-${turn.stage.id})` }}
      {...(current ? { "aria-current": "true" as const } : {})}
    >
      <div class="call-turn-head">
        <span
          class="call-who"
          title={turn.speaker_confidence == null ? undefined : text().sure(share(turn.speaker_confidence))}
        >
          {turn.name ? `${turn.name} · ` : ""}
          {role}
        </span>
        {turn.start_s != null &&
          (reading.sound ? (
            <button
              class="plain call-time"
              aria-label={text().playFrom(clock(turn.start_s))}
              onClick={() => reading.hear(turn, 0)}
            >
              {clock(turn.start_s)}
            </button>
          ) : (
            <span class="call-time">{clock(turn.start_s)}</span>
          ))}
        <span class={begins ? "call-stage" : "call-stage later"} title={`${stage}: ${sure(turn.stage)}`}>
          {stage}
        </span>
        {atOnce.length > 0 && (
          <span class="call-at-once" title={text().atOnceAt([...new Set(atOnce)].join(", "))}>
            {text().atOnce}
          </span>
        )}
        <span class="call-turn-end">
          <CorrectedMark about={aboutTurn(turn.i)} />
          <TurnMenu turn={turn} />
        </span>
      </div>
      <Said turn={turn} />
      {turn.signals.length > 0 && (
        <ul class="call-signals">
          {turn.signals.map((signal) => (
            <li key={signal.id}>
              <span class="tag call-signal" tabIndex={0} data-note={sure(signal)}>
                {word("signals", signal.id)}
                <span class="sr-only">, {sure(signal)}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Find() {
  const reading = useReading();
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as HTMLElement).closest("input, select, textarea, [contenteditable], dialog, [popover]"))
        return;
      event.preventDefault();
      box.current?.focus();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  const count = reading.hits.value.length;
  const asked = reading.query.value.trim().length > 1;
  const clear = () => {
    reading.query.value = "";
    reading.hit.value = 0;
  };
  return (
    <div class="call-find row" role="search">
      <input
        ref={box}
        type="search"
        aria-label={text().find}
        placeholder={text().find}
        value={reading.query.value}
        onInput={(event) => {
          reading.query.value = event.currentTarget.value;
          reading.hit.value = 0;
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") reading.step(event.shiftKey ? -1 : 1);
          if (event.key === "Escape") clear();
        }}
      />
      {asked && (
        <>
          <span class="muted" role="status">
            {count ? text().found(reading.hit.value + 1, count) : text().nothing}
          </span>
          <button class="small" disabled={!count} aria-label={text().previous} onClick={() => reading.step(-1)}>
            ↑
          </button>
          <button class="small" disabled={!count} aria-label={text().next} onClick={() => reading.step(1)}>
            ↓
          </button>
        </>
      )}
    </div>
  );
}

const SCROLLS = new Set(["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"]);

export function Transcript() {
  const reading = useReading();
  const pane = useRef<HTMLElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<ListHandle>(null);
  const indexOf = (turn: number) => reading.turns.findIndex(({ i }) => i === turn);
  // What was jumped to. On a narrow screen the transcript may be out of sight.
  useSignalEffect(() => {
    const place = reading.place.value;
    if (!place) return;
    list.current?.scrollTo(indexOf(place.turn));
    const box = pane.current?.getBoundingClientRect();
    if (box && (box.top > innerHeight * 0.75 || box.bottom < innerHeight * 0.25))
      pane.current?.scrollIntoView({ block: "start" });
  });
  useSignalEffect(() => {
    const hit = reading.hits.value[reading.hit.value];
    if (hit) list.current?.scrollTo(indexOf(hit.turn));
  });
  useSignalEffect(() => {
    const turn = reading.current.value;
    if (turn !== null && reading.follow.value && reading.sound?.playing.value) {
      list.current?.scrollTo(indexOf(turn), { smooth: true });
    }
  });
  // A row is made once: a list that scrolls asks for all that are seen at each step.
  const row = useMemo(() => {
    const made = new Map<number, JSX.Element>();
    return (turn: Turn, index: number) => {
      const begins = reading.turns[index - 1]?.stage.id !== turn.stage.id;
      const known = made.get(index) ?? <TurnRow turn={turn} begins={begins} />;
      made.set(index, known);
      return known;
    };
  }, [reading]);
  // Who scrolls wants to read there.
  const stay = () => {
    if (reading.sound?.playing.peek()) reading.follow.value = false;
  };
  return (
    <section ref={pane} class="call-transcript card" aria-labelledby="call-transcript-title" id="transcript">
      <div class="call-transcript-head">
        <h2 id="call-transcript-title">{text().transcript}</h2>
        <a class="call-to-verdict" href="#verdict">
          ↑ {text().toVerdict}
        </a>
        <Find />
      </div>
      <div
        ref={scroller}
        class="call-scroller"
        tabIndex={0}
        role="group"
        aria-label={text().transcript}
        onWheel={stay}
        onTouchMove={stay}
        onKeyDown={(event) => SCROLLS.has(event.key) && stay()}
      >
        <VirtualList
          items={reading.turns}
          keyOf={(turn) => turn.i}
          estimate={92}
          scroller={scroller}
          handle={list}
          label={text().transcript}
          render={row}
        />
      </div>
    </section>
  );
}
