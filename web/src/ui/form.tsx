// Forms: one request at a time, with its problem where people look.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/problem.ts";
import { texts } from "../lib/i18n.ts";
import { Dialog, ProblemBox } from "./basics.tsx";

const text = texts({ en: { cancel: "Cancel" }, ru: { cancel: "Отмена" } });

export interface FormState {
  busy: boolean;
  problem: Problem | undefined;
  run: (job: () => Promise<unknown>) => void;
}

/** Runs what a form asks of the server, and keeps what went wrong until the next try. */
export function useForm(): FormState {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const run = (job: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(undefined);
    job()
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => setBusy(false));
  };
  return { busy, problem, run };
}

/** A form in a window, with the button that sends it and the way out. */
export function FormDialog(props: {
  title: string;
  label: string;
  onClose: () => void;
  send: (form: HTMLFormElement) => Promise<unknown>;
  children: ComponentChildren;
}) {
  const { busy, problem, run } = useForm();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    run(() => props.send(form));
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form class="stack" onSubmit={submit}>
        {props.children}
        {problem && <ProblemBox problem={problem} />}
        <div class="row">
          <button class="primary" disabled={busy}>
            {props.label}
          </button>
          <button type="button" onClick={props.onClose}>
            {text().cancel}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
