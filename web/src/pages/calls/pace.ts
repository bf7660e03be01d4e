// How long something may still take, from how fast it went so far. An estimate, and shown as one.
import { signal } from "@preact/signals";
import type { Schemas } from "../../api/client.ts";

type Call = Pick<Schemas["Call"], "id" | "status" | "step" | "progress">;

interface Look {
  at: number;
  progress: number;
}

/** Seconds until `progress` is 1 if it goes on as since `first`; undefined where too little was seen to say. */
export function remaining(first: Look, now: Look): number | undefined {
  const [took, done] = [(now.at - first.at) / 1000, now.progress - first.progress];
  if (took < 3 || done < 0.04) return undefined;
  return ((1 - now.progress) * took) / done;
}

/** `first`: when it first had come some way, so that what goes before the work is not counted. `last`: when it last went on. */
interface Seen {
  step: string;
  first: Look;
  last: Look;
}

const seen = new Map<string, Seen>();

/** Grows with each look, so that what is shown is shown anew. */
const looks = signal(0);

/** To be told of what the server says of calls that run. */
export function watch(calls: readonly Call[], at = Date.now()): void {
  for (const { id, status, step, progress } of calls) {
    if (status !== "running") {
      seen.delete(id);
      continue;
    }
    const now = { at, progress };
    const before = seen.get(id);
    // Work that began anew starts from nothing.
    if (!before || before.step !== (step ?? "") || progress < before.last.progress || before.first.progress === 0) {
      seen.set(id, { step: step ?? "", first: now, last: now });
    } else if (progress > before.last.progress) {
      seen.set(id, { ...before, last: now });
    }
  }
  looks.value++;
}

/** Only writing down the words takes long; the steps after it take seconds. */
export function left(call: Call, at = Date.now()): number | undefined {
  void looks.value;
  const of = seen.get(call.id);
  if (call.status !== "running" || call.step !== "transcribe" || of?.step !== "transcribe") return undefined;
  const then = remaining(of.first, of.last);
  // It goes on in leaps: between two of them time passes, but not for ever.
  return then === undefined ? undefined : Math.max(then / 2, then - (at - of.last.at) / 1000);
}

/** How far a call is as a whole, 0–1. */
export function whole(call: Call): number {
  if (call.status === "done") return 1;
  if (call.status !== "running") return 0;
  switch (call.step) {
    case "transcribe":
      return 0.02 + 0.88 * call.progress;
    case "understand":
      return 0.9 + 0.07 * call.progress;
    case "decide":
      return 0.97;
    default:
      return 0.02;
  }
}

export function isOpen(call: Pick<Call, "status">): boolean {
  return call.status === "queued" || call.status === "running";
}
