// The calls: what was added, and the list with search and filters. Both look again by themselves while something runs.
import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { api, ask, type Schemas } from "../../api/client.ts";
import { me } from "../../api/session.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Empty, Loaded, PageHead, ProblemBox } from "../../ui/basics.tsx";
import { AboutForm, AddButtons, DropAnywhere, PasteDialog } from "./add.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { address, asked, isAny, read, type Filters } from "./filters.ts";
import { CallList } from "./list.tsx";
import { isOpen, watch } from "./pace.ts";
import { text } from "./text.ts";
import { UploadRows } from "./upload-rows.tsx";
import { learn, uploads } from "./uploads.ts";
import "./calls.css";

type Call = Schemas["Call"];

const PAGE = 50;
const MOST = 200;
const POLL_MS = 2_500;

interface Some {
  calls: Call[];
  more: boolean;
}

/** The first `wanted` calls, in as few requests as there may be. */
async function load(filters: Filters, wanted: number, signal: AbortSignal): Promise<Some> {
  const calls: Call[] = [];
  let cursor: string | null | undefined;
  do {
    const limit = Math.min(MOST, wanted - calls.length);
    const query = { ...asked(filters, me.value?.user?.id), limit, ...(cursor ? { cursor } : {}) };
    const page = await ask(api.GET("/v1/calls", { params: { query }, signal }));
    calls.push(...(page.items as Call[]));
    cursor = page.next_cursor;
  } while (cursor && calls.length < wanted);
  watch(calls);
  learn(calls);
  return { calls, more: cursor != null };
}

export function Calls() {
  const { query, route } = useLocation();
  const filters = read(query);
  const [pasting, setPasting] = useState<string>();
  const wanted = useRef(PAGE);
  const list = useResource(
    (signal) => load(filters, wanted.current, signal),
    [filters],
    (event) => {
      return event.type.startsWith("call.") || event.type.startsWith("deal.") || event.type === "followup.drafted";
    },
  );
  // What was shown stays until what is asked for is there.
  const [shown, setShown] = useState<Some>();
  useEffect(() => void (list.data && setShown(list.data)), [list.data]);
  const calls = shown?.calls;
  usePoll(calls?.some(isOpen) ?? false, (calls?.length ?? 0) > MOST ? 4 * POLL_MS : POLL_MS, list.reload);
  // A call that was just taken in, or has just ended, is to be seen at once.
  const settled = uploads.value.map((one) => `${one.callId ?? ""}${one.call && !isOpen(one.call)}`).join();
  useEffect(() => void (settled && list.reload()), [settled]);
  const change = (to: Filters) => {
    wanted.current = PAGE;
    route(address(to), true);
  };
  // Looking again by itself is not to be seen; other filters are.
  const current = list.data !== undefined;
  const nothing = current && calls?.length === 0;
  return (
    <>
      <PageHead title={text().title}>
        <AddButtons onPaste={() => setPasting("")} />
      </PageHead>
      <div class="stack">
        <AboutForm />
        <UploadRows onMoved={list.reload} />
        <FilterBar filters={filters} onChange={change} />
        {calls ? (
          list.problem && <ProblemBox problem={list.problem} again={list.reload} />
        ) : (
          <Loaded of={list}>{() => null}</Loaded>
        )}
        {calls && calls.length > 0 && (
          <CallList calls={calls} query={filters.q} busy={!current} onChanged={list.reload} />
        )}
        {nothing && isAny(filters) && <Empty>{text().nothing}</Empty>}
        {nothing && !isAny(filters) && uploads.value.length === 0 && (
          <Empty>
            <div class="calls-none">
              <h2>{text().none}</h2>
              <p>{text().noneHint}</p>
              <a class="button" href="/welcome">
                {text().sample}
              </a>
            </div>
          </Empty>
        )}
        {shown?.more && (
          <div>
            <button
              disabled={list.loading && wanted.current > shown.calls.length}
              onClick={() => {
                wanted.current += PAGE;
                list.reload();
              }}
            >
              {text().more}
            </button>
          </div>
        )}
        <p class="muted">{text().dropHint}</p>
      </div>
      <DropAnywhere onText={setPasting} />
      {pasting !== undefined && <PasteDialog text={pasting} onClose={() => setPasting(undefined)} />}
    </>
  );
}
