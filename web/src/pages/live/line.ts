// The connection of a live call: opens it, sends what the server has not received, and comes back after a break.
//
// What is heard is in `story`; where sound comes from in `sound`.
import { computed, signal } from "@preact/signals";
import { SoundBuffer } from "./buffer.ts";
import type { AudioFormat, CallHeader, ServerMessage, ServerProblem, TypedTurn } from "./protocol.ts";
import { Story } from "./story.ts";

/** Sound kept for a connection that comes back. */
const MOST_BYTES = 32 << 20;
/** One frame of sound; the server takes 256 KiB. */
const FRAME = 64 << 10;
/** No more than this waits in the browser at a time: what has left us cannot be told from what has arrived. */
const UNDERWAY = 512 << 10;
const PUMP_MS = 100;
/** A connection that takes nothing for so long is dead, whatever the browser believes. */
const STUCK_MS = 8_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export type LineState =
  | "connecting"
  | "open"
  /** The connection is gone; it comes back by itself. */
  | "lost"
  /** Everything was said; the server analyses the call. */
  | "ending"
  | "ended"
  /** There is no way on. */
  | "failed";

export type Opening =
  | { kind: "start"; call: CallHeader; audio?: AudioFormat }
  | { kind: "resume"; id: string; audio?: AudioFormat }
  | { kind: "watch"; id: string };

/** Milliseconds before the next try: doubled each time, and spread so that many pages do not come at once. */
export function waitBefore(attempt: number, chance = Math.random()): number {
  return Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS) * (0.75 + chance / 2);
}

export class LiveLine {
  readonly story = new Story();
  readonly state = signal<LineState>("connecting");
  readonly callId = signal<string | null>(null);
  readonly problem = signal<ServerProblem | null>(null);
  /** When the next try comes (ms of the clock); null: none is waited for. */
  readonly retryAt = signal<number | null>(null);
  /** What the server has not been sent: seconds of sound, or turns. */
  readonly waiting = signal(0);
  /** Seconds of sound that were too old to keep; they became silence. */
  readonly lost = signal(0);
  readonly stopping = signal(false);
  readonly watches: boolean;
  readonly audio: AudioFormat | undefined;
  /** It still goes on: leaving would break it off. */
  readonly running = computed(() => !["ended", "failed"].includes(this.state.value));

  private readonly opening: Opening;
  private socket: WebSocket | undefined;
  private seq = 0;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pumping: ReturnType<typeof setInterval> | undefined;
  private sound: SoundBuffer;
  private turns: TypedTurn[] = [];
  /** How much of the call was handed to the connection: bytes or turns. */
  private sent = 0;
  private stopSent = false;
  private stuckSince: number | null = null;
  private leastUnderway = 0;

  constructor(opening: Opening) {
    this.opening = opening;
    this.watches = opening.kind === "watch";
    this.audio = opening.kind === "watch" ? undefined : opening.audio;
    this.sound = new SoundBuffer(MOST_BYTES);
    if (opening.kind !== "start") this.callId.value = opening.id;
    addEventListener("offline", this.onOffline);
    addEventListener("online", this.tryNow);
    this.connect();
  }

  /** The next piece of sound. */
  hear(chunk: Uint8Array): void {
    if (this.stopping.value || !this.running.value) return;
    this.sound.push(chunk);
    this.pump();
  }

  say(role: TypedTurn["role"], text: string): void {
    this.turns.push({ i: this.turnsBefore + this.turns.length + 1, role, text });
    this.pump();
  }

  /** Ends the call once everything has been sent. */
  stop(): void {
    this.stopping.value = true;
    this.pump();
  }

  /** Leaves it: without a stop the server waits for somebody to come back. */
  close(): void {
    this.finish("ended");
  }

  readonly tryNow = (): void => {
    if (this.state.value !== "lost") return;
    clearTimeout(this.timer);
    this.connect();
  };

  private readonly onOffline = (): void => this.drop();

  /** Turns that the server had before this page came to the call. */
  private turnsBefore = 0;

  private get total(): number {
    return this.audio ? this.sound.end : this.turnsBefore + this.turns.length;
  }

