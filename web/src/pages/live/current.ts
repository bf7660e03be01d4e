// The live call of this page: it goes on while people look at other pages, until it ends or the page is closed.
import { effect, signal } from "@preact/signals";
import { tell } from "../../ui/toast.tsx";
import { LiveLine, type Opening } from "./line.ts";
import type { AudioFormat } from "./protocol.ts";
import type { Sound } from "./sound.ts";
import { text } from "./text.ts";

interface Current {
  line: LiveLine;
  sound: Sound | null;
}

export const current = signal<Current | null>(null);

/** What this tab needs to go on with a call after it was loaded anew. */
export interface Kept {
  id: string;
  audio?: AudioFormat;
}

const KEY = "dealstage.live";

export function kept(): Kept | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}

export function begin(opening: Opening, sound: Sound | null): void {
  current.value?.line.close();
  const line = new LiveLine(opening);
  if (sound) sound.onPiece = (pcm) => line.hear(pcm);
  current.value = { line, sound };
}

/** Lets go of a call that has ended, or that was only watched. */
export function leave(): void {
  const now = current.value;
  current.value = null;
  now?.line.close();
  now?.sound?.close();
}

const warn = (event: BeforeUnloadEvent) => event.preventDefault();

effect(() => {
  const now = current.value;
  const ours = now !== null && !now.line.watches && now.line.running.value;
  // Closing the page would break the call off, until everything has been sent.
  if (ours && now.line.state.value !== "ending") addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
  const id = now?.line.callId.value;
  if (ours && id)
    sessionStorage.setItem(
      KEY,
      JSON.stringify({ id, ...(now.line.audio ? { audio: now.line.audio } : {}) } satisfies Kept),
    );
  if (now && !now.line.watches && !now.line.running.value) sessionStorage.removeItem(KEY);
});

// The microphone is off as soon as there is nothing more to hear.
effect(() => {
  const now = current.value;
  if (now?.sound && (now.line.stopping.value || !now.line.running.value)) now.sound.close();
});

/** The page of the live call, while it is shown: how it goes elsewhere. */
let go: ((path: string) => void) | undefined;
const shown = signal(false);

export function show(route: (path: string) => void): () => void {
  go = route;
  shown.value = true;
  return () => {
    shown.value = false;
    const now = current.value;
    if (!now || now.line.watches || !now.line.running.value) return;
    tell(now.sound ? text().goesOnSound : text().goesOn, { label: text().back, run: () => route("/live") });
  };
}

// A call that ends becomes its page; those who look at another page are told.
effect(() => {
  const now = current.value;
  if (now?.line.state.value !== "ended") return;
  const path = `/calls/${now.line.callId.peek()}`;
  if (shown.peek()) go?.(path);
  else tell(text().ended, { label: text().show, run: () => go?.(path) });
  queueMicrotask(leave);
});
