// What a component shows of the server: loaded when it appears, and again when something about it happens.
import { useEffect, useRef, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/problem.ts";
import { onEvent, reopened, type ServerEvent } from "../api/events.ts";

export interface Resource<T> {
  /** The last that arrived; it stays while newer is on the way. */
  data: T | undefined;
  problem: Problem | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * `load` is called anew whenever `deps` change and whenever an event arrives for which `when` is true, or may have been missed. An answer that is
 * overtaken is dropped.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  when?: (event: ServerEvent) => boolean,
): Resource<T> {
  const [state, set] = useState<Omit<Resource<T>, "reload">>({ data: undefined, problem: undefined, loading: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef({ load, when });
  latest.current = { load, when };
  const key = JSON.stringify(deps);
  const shown = useRef(key);
  useEffect(() => {
    const abort = new AbortController();
    const other = shown.current !== key;
    shown.current = key;
    set((before) => ({ ...before, data: other ? undefined : before.data, loading: true }));
    latest.current.load(abort.signal).then(
      (data) => abort.signal.aborted || set({ data, problem: undefined, loading: false }),
      (error: unknown) =>
        abort.signal.aborted || set((before) => ({ ...before, problem: asProblem(error), loading: false })),
    );
    return () => abort.abort();
  }, [key, turn, when ? reopened.value : 0]);
  useEffect(() => onEvent((event) => void (latest.current.when?.(event) && setTurn((n) => n + 1))), []);
  return { ...state, reload: () => setTurn((n) => n + 1) };
}

/** Calls `tick` every `ms` while `active`. */
export function usePoll(active: boolean, ms: number, tick: () => void): void {
  const latest = useRef(tick);
  latest.current = tick;
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => latest.current(), ms);
    return () => clearInterval(timer);
  }, [active, ms]);
}