  private connect(): void {
    this.retryAt.value = null;
    const address = new URL("/v1/live", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    this.stopSent = false;
    this.stuckSince = null;
    socket.onopen = () => socket.send(JSON.stringify(this.firstMessage()));
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket === socket) this.take(JSON.parse(event.data) as ServerMessage);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.broken();
    };
  }

  private firstMessage(): object {
    const id = this.callId.value;
    if (this.opening.kind === "watch") return { type: "watch", call_id: id, after: this.seq };
    if (id !== null) return { type: "resume", call_id: id, after: this.seq };
    const { call, audio } = this.opening as Extract<Opening, { kind: "start" }>;
    return { type: "start", call, ...(audio ? { audio } : {}) };
  }

  private take(message: ServerMessage): void {
    this.seq = Math.max(this.seq, message.seq);
    switch (message.type) {
      case "ready":
        this.attempt = 0;
        this.problem.value = null;
        this.callId.value = message.call_id;
        this.goOnBehind("bytes" in message.received ? message.received.bytes : message.received.turns);
        this.state.value = "open";
        this.startPump();
        return;
      case "final":
        this.callId.value = message.call_id;
        return this.finish("ended");
      case "error":
        return this.complain(message);
      default:
        this.story.hear(message);
    }
  }

  /** The server has so much: what comes after it is sent, and not what came before. */
  private goOnBehind(received: number): void {
    if (this.watches) return;
    const fresh = this.total === 0 && received > 0;
    if (this.audio) {
      // A page that was loaded anew: its sound goes on where that of the other ended.
      if (fresh) this.sound = new SoundBuffer(MOST_BYTES, received);
      if (received < this.sound.start) this.lost.value += this.seconds(this.sound.start - received);
    } else if (fresh) this.turnsBefore = received;
    this.sent = received;
  }

  private complain(problem: ServerProblem): void {
    if (problem.code === "lagging") return;
    this.problem.value = problem;
    const noWayOn = ["no_call", "failed"].includes(problem.code) || (problem.code === "bad_message" && problem.closes);
    if (noWayOn) this.finish("failed");
  }

  private broken(): void {
    this.stopPump();
    this.socket = undefined;
    if (!this.running.value) return;
    this.story.forgetPartials();
    this.state.value = "lost";
    const wait = waitBefore(this.attempt++);
    this.retryAt.value = Date.now() + wait;
    this.timer = setTimeout(this.tryNow, wait);
    this.count();
  }

  /** Gives up a connection that the browser still holds. */
  private drop(): void {
    const { socket } = this;
    if (!socket) return;
    this.socket = undefined;
    socket.close();
    this.broken();
  }

  private startPump(): void {
    this.stopPump();
    this.pumping = setInterval(() => this.pump(), PUMP_MS);
    this.pump();
  }

  private stopPump(): void {
    clearInterval(this.pumping);
    this.pumping = undefined;
  }

  private pump(): void {
    const { socket } = this;
    // Before `ready` nobody knows where to go on.
    if (socket?.readyState === WebSocket.OPEN && this.pumping !== undefined && !this.watches) {
      while (this.sent < this.total && socket.bufferedAmount < UNDERWAY) {
        if (this.audio) {
          const piece = this.sound.read(this.sent, FRAME);
          socket.send(piece);
          this.sent += piece.length;
        } else {
          const turn = this.turns[this.sent - this.turnsBefore];
          if (!turn) break;
          socket.send(JSON.stringify({ type: "turn", turn }));
          this.sent++;
        }
      }
      if (this.stopping.value && !this.stopSent && this.sent >= this.total) {
        socket.send(JSON.stringify({ type: "stop" }));
        this.stopSent = true;
        this.state.value = "ending";
      }
      this.watchForStuck(socket.bufferedAmount);
    }
    this.count();
  }

  private watchForStuck(underway: number): void {
    if (underway === 0 || this.stuckSince === null || underway < this.leastUnderway) {
      this.stuckSince = underway === 0 ? null : Date.now();
      this.leastUnderway = underway;
    } else if (Date.now() - this.stuckSince > STUCK_MS) this.drop();
  }

  private count(): void {
    const underway = this.audio ? (this.socket?.bufferedAmount ?? 0) : 0;
    const left = Math.max(0, this.total - this.sent) + underway;
    this.waiting.value = this.audio ? this.seconds(left) : left;
  }

  private seconds(bytes: number): number {
    return this.audio ? bytes / (this.audio.sample_rate * this.audio.channels * 2) : 0;
  }

  private finish(state: "ended" | "failed"): void {
    this.state.value = state;
    this.retryAt.value = null;
    clearTimeout(this.timer);
    this.stopPump();
    removeEventListener("offline", this.onOffline);
    removeEventListener("online", this.tryNow);
    const { socket } = this;
    this.socket = undefined;
    socket?.close();
  }
}
