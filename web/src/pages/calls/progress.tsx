// How far a call is, for rows of uploads and of the list.
import type { Schemas } from "../../api/client.ts";
import { clock, share } from "../../lib/format.ts";
import { Meter } from "../../ui/basics.tsx";
import { left, whole } from "./pace.ts";
import { text } from "./text.ts";

type Call = Schemas["Call"];

function stepWord(call: Call): string {
  const { steps } = text();
  if (call.status === "queued") return steps.queued;
  const step = call.step ?? "";
  return step === "transcribe" || step === "understand" || step === "decide" ? steps[step] : steps.reading;
}

/** Seconds in words: below a minute by fives, so that it does not jump. */
export function roughly(seconds: number): string {
  return clock(seconds < 60 ? Math.max(5, Math.ceil(seconds / 5) * 5) : Math.ceil(seconds / 10) * 10);
}

export function Remaining(props: { seconds: number | undefined }) {
  if (props.seconds === undefined) return null;
  return (
    <span class="muted" title={text().leftHint}>
      · {text().left_s(roughly(props.seconds))}
    </span>
  );
}

export function CallProgress(props: { call: Call }) {
  const { call } = props;
  const word = stepWord(call);
  if (call.status === "queued") return <span class="muted">{word}</span>;
  return (
    <div class="calls-progress">
      <Meter value={whole(call)} label={`${word}, ${share(whole(call))}`} />
      <span>
        {word} {call.step === "transcribe" && share(call.progress)} <Remaining seconds={left(call)} />
      </span>
    </div>
  );
}
