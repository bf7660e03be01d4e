// A live call while it goes on: what is said, where the deal stands, what is missing.
import { useLocation } from "preact-iso";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { memo } from "./memo.ts";
import { clock } from "../../lib/format.ts";
import { word } from "../../lib/vocabulary.ts";
import { usePoll } from "../../lib/resource.ts";
import { PageHead } from "../../ui/basics.tsx";
import { ElementList, Quotes, TOP_SCORE, type ToTurn } from "../deals/elements.tsx";
import { isOpen, inForce, say, stageName } from "../../lib/process.ts";
import { leave } from "./current.ts";
import type { LiveLine } from "./line.ts";
import type { Turn } from "./protocol.ts";
import { DevicePicker, Levels } from "./set-up.tsx";
import type { Sound } from "./sound.ts";
import type { Story, ToldChange } from "./story.ts";
import { text } from "./text.ts";

export function Running(props: { line: LiveLine; sound: Sound | null }) {
  const { line, sound } = props;
  const { route } = useLocation();
  const box = useRef<HTMLDivElement>(null);
  const to: ToTurn = {
    go: (turn) => {
      const row = box.current?.querySelector<HTMLElement>(`[data-turn="${turn}"]`);
      row?.scrollIntoView({ block: "center" });
      row?.focus({ preventScroll: true });
    },
  };
  return (
    <>
      <PageHead title={text().title}>
        <State line={line} />
        {line.watches || !line.running.value ? (
          <button
            onClick={() => {
              leave();
              route("/live");
            }}
          >
            {line.running.value ? text().leave : text().again}
          </button>
        ) : (
          <button class="danger" disabled={line.stopping.value} onClick={() => line.stop()}>
            {text().stop}
          </button>
        )}
      </PageHead>
      <Notices line={line} sound={sound} />
      <div class="live-run">
        <div class="live-said">
          <Transcript story={line.story} box={box} watches={line.watches} />
          {!line.watches && !line.audio && line.running.value && !line.stopping.value && <Typing line={line} />}
        </div>
        <div class="live-side stack">
          <Where story={line.story} />
          <Hints story={line.story} to={to} />
          <Elements story={line.story} to={to} />
          <Changes story={line.story} to={to} />
          {sound && line.running.value && !line.stopping.value && <SoundBox sound={sound} />}
        </div>
      </div>
    </>
  );
}

function State(props: { line: LiveLine }) {
  const { line } = props;
  const state = line.state.value;
  const tone = state === "open" ? "good" : state === "failed" || state === "lost" ? "poor" : "watch";
  const waiting = line.waiting.value;
  // A moment's worth is always underway.
  const late = line.audio ? waiting >= 2 : waiting >= 1;
  const said = state === "open" && line.watches ? text().watching : state === "ended" ? text().ended : text()[state];
  return (
    <>
      {late && (
        <span class="tag watch">
          {line.audio ? text().waitingSeconds(Math.round(waiting)) : text().waitingTurns(waiting)}
        </span>
      )}
      <span class={`tag ${tone}`} role="status">
        {state === "open" && !line.watches && <span class="live-dot" aria-hidden="true" />}
        {said}
      </span>
    </>
  );
}

function Notices(props: { line: LiveLine; sound: Sound | null }) {
  const { line, sound } = props;
  const [now, setNow] = useState(Date.now());
  const retry = line.retryAt.value;
  usePoll(line.state.value === "lost", 500, () => setNow(Date.now()));
  const problem = line.problem.value;
  return (
    <div class="stack live-notices">
      {line.state.value === "lost" && (
        <div class="live-lost row between">
          <span>
            {line.watches ? text().lostWatching : text().lostWhy}{" "}
            <span aria-hidden="true">{text().retry(retry ? Math.max(0, Math.ceil((retry - now) / 1000)) : 0)}</span>
          </span>
          <button class="small" onClick={line.tryNow}>
            {text().tryNow}
          </button>
        </div>
      )}
      {problem && line.state.value !== "lost" && (
        <p class="problem" role="alert">
          {line.watches && problem.code === "bad_message"
            ? text().noWatch
            : `${line.state.value === "failed" ? `${text().failed}: ` : ""}${problem.message}`}
        </p>
      )}
      {line.state.value === "ending" && line.callId.value && (
        <p class="muted">
          {text().endingHint} <a href={`/calls/${line.callId.value}`}>{text().show}</a>
        </p>
      )}
      {line.lost.value > 0 && <p class="tag watch live-note">{text().silence(Math.round(line.lost.value))}</p>}
      {line.running.value &&
        sound?.gone.value.map((role) => (
          <p key={role} class="tag watch live-note" role="alert">
            {role === "rep" ? text().goneRep : text().goneBuyer}
          </p>
        ))}
    </div>
  );
}

