// What was added, a row a file: from the first byte to the analysis.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { ProblemError } from "../../api/problem.ts";
import { bytes, share } from "../../lib/format.ts";
import { whyFailed } from "../../lib/words.ts";
import { Meter } from "../../ui/basics.tsx";
import { explain, tellProblem } from "../../ui/toast.tsx";
import { DealDialog } from "./deal-dialog.tsx";
import { isOpen, remaining } from "./pace.ts";
import { CallProgress, Remaining } from "./progress.tsx";
import { text } from "./text.ts";
import { again, clearFinished, isFinished, learn, remove, stop, uploads, type Upload } from "./uploads.ts";

function How(props: { of: Upload }) {
  const { of } = props;
  switch (of.state) {
    case "waiting":
      return <span class="muted">{of.againIn > 0 ? text().again(of.againIn) : text().waiting}</span>;
    case "sending": {
      const size = Math.max(1, of.file.size);
      const seconds = remaining({ at: of.began, progress: 0 }, { at: Date.now(), progress: of.sent / size });
      return (
        <div class="calls-progress">
          <Meter value={of.sent / size} label={`${text().sending}, ${share(of.sent / size)}`} />
          <span>
            {text().sending} {share(of.sent / size)} <Remaining seconds={seconds} />
          </span>
        </div>
      );
    }
    case "failed":
      return <span class="calls-wrong">{of.problem && explain(new ProblemError(of.problem))}</span>;
    case "stopped":
      return <span class="muted">{text().stopped}</span>;
    case "taken":
      if (!of.call) return <span class="muted">{text().steps.queued}</span>;
      if (isOpen(of.call)) return <CallProgress call={of.call} />;
      if (of.call.error) return <span class="calls-wrong">{whyFailed(of.call.error)}</span>;
      return <span class={of.call.status === "done" ? "tag good" : "tag"}>{text().statuses[of.call.status]}</span>;
  }
}

function Buttons(props: { of: Upload }) {
  const { of } = props;
  const { name } = of.file;
  const [busy, setBusy] = useState(false);
  const tellServer = (doing: Promise<unknown>) => {
    setBusy(true);
    doing
      .then((call) => learn([call as Schemas["Call"]]))
      .catch(tellProblem)
      .finally(() => setBusy(false));
  };
  const path = { params: { path: { id: of.callId ?? "" } } };
  const button = (label: string, go: () => void) => (
    <button class="small" aria-label={`${label}: ${name}`} disabled={busy} onClick={go}>
      {label}
    </button>
  );
  const off = button(text().remove, () => remove(of.key));
  if (of.state === "waiting" || of.state === "sending") {
    return button(text().cancel, () => stop(of.key));
  }
  if (of.state === "failed" || of.state === "stopped") {
    return (
      <>
        {button(text().retry, () => again(of.key))}
        {off}
      </>
    );
  }
  if (!of.call || isOpen(of.call)) {
    return button(text().cancel, () => tellServer(ask(api.POST("/v1/calls/{id}/cancel", path))));
  }
  if (of.call.status === "done") {
    return (
      <a class="button small" href={`/calls/${of.call.id}`} aria-label={`${text().open}: ${name}`}>
        {text().open}
      </a>
    );
  }
  // The same bytes that could not be read will not be readable the next time.
  const hopeless = of.call.error?.code === "bad_input" || of.call.consent === "denied";
  return (
    <>
      {!hopeless && button(text().retry, () => tellServer(ask(api.POST("/v1/calls/{id}/rerun", path))))}
      {off}
    </>
  );
}

export function UploadRows(props: { onMoved: () => void }) {
  const [moving, setMoving] = useState(false);
  const rows = uploads.value;
  if (rows.length === 0) return null;
  const calls = rows.flatMap((one) =>
    one.call && one.call.status !== "failed" && one.call.consent !== "denied" ? [one.call] : [],
  );
  const done = rows.filter((one) => one.call?.status === "done").length;
  return (
    <section class="card calls-uploads" aria-labelledby="calls-uploads">
      <div class="row between">
        <h2 id="calls-uploads">
          {text().uploads}{" "}
          <span class="muted calls-small" role="status">
            {text().summary(done, rows.length)}
          </span>
        </h2>
        <div class="row">
          {calls.length > 1 && (
            <button class="small" onClick={() => setMoving(true)}>
              {text().dealForAll}
            </button>
          )}
          {rows.some(isFinished) && (
            <button class="small" onClick={clearFinished}>
              {text().clearDone}
            </button>
          )}
        </div>
      </div>
      <ul>
        {rows.map((one) => (
          <li key={one.key}>
            <div class="calls-file">
              <span class="calls-name">{one.file.name}</span> <span class="muted">{bytes(one.file.size)}</span>
            </div>
            <div class="calls-how">
              <How of={one} />
              {one.ignored.length > 0 && <span class="muted">{text().ignored(one.ignored.join(", "))}</span>}
            </div>
            <div class="row">
              <Buttons of={one} />
            </div>
          </li>
        ))}
      </ul>
      {moving && <DealDialog calls={calls} onClose={() => setMoving(false)} onDone={props.onMoved} />}
    </section>
  );
}
