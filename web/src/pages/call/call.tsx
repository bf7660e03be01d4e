// A call: what became of it, and its parts. What the parts show is in the files beside this one.
import { useLocation, useRoute } from "preact-iso";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { about } from "../../api/events.ts";
import { clock, day } from "../../lib/format.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { of, remedy } from "../../lib/words.ts";
import { Loaded, PageHead } from "../../ui/basics.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { ChangesPanel } from "../changes/changes.tsx";
import { DealDialog } from "../calls/deal-dialog.tsx";
import { EraseDialog } from "../calls/erase-dialog.tsx";
import { ActionsPanel } from "../follow-up/actions.tsx";
import { FollowUpPanel } from "../follow-up/panel.tsx";
import { CorrectionsProvider, keep, takeBack, type Correction, type Kept } from "./corrections.tsx";
import type { Analysis } from "./document.ts";
import { Menu } from "./menu.tsx";
import { Player } from "./player.tsx";
import { Reading, ReadingProvider } from "./reading.ts";
import { ScorecardPart } from "./scorecard.tsx";
import { Sound } from "./sound.ts";
import { text } from "./text.ts";
import { Transcript } from "./transcript.tsx";
import { Verdict } from "./verdict.tsx";
import "./call.css";

type Call = Schemas["Call"];

const TONES: Record<Call["status"], string> = {
  queued: "tag",
  running: "tag accent",
  done: "tag good",
  failed: "tag poor",
  cancelled: "tag watch",
  live: "tag accent",
};

const POLL_MS = 1500;

/** The server says how far it is; the rest goes as fast as what is done. */
function remaining(call: Call, now: number): number | null {
  if (!call.started_at || call.progress < 0.05) return null;
  const spent = (now - Date.parse(call.started_at)) / 1000;
  return Math.max(1, (spent * (1 - call.progress)) / call.progress);
}

function Progress({ call, reload }: { call: Call; reload: () => void }) {
  const [busy, setBusy] = useState(false);
  const left = call.status === "running" ? remaining(call, Date.now()) : null;
  const stop = () => {
    setBusy(true);
    ask(api.POST("/v1/calls/{id}/cancel", { params: { path: { id: call.id } } }))
      .then(reload, tellProblem)
      .finally(() => setBusy(false));
  };
  return (
    <section class="card stack call-progress" aria-label={of(text().state, call.status)}>
      <p role="status">{call.status === "queued" ? text().waiting : of(text().step, call.step)}</p>
      <progress
        max={1}
        value={call.status === "queued" ? 0 : call.progress}
        aria-label={of(text().state, call.status)}
      />
      <div class="row between">
        <span class="muted">{left === null ? "" : text().left(clock(left))}</span>
        <button class="small" disabled={busy} onClick={stop}>
          {text().stop}
        </button>
      </div>
    </section>
  );
}

/** Why there is nothing to read, and what to do. */
function Stopped({ call, rerun }: { call: Call; rerun: () => Promise<void> }) {
  const [busy, setBusy] = useState(false);
  const again = () => {
    setBusy(true);
    void rerun().finally(() => setBusy(false));
  };
  const failed = call.status === "failed";
  const code = call.error?.code ?? "";
  // The same file fails in the same way again.
  const hopeless = code === "bad_input" || code === "denied";
  return (
    <section class="problem stack" role="alert">
      {failed ? <h2>{text().failed}</h2> : <p>{text().cancelled}</p>}
      {call.error && <p>{call.error.message}</p>}
      {failed && <p>{remedy(code)}</p>}
      <div class="row">
        {hopeless && (
          <a class="button primary" href="/">
            {text().another}
          </a>
        )}
        <button class={hopeless ? "" : "primary"} disabled={busy} onClick={again}>
          {text().rerun}
        </button>
      </div>
    </section>
  );
}

function Parts({ id, part }: { id: string; part: string }) {
  const link = (name: string, label: string) => (
    <a href={name ? `/calls/${id}/${name}` : `/calls/${id}`} aria-current={part === name ? "page" : undefined}>
      {label}
    </a>
  );
  return (
    <nav class="call-parts" aria-label={text().parts}>
      {link("", text().report)}
      {link("follow-up", text().followUp)}
      {link("changes", text().changes)}
      {link("scorecard", text().scorecard)}
    </nav>
  );
}

/** The verdict or the scorecard beside the transcript; the sound goes on between them. */
function Desk({ call, analysis, part, turn }: { call: Call; analysis: Analysis; part: string; turn: number | null }) {
  const recorded = call.media === "recording" && !call.gone?.recording;
  const sound = useMemo(
    () => (recorded ? new Sound(`/v1/calls/${call.id}/audio`, analysis.call.duration_s ?? 0) : null),
    [recorded, call.id, analysis.call.duration_s],
  );
  useEffect(() => () => sound?.close(), [sound]);
  const before = useRef<Reading | undefined>(undefined);
  const reading = useMemo(() => (before.current = new Reading(analysis, sound, before.current)), [analysis, sound]);
  useEffect(() => {
    if (turn !== null) reading.go(turn, null, { play: false });
  }, [turn]);
  return (
    <ReadingProvider value={reading}>
      {analysis.call.not_sales && <p class="call-note">{text().notSales}</p>}
      {analysis.call.other_language && <p class="call-note">{text().otherLanguage(analysis.call.other_language)}</p>}
      {call.gone?.recording && <p class="call-note">{text().soundGone}</p>}
      <div class="call-desk">
        <Player callId={call.id} analysis={analysis} />
        {part === "scorecard" ? (
          <ScorecardPart analysis={analysis} />
        ) : (
          <Verdict analysis={analysis} callId={call.id} />
        )}
        <Transcript />
      </div>
    </ReadingProvider>
  );
}