/** Whoever only watches is not the rep. */
function roleName(role: Turn["role"], watches: boolean): string {
  return role === "rep" ? (watches ? text().rep : text().you) : role === "buyer" ? text().buyer : text().unknown;
}

const TurnRow = memo((props: { turn: Turn; words: string; stage: string; who: string }) => {
  const { turn } = props;
  return (
    <li
      class={`live-turn live-${turn.role}`}
      data-turn={turn.i}
      tabIndex={-1}
      style={{ "--tone": `var(--stage-${turn.stage.id})` }}
    >
      <div class="live-meta">
        <strong>{turn.name ?? props.who}</strong>
        {turn.start_s !== null && <span class="muted">{clock(turn.start_s)}</span>}
        <span class="live-stage">{props.stage}</span>
      </div>
      <p>{turn.text}</p>
      {props.words && <p class="live-signals muted">{props.words}</p>}
    </li>
  );
});

function Transcript(props: { story: Story; box: { current: HTMLDivElement | null }; watches: boolean }) {
  const turns = props.story.turns.value;
  const partials = props.story.partials.value;
  const [follows, setFollows] = useState(true);
  const { box } = props;
  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useLayoutEffect(() => void (follows && toEnd()), [turns, partials, follows]);
  return (
    <div class="card live-transcript">
      <div
        ref={box}
        class="live-scroll"
        tabIndex={0}
        role="region"
        aria-label={text().transcript}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          setFollows(scrollHeight - scrollTop - clientHeight < 60);
        }}
      >
        {turns.length === 0 && partials.length === 0 && <p class="muted">{text().nothing}</p>}
        <ol class="live-turns" aria-label={text().transcript}>
          {turns.map((turn) => (
            <TurnRow
              key={turn.i}
              turn={turn}
              who={roleName(turn.role, props.watches)}
              stage={word("stages", turn.stage.id)}
              words={turn.signals.map((signal) => word("signals", signal.id)).join(", ")}
            />
          ))}
        </ol>
        {/* Words that may still change are not read aloud. */}
        <div aria-live="off">
          {partials.map((partial) => (
            <div key={partial.speaker} class={`live-turn live-partial live-${partial.role}`}>
              <div class="live-meta">
                <strong>{roleName(partial.role, props.watches)}</strong>
                <span>{text().speaking}…</span>
              </div>
              <p>{partial.text}</p>
            </div>
          ))}
        </div>
      </div>
      {!follows && (
        <button class="small live-follow" onClick={() => setFollows(true)}>
          ↓ {text().follow}
        </button>
      )}
    </div>
  );
}

function Typing(props: { line: LiveLine }) {
  const [role, setRole] = useState<"rep" | "buyer">("rep");
  const [said, setSaid] = useState("");
  const id = useId();
  const add = () => {
    const words = said.trim();
    if (!words) return;
    props.line.say(role, words);
    setSaid("");
    // People take turns.
    setRole(role === "rep" ? "buyer" : "rep");
  };
  return (
    <form
      class="card live-typing"
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
      onKeyDown={(event) => {
        if (event.altKey && (event.code === "Digit1" || event.code === "Digit2")) {
          event.preventDefault();
          setRole(event.code === "Digit1" ? "rep" : "buyer");
        }
      }}
    >
      <fieldset class="live-roles">
        <legend class="sr-only">{text().role}</legend>
        {(["rep", "buyer"] as const).map((one) => (
          <label key={one}>
            <input type="radio" name={id} checked={role === one} onChange={() => setRole(one)} /> {roleName(one, false)}
          </label>
        ))}
      </fieldset>
      <label class="sr-only" for={`${id}-said`}>
        {text().sayNow}
      </label>
      <textarea
        id={`${id}-said`}
        rows={2}
        value={said}
        placeholder={text().sayNow}
        aria-describedby={`${id}-hint`}
        onInput={(event) => setSaid(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          add();
        }}
      />
      <div class="row between">
        <span class="muted" id={`${id}-hint`}>
          {text().addHint}
        </span>
        <button class="small primary" disabled={!said.trim()}>
          {text().add}
        </button>
      </div>
    </form>
  );
}

