// What several pages of the administration use: lists as tables, lists in pages, questions before what cannot be taken back, secrets
// that are shown once.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ServerEvent } from "../../api/events.ts";
import { useResource, type Resource } from "../../lib/resource.ts";
import { texts } from "../../lib/i18n.ts";
import { Dialog, Empty, Loaded } from "../../ui/basics.tsx";
import { Table } from "../../ui/table.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import "./admin.css";

const text = texts({
  en: {
    more: "Show more",
    cancel: "Cancel",
    copy: "Copy",
    copied: "Copied",
    once: "It is shown this once. Keep it where only the receiver can read it.",
    done: "I have kept it",
  },
  ru: {
    more: "Показать ещё",
    cancel: "Отмена",
    copy: "Копировать",
    copied: "Скопировано",
    once: "Больше он показан не будет. Сохраните его там, где его прочтёт только получатель.",
    done: "Сохранено",
  },
});

/** A list as a table, a row an item; while it is not there, that it loads or why it cannot; where it is empty, `none`. */
export function Listed<T>(props: {
  of: Resource<{ items: T[] }>;
  none: string;
  label: string;
  columns: readonly string[];
  row: (item: T) => ComponentChildren;
  /** It stands in a card already. */
  bare?: boolean;
}) {
  const table = (items: readonly T[]) => (
    <Table label={props.label} columns={props.columns}>
      {items.map(props.row)}
    </Table>
  );
  return (
    <Loaded of={props.of}>
      {({ items }) => {
        if (items.length === 0) return <Empty>{props.none}</Empty>;
        return props.bare ? table(items) : <div class="card">{table(items)}</div>;
      }}
    </Loaded>
  );
}

interface Paged<T> {
  items: T[];
  next_cursor?: string | null;
}

export interface Pages<T> extends Resource<Paged<T>> {
  more: () => void;
}

/** A list of which each press of a button shows another page; it is loaded anew as long as it is. */
export function usePages<T>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Paged<T>>,
  deps: readonly unknown[],
  when?: (event: ServerEvent) => boolean,
): Pages<T> {
  const shown = useRef({ key: "", pages: 1 });
  const key = JSON.stringify(deps);
  if (shown.current.key !== key) shown.current = { key, pages: 1 };
  const all = async (signal: AbortSignal): Promise<Paged<T>> => {
    let whole: Paged<T> = { items: [] };
    for (let page = 0; page < shown.current.pages; page++) {
      const next = await load(whole.next_cursor ?? undefined, signal);
      whole = { items: [...whole.items, ...next.items], next_cursor: next.next_cursor ?? null };
      if (!whole.next_cursor) break;
    }
    return whole;
  };
  const resource = useResource(all, deps, when);
  const more = () => {
    shown.current.pages += 1;
    resource.reload();
  };
  return { ...resource, more };
}

export function More(props: { of: Pages<unknown> }) {
  if (!props.of.data?.next_cursor) return null;
  return (
    <button disabled={props.of.loading} onClick={props.of.more}>
      {text().more}
    </button>
  );
}

/** Runs one thing at a time, and says what went wrong. `busy` disables the buttons. */
export function useWork(): { busy: boolean; work: (job: () => Promise<unknown>) => Promise<void> } {
  const [busy, setBusy] = useState(false);
  const work = async (job: () => Promise<unknown>) => {
    setBusy(true);
    try {
      await job();
    } catch (error) {
      tellProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, work };
}

/** Asks before what cannot be taken back. */
export function Confirm(props: {
  title: string;
  label: string;
  danger?: boolean;
  onClose: () => void;
  onYes: () => Promise<unknown>;
  children: ComponentChildren;
}) {
  const { busy, work } = useWork();
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      {props.children}
      <div class="row">
        <button
          type="button"
          class={props.danger ? "danger" : "primary"}
          disabled={busy}
          onClick={() => void work(() => props.onYes().then(props.onClose))}
        >
          {props.label}
        </button>
        <button type="button" disabled={busy} onClick={props.onClose}>
          {text().cancel}
        </button>
      </div>
    </Dialog>
  );
}

/** A secret, shown this once. */
export function Secret(props: { title: string; secret: string; children?: ComponentChildren; onClose: () => void }) {
  const copy = () =>
    navigator.clipboard.writeText(props.secret).then(
      () => tell(text().copied),
      (error: unknown) => tellProblem(error),
    );
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{text().once}</p>
      <code class="admin-secret" tabIndex={0}>
        {props.secret}
      </code>
      {props.children}
      <div class="row">
        <button class="primary" onClick={() => void copy()}>
          {text().copy}
        </button>
        <button onClick={props.onClose}>{text().done}</button>
      </div>
    </Dialog>
  );
}

/** Terms and what they are. */
export function Facts(props: { children: ComponentChildren }) {
  return <dl class="admin-facts">{props.children}</dl>;
}

export function Fact(props: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}
