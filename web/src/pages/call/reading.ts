// What everything on the report shares: the sound and where it is, the turn that is shown and the words marked in it.
import { computed, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Analysis, Turn } from "./document.ts";
import type { Sound } from "./sound.ts";
import { placeOf, search, secondOf, turnAt, type Hit } from "./timeline.ts";

export interface Place {
  turn: number;
  quote: string | null;
}

/** A breath before the words, so that the first is heard whole. */
const LEAD_S = 0.3;

export class Reading {
  readonly turns: readonly Turn[];
  readonly sound: Sound | null;
  /** What was jumped to. A new object each time: the same place can be wanted twice. */
  readonly place = signal<Place | null>(null);
  /** Whether the transcript goes along with the sound. */
  readonly follow = signal(true);
  readonly query = signal("");
  readonly hits = computed(() => search(this.turns, this.query.value));
  readonly hit = signal(0);
  readonly hitsOf = computed(() => {
    const of = new Map<number, Hit[]>();
    for (const hit of this.hits.value) of.set(hit.turn, [...(of.get(hit.turn) ?? []), hit]);
    return of;
  });
  /** Number of the turn that is heard. */
  readonly current = computed(() => {
    if (!this.sound || !this.sound.started.value) return null;
    return this.turns[turnAt(this.turns, this.sound.time.value)]?.i ?? null;
  });

  /** What is searched for outlives the analysis: a corrected call comes as a new one. */
  constructor(analysis: Analysis, sound: Sound | null, before: Reading | undefined) {
    this.turns = analysis.turns;
    this.sound = sound;
    if (!before) return;
    this.place.value = before.place.peek();
    this.follow.value = before.follow.peek();
    this.query.value = before.query.peek();
    this.hit.value = before.hit.peek();
  }

  turn(number: number): Turn | undefined {
    const likely = this.turns[number - 1];
    return likely?.i === number ? likely : this.turns.find((turn) => turn.i === number);
  }

  /** Shows a turn, marks the quote in it, and plays from there unless told not to. */
  go(number: number, quote: string | null = null, options: { play?: boolean } = {}): void {
    const turn = this.turn(number);
    if (!turn) return;
    this.place.value = { turn: number, quote };
    this.follow.value = true;
    const offset = quote ? (placeOf(quote, turn.text)?.start ?? 0) : 0;
    this.hear(turn, offset, options);
  }

  /** Plays from a letter of a turn. */
  hear(turn: Turn, offset: number, options: { play?: boolean } = {}): void {
    const second = secondOf(turn, offset);
    if (second === undefined || !this.sound) return;
    this.sound.seek(Math.max(turn.start_s ?? 0, second - LEAD_S));
    if (options.play !== false) this.sound.play();
  }

  /** The next (1) or the one before (-1) of what is searched for. */
  step(by: 1 | -1): void {
    const count = this.hits.value.length;
    if (count) this.hit.value = (this.hit.value + by + count) % count;
  }
}

const Context = createContext<Reading | null>(null);
export const ReadingProvider = Context.Provider;

/** Only inside of a report. */
export function useReading(): Reading {
  const reading = useContext(Context);
  if (!reading) throw new Error("there is no report around this");
  return reading;
}
