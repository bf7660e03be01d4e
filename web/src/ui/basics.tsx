// Small pieces that every page uses.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Problem } from "../api/problem.ts";
import { texts } from "../lib/i18n.ts";
import { explain } from "./toast.tsx";
import { ProblemError } from "../api/problem.ts";

const text = texts({
  en: { loading: "Loading…", again: "Try again", close: "Close" },
  ru: { loading: "Загружается…", again: "Повторить", close: "Закрыть" },
});

export function PageHead(props: { title: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${props.title} · dealstage`;
  }, [props.title]);
  return (
    <header class="page-head">
      <h1>{props.title}</h1>
      {props.children && <div class="row">{props.children}</div>}
    </header>
  );
}

/** What went wrong, what to do, and a button to try again where that may help. */
export function ProblemBox(props: { problem: Problem; again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>{explain(new ProblemError({ ...props.problem, problems: [] }))}</p>
      {props.problem.problems.length > 0 && (
        <ul>
          {props.problem.problems.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      {props.again && (
        <button class="small" onClick={props.again}>
          {text().again}
        </button>
      )}
    </div>
  );
}

/** Shows what a resource holds; while there is nothing yet, that it loads, or why it cannot. */
export function Loaded<T>(props: {
  of: { data: T | undefined; problem: Problem | undefined; reload: () => void };
  children: (data: T) => ComponentChildren;
}) {
  const { data, problem, reload } = props.of;
  if (data !== undefined) return <>{props.children(data)}</>;
  if (problem) return <ProblemBox problem={problem} again={reload} />;
  return (
    <p class="muted" role="status">
      {text().loading}
    </p>
  );
}

export function Empty(props: { children: ComponentChildren }) {
  return <div class="empty">{props.children}</div>;
}

/** A label, its control and what may be wrong with it. `children` gets the id that ties them. */
export function Field(props: { label: string; hint?: string; children: (id: string) => JSX.Element }) {
  const id = useId();
  return (
    <div>
      <label for={id}>{props.label}</label>
      {props.children(id)}
      {props.hint && <p class="muted">{props.hint}</p>}
    </div>
  );
}

/** A modal window; Escape and the cross close it. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    box.current?.showModal();
  }, []);
  return (
    <dialog ref={box} aria-labelledby={id} onClose={props.onClose}>
      <div class="row between">
        <h2 id={id}>{props.title}</h2>
        <button class="plain small" aria-label={text().close} onClick={() => box.current?.close()}>
          ✕
        </button>
      </div>
      <div class="stack">{props.children}</div>
    </dialog>
  );
}

/** A share of 1 as a bar, with its words for those who do not see it. */
export function Meter(props: { value: number; label: string; tone?: "good" | "watch" | "poor" | "accent" }) {
  return (
    <meter
      class={`meter ${props.tone ?? "accent"}`}
      min={0}
      max={1}
      value={props.value}
      aria-label={props.label}
      title={props.label}
    />
  );
}
