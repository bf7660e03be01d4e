// The process file as text: checked while it is typed, put in use, taken back.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api, ask } from "../../api/client.ts";
import { asProblem, type Problem } from "../../api/problem.ts";
import { Dialog, ProblemBox } from "../../ui/basics.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { loadProcess, inForce } from "../../lib/process.ts";
import { text } from "./text.ts";

/** After so long without a key the text is checked. */
const PAUSE_MS = 700;

interface Mistake {
  line: number;
  column: number;
  message: string;
}

const TOML = { "content-type": "application/toml" };
const asText = { bodySerializer: (body: string | undefined) => body ?? "", headers: TOML } as const;

/** The file in force: the workspace's own, or the server's to start from. */
const fileInForce = (): Promise<string> =>
  ask(api.GET("/v1/process", { parseAs: "text", headers: { accept: "application/toml" } }));

/** Place of a line and column, both counted from 1, in a text. */
export function placeOf(said: string, line: number, column: number): number {
  const before = said.split("\n", line - 1);
  const start = before.reduce((sum, one) => sum + one.length + 1, 0);
  // Columns are characters; places in a text of a browser are halves of some of them.
  const rest = [...(said.slice(start).split("\n", 1)[0] ?? "")];
  return start + rest.slice(0, column - 1).join("").length;
}

export function Editor(props: { onClose: () => void }) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const [kept, setKept] = useState<string>();
  const [said, setSaid] = useState("");
  const [mistakes, setMistakes] = useState<Mistake[] | null>(null);
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const [resetting, setResetting] = useState(false);
  const changed = kept !== undefined && said !== kept;
  const own = inForce.value?.own === true;

  const load = async () => {
    const file = await fileInForce();
    setKept(file);
    setSaid(file);
  };
  useEffect(() => {
    load().catch((error: unknown) => setProblem(asProblem(error)));
  }, []);

  useEffect(() => {
    if (!changed) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [changed]);

  const check = async (of: string) => {
    const found = await ask(api.POST("/v1/process/check", { body: of, ...asText }));
    return found.problems;
  };
  useEffect(() => {
    setMistakes(null);
    if (!said.trim()) return;
    let over = false;
    const timer = setTimeout(() => {
      check(said).then(
        (found) => over || setMistakes(found),
        (error: unknown) => over || setProblem(asProblem(error)),
      );
    }, PAUSE_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [said]);

  const guarded = async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const upload = () =>
    guarded(async () => {
      await ask(api.PUT("/v1/process", { body: said, ...asText }));
      setKept(said);
      await loadProcess();
      tell(text().uploaded);
    });
  const reset = () =>
    guarded(async () => {
      await ask(api.DELETE("/v1/process"));
      setResetting(false);
      await Promise.all([load(), loadProcess()]);
      tell(text().resetDone);
    });
  const download = () => {
    const address = URL.createObjectURL(new Blob([said], { type: "application/toml" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `${inForce.value?.id ?? "process"}.toml`;
    link.click();
    URL.revokeObjectURL(address);
  };
  const goTo = (mistake: Mistake) => {
    const box = area.current;
    if (!box) return;
    const place = placeOf(said, mistake.line, mistake.column);
    box.focus();
    box.setSelectionRange(place, place + 1);
    // Browsers do not bring the caret into view by themselves.
    const lines = said.split("\n").length;
    box.scrollTop = Math.max(0, (box.scrollHeight * (mistake.line - 3)) / lines);
  };

  return (
    <section class="card stack process-editor process-no-print" aria-labelledby={`${id}-title`}>
      <div class="row between">
        <h2 id={`${id}-title`}>{text().editTitle}</h2>
        <button class="small" onClick={props.onClose}>
          {text().close}
        </button>
      </div>
      <p class="muted">
        {own ? "" : `${text().serversHint} `}
        {text().editHint}
      </p>
      <label for={id}>{text().file}</label>
      <textarea
        id={id}
        ref={area}
        rows={24}
        spellcheck={false}
        wrap="off"
        value={said}
        disabled={kept === undefined}
        aria-describedby={`${id}-found`}
        onInput={(event) => setSaid(event.currentTarget.value)}
      />
      <div id={`${id}-found`} role="status">
        {said.trim() && (
          <>
            {mistakes === null ? (
              <p class="muted">{text().checking}</p>
            ) : mistakes.length === 0 ? (
              <p class="tag good">{text().sound}</p>
            ) : (
              <>
                <p class="tag poor">{text().problems(mistakes.length)}</p>
                <ul class="process-mistakes">
                  {mistakes.map((mistake, n) => (
                    <li key={n}>
                      <button class="plain small" onClick={() => goTo(mistake)}>
                        {text().at(mistake.line, mistake.column)}
                      </button>{" "}
                      {mistake.message}
                    </li>
                  ))}
                </ul>
              </>
            )}
          </>
        )}
      </div>
      {problem && <ProblemBox problem={problem} />}
      {changed && <p class="muted">{text().unsaved}</p>}
      <div class="row">
        <button
          class="primary"
          disabled={busy || !changed || !said.trim() || (mistakes?.length ?? 0) > 0}
          onClick={() => void upload()}
        >
          {text().upload}
        </button>
        <label class="button" for={`${id}-open`}>
          {text().open}
        </label>
        <input
          class="sr-only"
          id={`${id}-open`}
          type="file"
          accept=".toml,text/plain,application/toml"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            file?.text().then(setSaid, tellProblem);
          }}
        />
        <button disabled={!said} onClick={download}>
          {text().download}
        </button>
        {own && (
          <button class="danger" disabled={busy} onClick={() => setResetting(true)}>
            {text().reset}
          </button>
        )}
      </div>
      {resetting && (
        <Dialog title={text().resetTitle} onClose={() => setResetting(false)}>
          <p>{text().resetWhat}</p>
          <div class="row">
            <button class="danger" disabled={busy} onClick={() => void reset()}>
              {text().reset}
            </button>
            <button disabled={busy} onClick={() => setResetting(false)}>
              {text().cancel}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
