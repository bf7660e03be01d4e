// Files on their way to the server: at most three at a time, each with its progress, tried again where that helps. They go
// on while the person looks at other pages.
import { computed, signal } from "@preact/signals";
import { api, ask, type Schemas } from "../../api/client.ts";
import { onEvent } from "../../api/events.ts";
import { asProblem, type Problem } from "../../api/problem.ts";
import { csrfToken, me, signedOut } from "../../api/session.ts";
import { isOpen, watch } from "./pace.ts";

type Call = Schemas["Call"];

const AT_ONCE = 3;
const TRIES = 4;
const POLL_MS = 2_000;

/** What goes with files that are not sent yet. Empty: not said. */
export interface About {
  deal: string;
  date: string;
  language: string;
  /** `left`, `right` or the name of a speaker. */
  rep: string;
  consent: string;
}

export const NOTHING_SAID: About = { deal: "", date: "", language: "", rep: "", consent: "" };

export const about = signal<About>(NOTHING_SAID);

export interface Upload {
  key: string;
  file: File;
  state: "waiting" | "sending" | "taken" | "failed" | "stopped";
  /** Bytes that the server has. */
  sent: number;
  began: number;
  /** Seconds until the next try; 0: none is planned. */
  againIn: number;
  problem?: Problem | undefined;
  /** As the server last told. */
  call?: Call | undefined;
  callId?: string | undefined;
  ignored: string[];
}

export const uploads = signal<Upload[]>([]);
export const sending = computed(() => uploads.value.some((one) => one.state === "waiting" || one.state === "sending"));

interface Work {
  /** Stays the same on every try: what arrived is not taken twice. */
  idempotencyKey: string;
  meta: string;
  tries: number;
  request?: XMLHttpRequest;
  timer?: ReturnType<typeof setTimeout>;
}

const works = new Map<string, Work>();

function change(key: string, to: Partial<Upload>): void {
  uploads.value = uploads.value.map((one) => (one.key === key ? { ...one, ...to } : one));
}

export function metaOf(said: About): Partial<Schemas["Meta"]> {
  return {
    ...(said.deal.trim() ? { deal: { name: said.deal.trim() } } : {}),
    ...(said.date ? { call_date: said.date } : {}),
    ...(said.language ? { language: said.language } : {}),
    ...(said.rep.trim() ? { rep: said.rep.trim() } : {}),
    ...(said.consent ? { consent: said.consent as Schemas["Consent"] } : {}),
  };
}

export function add(files: readonly File[]): void {
  const fresh = files.map((file): Upload => ({
    key: crypto.randomUUID(),
    file,
    state: "waiting",
    sent: 0,
    began: 0,
    againIn: 0,
    ignored: [],
  }));
  uploads.value = [...uploads.value, ...fresh];
  next();
}

/** Starts what may start. */
function next(): void {
  let busy = uploads.value.filter((one) => one.state === "sending").length;
  for (const one of uploads.value) {
    if (busy >= AT_ONCE) return;
    if (one.state !== "waiting" || one.againIn > 0) continue;
    busy++;
    send(one);
  }
}

function send(one: Upload): void {
  const work: Work = works.get(one.key) ?? {
    idempotencyKey: crypto.randomUUID(),
    meta: JSON.stringify(metaOf(about.value)),
    tries: 0,
  };
  works.set(one.key, work);
  work.tries++;
  change(one.key, { state: "sending", sent: 0, began: Date.now(), problem: undefined });
  const form = new FormData();
  form.append("meta", new Blob([work.meta], { type: "application/json" }));
  form.append("file", one.file, one.file.name);
  const request = new XMLHttpRequest();
  work.request = request;
  request.open("POST", "/v1/calls");
  request.setRequestHeader("idempotency-key", work.idempotencyKey);
  if (csrfToken.value) request.setRequestHeader("x-csrf-token", csrfToken.value);
  request.upload.onprogress = (event) => change(one.key, { sent: Math.min(event.loaded, one.file.size) });
  request.onload = () => arrived(one.key, work, request);
  request.onerror = () => failed(one.key, work, asProblem(""), undefined);
  request.send(form);
}

