// A live call: begun here, gone on with, or watched.
import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { api, ask } from "../../api/client.ts";
import { useResource } from "../../lib/resource.ts";
import { Loaded, PageHead } from "../../ui/basics.tsx";
import { begin, current, kept, show } from "./current.ts";
import { Running } from "./running.tsx";
import { formatOf, GoingOn, SetUp, soundProblem } from "./set-up.tsx";
import { Sound, SoundError } from "./sound.ts";
import { text } from "./text.ts";
import "./live.css";

export function LivePage(props: { id?: string }) {
  const { route } = useLocation();
  useEffect(() => show((path) => route(path, path.startsWith("/calls/"))), []);
  const now = current.value;
  if (now && (!props.id || props.id === now.line.callId.value || !now.line.watches)) {
    return <Running line={now.line} sound={now.sound} />;
  }
  return (
    <>
      <PageHead title={text().title} />
      <div class="live-doors">
        {props.id ? <Join key={props.id} id={props.id} /> : <Fresh />}
        <GoingOn />
      </div>
    </>
  );
}

function Fresh() {
  const before = kept();
  return (
    <div class="stack">
      {before && <GoOn id={before.id} />}
      <SetUp />
    </div>
  );
}

/** A call by its address: ours of before, or one to watch. */
function Join(props: { id: string }) {
  const mine = kept()?.id === props.id;
  useEffect(() => {
    if (!mine) begin({ kind: "watch", id: props.id }, null);
  }, []);
  return mine ? <GoOn id={props.id} asked /> : null;
}

/** Offers to go on with a call that this tab had begun, if it still goes on. */
function GoOn(props: { id: string; asked?: boolean }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const { route } = useLocation();
  const call = useResource(
    (signal) => ask(api.GET("/v1/calls/{id}", { params: { path: { id: props.id } }, signal })),
    [props.id],
  );
  const over = call.data !== undefined && call.data.status !== "live";
  useEffect(() => {
    if (over && props.asked) route(`/calls/${props.id}`, true);
  }, [over]);
  const goOn = async () => {
    const { audio } = kept() ?? {};
    setBusy(true);
    setProblem("");
    try {
      const sound = audio
        ? await Sound.open(audio.channels === 2 ? "both" : "microphone", "", audio.sample_rate)
        : null;
      if (sound && audio && formatOf(sound).sample_rate !== audio.sample_rate) {
        sound.close();
        throw new SoundError("other", undefined);
      }
      begin({ kind: "resume", id: props.id, ...(audio ? { audio } : {}) }, sound);
    } catch (error) {
      setProblem(soundProblem(error));
    } finally {
      setBusy(false);
    }
  };
  if (!props.asked && (over || !call.data)) return null;
  return (
    <section class="card stack">
      <h2>{text().resumeHead}</h2>
      <Loaded of={call}>{(found) => <p class="muted">{found.deal_name ?? found.source}</p>}</Loaded>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="row">
        <button class="primary" disabled={busy} onClick={() => void goOn()}>
          {text().resume}
        </button>
        <button disabled={busy} onClick={() => begin({ kind: "watch", id: props.id }, null)}>
          {text().watchOnly}
        </button>
      </div>
    </section>
  );
}
