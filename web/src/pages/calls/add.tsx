// How calls come in: dropped anywhere on the page, picked, pasted; and what goes with them.
import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Dialog, Field } from "../../ui/basics.tsx";
import { tellProblem } from "../../ui/toast.tsx";
import { dealNames, loadDeals } from "./deals.ts";
import { filesIn, hasFiles } from "./dropped.ts";
import { text } from "./text.ts";
import { about, add, NOTHING_SAID, type About } from "./uploads.ts";

/** Text that was pasted beside any field is a transcript when it is longer. */
const SHORTEST_TRANSCRIPT = 200;

function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, dialog") !== null;
}

/** Takes what is dropped or pasted anywhere, as long as the page is there. */
export function DropAnywhere(props: { onText: (text: string) => void }) {
  const over = useSignal(false);
  const onText = useRef(props.onText);
  onText.current = props.onText;
  useEffect(() => {
    const take = (data: DataTransfer) => {
      filesIn(data).then(add, tellProblem);
    };
    const drag = (event: DragEvent) => {
      if (!hasFiles(event.dataTransfer)) return;
      event.preventDefault();
      over.value = true;
    };
    const leave = (event: DragEvent) => {
      // Null: it left the window, not only an element.
      if (event.relatedTarget === null) over.value = false;
    };
    const drop = (event: DragEvent) => {
      over.value = false;
      if (!hasFiles(event.dataTransfer) || !event.dataTransfer) return;
      event.preventDefault();
      take(event.dataTransfer);
    };
    const paste = (event: ClipboardEvent) => {
      if (isField(event.target) || !event.clipboardData) return;
      if (hasFiles(event.clipboardData)) {
        take(event.clipboardData);
        return;
      }
      const said = event.clipboardData.getData("text/plain");
      if (said.length >= SHORTEST_TRANSCRIPT) onText.current(said);
    };
    addEventListener("dragenter", drag);
    addEventListener("dragover", drag);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("dragenter", drag);
      removeEventListener("dragover", drag);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
      removeEventListener("paste", paste);
    };
  }, []);
  return over.value ? (
    <div class="calls-drop" aria-hidden="true">
      {text().drop}
    </div>
  ) : null;
}

export function AddButtons(props: { onPaste: () => void }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <button onClick={props.onPaste}>{text().paste}</button>
      <button class="primary" onClick={() => picker.current?.click()}>
        {text().add}
      </button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label={text().add}
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

export function PasteDialog(props: { text: string; onClose: () => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement);
    const name = String(said.get("name") ?? "").trim() || text().pasteDefault;
    add([new File([String(said.get("text"))], `${name.replaceAll("/", "-")}.txt`, { type: "text/plain" })]);
    props.onClose();
  };
  return (
    <Dialog title={text().pasteTitle} onClose={props.onClose}>
      <form class="stack" onSubmit={submit}>
        <Field label={text().pasteName}>
          {(id) => <input id={id} name="name" placeholder={text().pasteDefault} maxLength={120} autocomplete="off" />}
        </Field>
        <Field label={text().pasteText} hint={text().pasteHint}>
          {(id) => <textarea id={id} name="text" rows={12} required defaultValue={props.text} autofocus />}
        </Field>
        <AboutForm />
        <div class="row">
          <button class="primary">{text().pasteSend}</button>
        </div>
      </form>
    </Dialog>
  );
}

function saidAlready(said: About): string {
  const rep: Record<string, string> = { left: text().left, right: text().right };
  const spoken: Record<string, string> = { en: text().english, ru: text().russian };
  const consent: Record<string, string> = { granted: text().granted, denied: text().denied };
  const parts = [said.deal, said.date, spoken[said.language] ?? "", rep[said.rep] ?? said.rep];
  if (said.consent) parts.push(`${text().consent} ${consent[said.consent] ?? ""}`);
  return parts.filter(Boolean).join(" · ");
}

/** Nobody has to fill it: without it everything is found out or asked later. */
export function AboutForm() {
  const said = about.value;
  const [named, setNamed] = useState(said.rep !== "" && said.rep !== "left" && said.rep !== "right");
  const set = (to: Partial<About>) => (about.value = { ...about.value, ...to });
  const summary = saidAlready(said);
  return (
    <details class="calls-about" onToggle={(event) => event.currentTarget.open && loadDeals("")}>
      <summary>
        {text().about}
        {summary && <span class="tag accent">{summary}</span>}
      </summary>
      <p class="muted">{text().aboutHint}</p>
      <div class="calls-about-fields">
        <Field label={text().deal} hint={text().dealHint}>
          {(id) => (
            <>
              <input
                id={id}
                list={`${id}-deals`}
                value={said.deal}
                maxLength={200}
                autocomplete="off"
                onInput={(event) => {
                  set({ deal: event.currentTarget.value });
                  loadDeals(event.currentTarget.value);
                }}
              />
              <datalist id={`${id}-deals`}>
                {dealNames.value.map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label={text().date} hint={text().dateHint}>
          {(id) => (
            <input
              id={id}
              type="date"
              value={said.date}
              onInput={(event) => set({ date: event.currentTarget.value })}
            />
          )}
        </Field>
        <Field label={text().spoken}>
          {(id) => (
            <select id={id} value={said.language} onChange={(event) => set({ language: event.currentTarget.value })}>
              <option value="">{text().detect}</option>
              <option value="en">{text().english}</option>
              <option value="ru">{text().russian}</option>
            </select>
          )}
        </Field>
        <Field label={text().rep}>
          {(id) => (
            <select
              id={id}
              value={named ? "name" : said.rep}
              onChange={(event) => {
                const chosen = event.currentTarget.value;
                setNamed(chosen === "name");
                set({ rep: chosen === "name" ? "" : chosen });
              }}
            >
              <option value="">{text().repFind}</option>
              <option value="left">{text().left}</option>
              <option value="right">{text().right}</option>
              <option value="name">{text().repName}</option>
            </select>
          )}
        </Field>
        {named && (
          <Field label={text().speaker}>
            {(id) => (
              <input
                id={id}
                value={said.rep}
                autocomplete="off"
                onInput={(event) => set({ rep: event.currentTarget.value })}
              />
            )}
          </Field>
        )}
        <Field label={text().consent} {...(said.consent === "denied" ? { hint: text().deniedHint } : {})}>
          {(id) => (
            <select id={id} value={said.consent} onChange={(event) => set({ consent: event.currentTarget.value })}>
              <option value="">{text().consentUnknown}</option>
              <option value="granted">{text().granted}</option>
              <option value="denied">{text().denied}</option>
            </select>
          )}
        </Field>
      </div>
      {summary && (
        <button
          type="button"
          class="small"
          onClick={() => {
            about.value = NOTHING_SAID;
            setNamed(false);
          }}
        >
          {text().clear}
        </button>
      )}
    </details>
  );
}
