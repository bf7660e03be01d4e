// Short messages at the edge, read aloud by screen readers. What must be acted on belongs on the page, not here.
import { signal } from "@preact/signals";
import { asProblem } from "../api/problem.ts";
import { texts } from "../lib/i18n.ts";

interface Toast {
  id: number;
  text: string;
  poor: boolean;
  action: { label: string; run: () => void } | undefined;
}

const toasts = signal<Toast[]>([]);
let last = 0;

const text = texts({
  en: {
    dismiss: "Dismiss",
    unreachable: "The server does not answer. Nothing was lost; try again.",
    kinds: {} as Record<number, string>,
  },
  ru: {
    dismiss: "Закрыть",
    unreachable: "Сервер не отвечает. Ничего не потеряно, попробуйте ещё раз.",
    // The server says the rest in English.
    kinds: {
      403: "На это нет прав",
      404: "Этого больше нет",
      409: "Сейчас так нельзя",
      413: "Файл слишком большой",
      422: "Так не получится",
      429: "Слишком много попыток, подождите",
      500: "Ошибка на сервере",
    } as Record<number, string>,
  },
});

function add(said: string, poor: boolean, action?: Toast["action"]): void {
  const id = ++last;
  toasts.value = [...toasts.value, { id, text: said, poor, action }];
  setTimeout(() => drop(id), poor || action ? 12_000 : 5_000);
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function tell(said: string, action?: { label: string; run: () => void }): void {
  add(said, false, action);
}

/** Words for people about an error. */
export function explain(error: unknown): string {
  const problem = asProblem(error);
  if (problem.status === 0) return text().unreachable;
  const kind = text().kinds[problem.status];
  return [...(kind ? [`${kind}:`] : []), problem.detail || problem.title, ...problem.problems].join(" ");
}

export function tellProblem(error: unknown): void {
  add(explain(error), true);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.poor ? "toast poor" : "toast"}>
          <span>{toast.text}</span>
          <span class="row">
            {toast.action && (
              <button
                class="small"
                onClick={() => {
                  toast.action?.run();
                  drop(toast.id);
                }}
              >
                {toast.action.label}
              </button>
            )}
            <button class="plain small" aria-label={text().dismiss} onClick={() => drop(toast.id)}>
              ✕
            </button>
          </span>
        </div>
      ))}
    </div>
  );
}