function Facts({ call, analysis }: { call: Call; analysis: Analysis | undefined }) {
  const date = analysis?.call.call_date ?? call.call_date;
  const length = analysis?.call.duration_s ?? call.duration_s;
  const spoken = analysis?.call.language ?? call.language;
  return (
    <p class="call-facts-line muted">
      {call.deal_id ? <a href={`/deals/${call.deal_id}`}>{text().toDeal}</a> : <span>{text().inbox}</span>}
      <span>{call.source}</span>
      {date && (
        <span>
          {day(date, { weekday: true })}
          {analysis?.call.call_date_assumed && ` (${text().assumed})`}
        </span>
      )}
      {length != null && <span>{clock(length)}</span>}
      {analysis && <span>{text().turns(analysis.turns.length)}</span>}
      {spoken && <span>{of(text().language, spoken)}</span>}
      <span class={TONES[call.status]}>{of(text().state, call.status)}</span>
    </p>
  );
}

function CallOf({ id, part, turn }: { id: string; part: string; turn: number | null }) {
  const path = { params: { path: { id } } };
  const { route } = useLocation();
  const [dialog, setDialog] = useState<"move" | "erase">();
  const call = useResource(
    (signal) => ask(api.GET("/v1/calls/{id}", { ...path, signal })),
    [id],
    (event) => about(event, "call_id", id),
  );
  const status = call.data?.status;
  const working = status === "queued" || status === "running" || status === "live";
  usePoll(working, POLL_MS, call.reload);
  const finished = status === "done" ? (call.data?.updated_at ?? "") : null;
  const arrived = useResource(
    async (signal) =>
      finished === null
        ? undefined
        : ((await ask(api.GET("/v1/calls/{id}/analysis", { ...path, signal }))) as Analysis),
    [id, finished],
  );
  // The last analysis stays while a new one is made.
  const last = useRef<Analysis | undefined>(undefined);
  if (arrived.data) last.current = arrived.data;
  const analysis = last.current;
  const kept = useResource((signal) => ask(api.GET("/v1/calls/{id}/corrections", { ...path, signal })), [id, finished]);
  const dealId = call.data?.deal_id;
  const deal = useResource(
    async (signal) => {
      if (!dealId || call.data?.deal_name) return call.data?.deal_name ?? null;
      return (await ask(api.GET("/v1/deals/{id}", { params: { path: { id: dealId } }, signal }))).name;
    },
    [dealId, call.data?.deal_name],
  );
  const rerun = () =>
    ask(api.POST("/v1/calls/{id}/rerun", path)).then(() => {
      tell(text().rerunning);
      call.reload();
    }, tellProblem);
  const recomputed = () => {
    kept.reload();
    call.reload();
  };
  const save = (corrections: readonly Correction[]) => keep(id, corrections).finally(recomputed);
  const undo = (one: Kept) => takeBack(id, one.id).finally(recomputed);
  const corrections = { kept: kept.data ?? [], may: analysis !== undefined && status !== "live", save, undo };
  return (
    <Loaded of={call}>
      {(call_) => (
        <CorrectionsProvider value={corrections}>
          <PageHead title={deal.data ?? call_.source}>
            {analysis && (
              <a class="button small" href={`/v1/calls/${id}/analysis`} download={`${id}.json`}>
                {text().export}
              </a>
            )}
            <Menu label={text().more} face={`${text().more} ▾`} class="small">
              {(close) => {
                const then = (run: () => void) => () => {
                  close();
                  run();
                };
                return (
                  <>
                    {!working && <button onClick={then(() => void rerun())}>{text().rerun}</button>}
                    {!working && <button onClick={then(() => setDialog("move"))}>{text().move}</button>}
                    {analysis && <button onClick={then(() => print())}>{text().print}</button>}
                    <button class="danger" onClick={then(() => setDialog("erase"))}>
                      {text().erase}
                    </button>
                  </>
                );
              }}
            </Menu>
          </PageHead>
          <Facts call={call_} analysis={analysis} />
          {call_.gone?.analysis && <p class="call-note">{of(text().gone, call_.gone.analysis)}</p>}
          {status === "live" && (
            <p class="call-note">
              {text().liveNow} <a href={`/live/${id}`}>{text().watch}</a>
            </p>
          )}
          {(status === "queued" || status === "running") && <Progress call={call_} reload={call.reload} />}
          {(status === "failed" || status === "cancelled") && <Stopped call={call_} rerun={rerun} />}
          {analysis && working && <p class="call-note">{text().recompute}</p>}
          {analysis ? (
            <>
              <Parts id={id} part={part} />
              {part === "follow-up" ? (
                <div class="stack">
                  <FollowUpPanel callId={id} analysis={analysis} />
                  <ActionsPanel callId={id} analysis={analysis} />
                </div>
              ) : part === "changes" ? (
                <ChangesPanel callId={id} />
              ) : (
                <Desk call={call_} analysis={analysis} part={part} turn={turn} />
              )}
            </>
          ) : (
            status === "done" && !call_.gone?.analysis && <Loaded of={arrived}>{() => null}</Loaded>
          )}
          {dialog === "move" && (
            <DealDialog calls={[call_]} onClose={() => setDialog(undefined)} onDone={call.reload} />
          )}
          {dialog === "erase" && (
            <EraseDialog call={call_} onClose={() => setDialog(undefined)} onDone={() => route("/")} />
          )}
        </CorrectionsProvider>
      )}
    </Loaded>
  );
}

export function CallPage() {
  const { params, query } = useRoute() as { params: Record<string, string | undefined>; query: Record<string, string> };
  const id = params.id ?? "";
  const turn = Number(query.turn);
  return <CallOf key={id} id={id} part={params.part ?? ""} turn={Number.isInteger(turn) && turn > 0 ? turn : null} />;
}