function Where(props: { story: Story }) {
  const deal = props.story.deal.value;
  const process = inForce.value;
  const open = process?.id === deal?.process ? (process?.stages.filter(isOpen) ?? []) : [];
  const at = open.findIndex((stage) => stage.id === deal?.stage);
  return (
    <section class="card stack" aria-labelledby="live-where">
      <h2 id="live-where">{text().where}</h2>
      {!deal ? (
        <p class="muted">{text().noDeal}</p>
      ) : (
        <>
          <div class="row">
            <strong class="live-now">{deal.stage_name ?? text().notDecided}</strong>
            {deal.abstained && (
              <span class="tag watch" title={text().notSureWhy}>
                {text().notSure}
              </span>
            )}
            {deal.call_outcome && (
              <span class="tag">
                {text().outcome}: {word("outcomes", deal.call_outcome)}
              </span>
            )}
          </div>
          {open.length > 0 && (
            <ol class="live-steps">
              {open.map((stage, n) => (
                <li key={stage.id} class={n < at ? "past" : ""} aria-current={n === at ? "step" : undefined}>
                  {say(stage.name)}
                </li>
              ))}
            </ol>
          )}
          {deal.stage_exit && (
            <p class="muted">
              {text().exit}: {deal.stage_exit}
            </p>
          )}
        </>
      )}
    </section>
  );
}

function Elements(props: { story: Story; to: ToTurn }) {
  const elements = props.story.deal.value?.elements ?? [];
  if (elements.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="live-elements">
      <h2 id="live-elements">{text().elements}</h2>
      <ElementList elements={elements} to={props.to} compact />
    </section>
  );
}

function Hints(props: { story: Story; to: ToTurn }) {
  const hints = props.story.hints.value;
  return (
    <section class="card stack" aria-labelledby="live-hints">
      <h2 id="live-hints">{text().hints}</h2>
      <div aria-live="polite" aria-relevant="additions">
        {hints.length === 0 ? (
          <p class="muted">{text().noHints}</p>
        ) : (
          <ul class="live-hints">
            {hints.map((hint) => (
              <li key={hint.seq}>
                <p>
                  <span class={hint.kind === "warning" ? "tag watch" : "tag accent"}>{text()[hint.kind]}</span>{" "}
                  <strong>{hint.title}</strong>
                </p>
                {hint.why && <p class="muted">{hint.why}</p>}
                <Quotes of={[...hint.evidence, ...hint.earlier]} to={props.to} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function valueOf(change: ToldChange, value: unknown): string {
  if (value === null || value === undefined) return text().nothingYet;
  if (change.of === "abstained") return value === true ? text().undecided : text().decided;
  if (typeof value === "boolean") return value ? text().yes : text().no;
  if (change.of === "stage") return stageName(String(value));
  if (change.of === "outcome") return word("outcomes", String(value));
  if (Array.isArray(value)) return value.map((flag) => word("flags", String(flag))).join(", ") || text().nothingYet;
  return typeof value === "number" ? `${value}/${TOP_SCORE}` : String(value);
}

/** The first record says of everything what it is: what is not there became nothing other. */
function isTelling(change: ToldChange): boolean {
  return valueOf(change, change.from) !== valueOf(change, change.to) && !(change.from === null && change.to === false);
}

function Changes(props: { story: Story; to: ToTurn }) {
  const changes = props.story.changes.value.filter(isTelling);
  const elements = props.story.deal.value?.elements ?? [];
  return (
    <section class="card stack" aria-labelledby="live-changes">
      <h2 id="live-changes">{text().changes}</h2>
      {changes.length === 0 ? (
        <p class="muted">{text().noChanges}</p>
      ) : (
        <ul class="live-hints">
          {changes.map((change) => (
            <li key={`${change.seq}-${change.of}`}>
              <p>
                <strong class="el-name">
                  {text().of[change.of] ?? elements.find((element) => element.id === change.of)?.name ?? change.of}
                </strong>
                : {valueOf(change, change.from)} → {valueOf(change, change.to)}
              </p>
              {change.why && <p class="muted">{change.why}</p>}
              <Quotes of={[...change.evidence, ...change.earlier]} to={props.to} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function SoundBox(props: { sound: Sound }) {
  const [problem, setProblem] = useState("");
  useEffect(() => setProblem(""), [props.sound.device.value]);
  return (
    <details class="card">
      <summary>{text().levels}</summary>
      <div class="stack">
        <Levels sound={props.sound} />
        <DevicePicker sound={props.sound} onProblem={setProblem} />
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </details>
  );
}
