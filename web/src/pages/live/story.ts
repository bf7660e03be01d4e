// What the server has told of a live call so far.
import { signal } from "@preact/signals";
import type { Change, Deal, Hint, Partial, ServerMessage, Turn } from "./protocol.ts";

export interface ToldChange extends Change {
  seq: number;
  /** The turn after which it was said; null before the first. */
  turn: number | null;
}

export interface ToldHint extends Hint {
  seq: number;
  turn: number | null;
}

export class Story {
  readonly turns = signal<readonly Turn[]>([]);
  /** Words of those who still speak. */
  readonly partials = signal<readonly Partial[]>([]);
  readonly deal = signal<Deal | null>(null);
  /** The newest first. */
  readonly changes = signal<readonly ToldChange[]>([]);
  readonly hints = signal<readonly ToldHint[]>([]);

  hear(message: ServerMessage): void {
    const last = this.turns.value.at(-1)?.i ?? null;
    switch (message.type) {
      case "partial": {
        const others = this.partials.value.filter((partial) => partial.speaker !== message.speaker);
        this.partials.value = [...others, message];
        return;
      }
      case "turn": {
        this.turns.value = withTurn(this.turns.value, message.turn);
        this.partials.value = this.partials.value.filter((partial) => !isSaid(partial, message.turn));
        return;
      }
      case "deal":
        this.deal.value = message.deal;
        this.changes.value = [
          ...message.changed.map((change) => ({ ...change, seq: message.seq, turn: last })),
          ...this.changes.value,
        ];
        return;
      case "hint":
        this.hints.value = [{ ...message, turn: last }, ...this.hints.value];
        return;
      default:
    }
  }

  /** Whoever spoke when the connection broke: what they went on to say comes as a turn. */
  forgetPartials(): void {
    this.partials.value = [];
  }
}

/** A turn that comes again replaces the one before. */
export function withTurn(turns: readonly Turn[], turn: Turn): readonly Turn[] {
  const at = turns.findIndex((other) => other.i === turn.i);
  return at < 0 ? [...turns, turn] : turns.with(at, turn);
}

function isSaid(partial: Partial, turn: Turn): boolean {
  const same = partial.speaker === turn.speaker || partial.role === turn.role;
  return same && (turn.end_s === null || partial.start_s < turn.end_s);
}
