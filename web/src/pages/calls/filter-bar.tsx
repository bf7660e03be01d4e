// What the list is narrowed to.
import { useEffect, useRef, useState } from "preact/hooks";
import { atLeast, me } from "../../api/session.ts";
import { Field } from "../../ui/basics.tsx";
import { isAny, NO_FILTERS, type Filters } from "./filters.ts";
import { people } from "../../lib/people.ts";
import { allStages, stageName } from "../../lib/process.ts";
import { text } from "./text.ts";

const STATUSES = ["done", "running", "queued", "failed", "cancelled", "live"] as const;
/** A person types on. */
const PAUSE_MS = 250;

export function FilterBar(props: { filters: Filters; onChange: (to: Filters) => void }) {
  const { filters } = props;
  const search = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(filters.q);
  // The address may change by the back button too.
  useEffect(() => setTyped(filters.q), [filters.q]);
  useEffect(() => {
    if (typed === filters.q) return;
    const timer = setTimeout(() => props.onChange({ ...filters, q: typed }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    };
    addEventListener("keydown", slash);
    return () => removeEventListener("keydown", slash);
  }, []);
  const set = (name: keyof Filters) => (event: { currentTarget: { value: string } }) =>
    props.onChange({ ...filters, q: typed, [name]: event.currentTarget.value });
  const stages = allStages();
  const toList = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    document.querySelector<HTMLElement>(".calls-list a[data-row]")?.focus();
  };
  return (
    <form
      class="calls-filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        props.onChange({ ...filters, q: typed });
      }}
    >
      <div class="calls-search">
        <Field label={text().search}>
          {(id) => (
            <input
              id={id}
              ref={search}
              type="search"
              value={typed}
              maxLength={200}
              placeholder={text().searchHint}
              aria-keyshortcuts="/"
              onInput={(event) => setTyped(event.currentTarget.value)}
              onKeyDown={toList}
            />
          )}
        </Field>
      </div>
      <Field label={text().status}>
        {(id) => (
          <select id={id} value={filters.status} onChange={set("status")}>
            <option value="">{text().any}</option>
            {STATUSES.map((status) => (
              <option key={status} value={status}>
                {text().statuses[status]}
              </option>
            ))}
          </select>
        )}
      </Field>
      {(stages.length > 0 || filters.stage) && (
        <Field label={text().stage}>
          {(id) => (
            <select id={id} value={filters.stage} onChange={set("stage")}>
              <option value="">{text().any}</option>
              {stages.map(([stage, name]) => (
                <option key={stage} value={stage}>
                  {name}
                </option>
              ))}
              {filters.stage && !stages.some(([stage]) => stage === filters.stage) && (
                <option value={filters.stage}>{stageName(filters.stage)}</option>
              )}
            </select>
          )}
        </Field>
      )}
      <Field label={text().deal}>
        {(id) => (
          <select id={id} value={filters.deal} onChange={set("deal")}>
            <option value="">{text().anyDeal}</option>
            <option value="inbox">{text().inbox}</option>
            {filters.deal && filters.deal !== "inbox" && <option value={filters.deal}>{text().oneDeal}</option>}
          </select>
        )}
      </Field>
      {atLeast("manager") && (
        <Field label={text().who}>
          {(id) => (
            <select id={id} value={filters.owner} onChange={set("owner")}>
              <option value="">{text().anyone}</option>
              <option value="me">{text().mine}</option>
              {people.value
                .filter((person) => person.id !== me.value?.user?.id)
                .map((person) => (
                  <option key={person.id} value={person.id}>
                    {person.name}
                  </option>
                ))}
            </select>
          )}
        </Field>
      )}
      <Field label={text().from}>
        {(id) => <input id={id} type="date" value={filters.from} max={filters.to} onChange={set("from")} />}
      </Field>
      <Field label={text().to}>
        {(id) => <input id={id} type="date" value={filters.to} min={filters.from} onChange={set("to")} />}
      </Field>
      {isAny(filters) && (
        <button
          type="button"
          class="small"
          onClick={() => {
            setTyped("");
            props.onChange(NO_FILTERS);
          }}
        >
          {text().clearFilters}
        </button>
      )}
    </form>
  );
}
