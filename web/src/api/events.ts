// Everything that happens, from the server's stream; whoever shows something asks to be told. The browser connects again by
// itself and misses nothing.
import { signal } from "@preact/signals";
import { me } from "./session.ts";

export interface ServerEvent {
  seq: number;
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

type Listener = (event: ServerEvent) => void;

const listeners = new Set<Listener>();

/** Whether the stream is there; false is shown to people. */
export const connected = signal(true);

/** Goes up whenever the stream is there again: what was loaded before may be old. */
export const reopened = signal(0);

/** Returns how to stop listening. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** For tests of what `useResource` should notice: is it about this call, this deal? */
export function about(event: ServerEvent, key: "call_id" | "deal_id", id: string | null | undefined): boolean {
  return id != null && event.data[key] === id;
}

/** What can happen. */
export const TYPES: readonly string[] = [
  "call.analyzed",
  "call.failed",
  "deal.stage_changed",
  "deal.updated",
  "followup.drafted",
  "followup.approved",
  "action.due",
  "proposal.created",
  "endpoint.disabled",
];

let source: EventSource | undefined;

// There is a stream while somebody is signed in. -1: only what is to come.
me.subscribe((who) => {
  source?.close();
  source = undefined;
  if (!who) return;
  source = new EventSource("/v1/events?after=-1");
  source.onopen = () => {
    if (!connected.value) reopened.value += 1;
    connected.value = true;
  };
  source.onerror = () => (connected.value = false);
  for (const type of TYPES) {
    source.addEventListener(type, (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as ServerEvent;
      for (const listener of listeners) listener(event);
    });
  }
});
