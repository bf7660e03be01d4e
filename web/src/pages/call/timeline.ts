// Where things are in a call: seconds of words, stretches of the ribbon, places of quotes and of what is searched. Pure.
import type { Segment, Turn } from "./document.ts";

export interface Range {
  start: number;
  end: number;
}

/** A part of a text, marked by those of `kinds` that cover it. */
export interface Piece {
  text: string;
  kinds: string[];
}

/** Cuts a text at the ends of ranges; ranges may overlap. */
export function pieces(text: string, ranges: readonly (Range & { kind: string })[]): Piece[] {
  const cuts = new Set([0, text.length]);
  for (const { start, end } of ranges) cuts.add(start).add(end);
  const at = [...cuts].filter((cut) => cut >= 0 && cut <= text.length).sort((a, b) => a - b);
  return at.slice(0, -1).map((start, n) => {
    const end = at[n + 1] ?? text.length;
    const kinds = ranges.filter((range) => range.start <= start && range.end >= end).map((range) => range.kind);
    return { text: text.slice(start, end), kinds };
  });
}

/** Case and ё/е do not matter to who searches; each letter stays one letter, so that places hold. */
export function fold(text: string): string {
  return text
    .replace(/\p{Lu}/gu, (letter) => (letter.toLowerCase().length === letter.length ? letter.toLowerCase() : letter))
    .replaceAll("ё", "е");
}

/** Where a quote stands in the text of its turn. */
export function placeOf(quote: string, text: string): Range | undefined {
  if (!quote) return undefined;
  const exact = text.indexOf(quote);
  const start = exact >= 0 ? exact : fold(text).indexOf(fold(quote));
  return start < 0 ? undefined : { start, end: start + quote.length };
}

export interface Hit extends Range {
  turn: number;
}

export function search(turns: readonly Turn[], query: string): Hit[] {
  const wanted = fold(query.trim());
  if (wanted.length < 2) return [];
  const hits: Hit[] = [];
  for (const turn of turns) {
    const text = fold(turn.text);
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      hits.push({ turn: turn.i, start: at, end: at + wanted.length });
    }
  }
  return hits;
}

/** When the letter at `offset` of a turn is said: by its words where they have times, else by its share of the turn. */
export function secondOf(turn: Turn, offset: number): number | undefined {
  let behind = 0;
  for (const { text, start_s } of turn.words ?? []) {
    behind += text.length + 1;
    if (behind > offset) return start_s;
  }
  if (turn.start_s == null) return undefined;
  const length = turn.end_s == null ? 0 : turn.end_s - turn.start_s;
  return turn.start_s + (length * Math.min(Math.max(offset, 0), turn.text.length)) / Math.max(turn.text.length, 1);
}

/** Index of the last turn that has begun by then; -1 before the first. */
export function turnAt(turns: readonly Turn[], second: number): number {
  let [low, high] = [0, turns.length - 1];
  let found = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if ((turns[middle]?.start_s ?? Infinity) <= second) {
      found = middle;
      low = middle + 1;
    } else high = middle - 1;
  }
  return found;
}

export interface Stretch {
  stage: Segment["stage"];
  turn: number;
  /** Shares of the whole. */
  from: number;
  to: number;
}

/** Where a turn begins, as a share of the call: by time, or by its number where the transcript has no times. */
export function shareOf(turns: readonly Turn[], turn: number, duration: number | null): number {
  const start = turns[turn - 1]?.start_s;
  if (duration && start != null) return Math.min(start / duration, 1);
  return (turn - 1) / Math.max(turns.length, 1);
}

/** The ribbon: what the call was about, one stretch behind the other without gaps. */
export function ribbon(segments: readonly Segment[], turns: readonly Turn[], duration: number | null): Stretch[] {
  return segments.map((segment, n) => {
    const next = segments[n + 1];
    return {
      stage: segment.stage,
      turn: segment.from_turn,
      from: n === 0 ? 0 : shareOf(turns, segment.from_turn, duration),
      to: next ? shareOf(turns, next.from_turn, duration) : 1,
    };
  });
}

/** Share of each stage in the call, the largest first. */
export function stageShares(stretches: readonly Stretch[]): [Segment["stage"], number][] {
  const sums = new Map<Segment["stage"], number>();
  for (const { stage, from, to } of stretches) sums.set(stage, (sums.get(stage) ?? 0) + (to - from));
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/** Who is heard on a channel: the side that most of its turns have. */
export function sideOf(turns: readonly Turn[], speaker: string): Turn["role"] | undefined {
  const counts = new Map<Turn["role"], number>();
  for (const turn of turns) {
    if (turn.speaker === speaker) counts.set(turn.role, (counts.get(turn.role) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