function arrived(key: string, work: Work, request: XMLHttpRequest): void {
  const said = parsed(request.responseText);
  if (request.status === 202) {
    const taken = said as Schemas["Taken"];
    works.delete(key);
    change(key, { state: "taken", callId: taken.id, ignored: taken.ignored ?? [] });
    next();
    follow();
    return;
  }
  if (request.status === 401) signedOut();
  const { title = request.statusText, detail = "", problems = [] } = said as Partial<Problem>;
  const wait = Number(request.getResponseHeader("retry-after"));
  failed(key, work, { status: request.status, title, detail, problems }, wait > 0 ? wait : undefined);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return {};
  }
}

/** No answer, too many requests or a store that is away: it is tried again by itself, some times. */
function failed(key: string, work: Work, problem: Problem, wait: number | undefined): void {
  const passes = problem.status === 0 || problem.status === 429 || problem.status === 503;
  if (passes && work.tries < TRIES) {
    change(key, { state: "waiting", againIn: Math.min(60, wait ?? 2 ** work.tries), problem });
    countDown(key, work);
  } else {
    // What the server refused may be mended: the next try is another upload.
    if (!passes) works.delete(key);
    change(key, { state: "failed", problem });
  }
  next();
}

function countDown(key: string, work: Work): void {
  work.timer = setTimeout(() => {
    const one = uploads.value.find((upload) => upload.key === key);
    if (!one || one.state !== "waiting") return;
    change(key, { againIn: one.againIn - 1 });
    if (one.againIn > 1) countDown(key, work);
    else next();
  }, 1_000);
}

/** Stops sending, or waiting to. */
export function stop(key: string): void {
  const work = works.get(key);
  clearTimeout(work?.timer);
  works.delete(key);
  change(key, { state: "stopped", againIn: 0, problem: undefined });
  work?.request?.abort();
  next();
}

export function again(key: string): void {
  const work = works.get(key);
  if (work) work.tries = 0;
  change(key, { state: "waiting", sent: 0, againIn: 0, problem: undefined });
  next();
}

export function remove(key: string): void {
  uploads.value = uploads.value.filter((one) => one.key !== key);
}

export function isFinished(one: Upload): boolean {
  return one.state === "stopped" || (one.state === "taken" && one.call !== undefined && !isOpen(one.call));
}

export function clearFinished(): void {
  uploads.value = uploads.value.filter((one) => one.call?.status === "failed" || !isFinished(one));
}

/** Notes what the server says of calls, from wherever it was asked. */
export function learn(calls: readonly Call[]): void {
  if (uploads.value.length === 0) return;
  const known = new Map(calls.map((call) => [call.id, call]));
  uploads.value = uploads.value.map((one) => {
    const call = one.callId === undefined ? undefined : known.get(one.callId);
    return call ? { ...one, call } : one;
  });
}

const unsettled = () =>
  uploads.value.filter((one) => one.state === "taken" && (one.call === undefined || isOpen(one.call)));

let following: ReturnType<typeof setTimeout> | undefined;

/** Asks how far the calls are, as long as one of them is not done. */
function follow(): void {
  if (following !== undefined) return;
  following = setTimeout(() => {
    following = undefined;
    void look()
      // The stream of events tells that the server is away.
      .catch(() => undefined)
      .finally(() => unsettled().length > 0 && me.value && follow());
  }, POLL_MS);
}

async function look(): Promise<void> {
  const wanted = unsettled();
  if (wanted.length === 0) return;
  // The newest calls are those that were just sent; the others are asked for one by one.
  const limit = Math.min(200, wanted.length + 20);
  const calls = (await ask(api.GET("/v1/calls", { params: { query: { limit } } }))).items as Call[];
  const rest = wanted.filter((one) => !calls.some((call) => call.id === one.callId));
  for (const { key, callId } of rest.slice(0, 10)) {
    if (callId === undefined) continue;
    try {
      calls.push(await ask(api.GET("/v1/calls/{id}", { params: { path: { id: callId } } })));
    } catch (error) {
      // It was erased.
      if (asProblem(error).status === 404) remove(key);
    }
  }
  watch(calls);
  learn(calls);
}

onEvent((event) => {
  const id = event.data.call_id;
  if (unsettled().some((one) => one.callId === id)) void look().catch(() => undefined);
});

// Who signs out takes nothing along.
me.subscribe((who) => {
  if (who) return;
  for (const one of uploads.value) works.get(one.key)?.request?.abort();
  works.clear();
  uploads.value = [];
  about.value = NOTHING_SAID;
});

addEventListener("beforeunload", (event) => {
  if (sending.value) event.preventDefault();
});
