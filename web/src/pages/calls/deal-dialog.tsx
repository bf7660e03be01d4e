// Puts calls to a deal that there is, or to a new one; or one back into the inbox.
import { useEffect, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { stageName } from "../../lib/process.ts";
import { Dialog, Field, ProblemBox } from "../../ui/basics.tsx";
import { useForm } from "../../ui/form.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { findDeals } from "./deals.ts";
import { text } from "./text.ts";
import "./dialogs.css";

type Deal = Schemas["Deal"];
type Call = Schemas["Call"];

const folded = (name: string) => name.trim().toLowerCase().replaceAll("ё", "е");

export function DealDialog(props: { calls: readonly Call[]; onClose: () => void; onDone: () => void }) {
  const [query, setQuery] = useState("");
  const [deals, setDeals] = useState<Deal[]>();
  const { busy, problem, run } = useForm();
  useEffect(() => {
    let old = false;
    const timer = setTimeout(
      () => {
        findDeals(query).then(
          (found) => old || setDeals(found),
          (error: unknown) => old || tellProblem(error),
        );
      },
      query ? 200 : 0,
    );
    return () => {
      old = true;
      clearTimeout(timer);
    };
  }, [query]);
  const put = async (dealId: string | null) => {
    for (const call of props.calls) {
      await ask(api.PUT("/v1/calls/{id}/deal", { params: { path: { id: call.id } }, body: { deal_id: dealId } }));
    }
  };
  const work = (doing: () => Promise<void>) =>
    run(async () => {
      await doing();
      tell(text().dealMoved);
      props.onDone();
      props.onClose();
    });
  const make = async () => {
    const made = await ask(
      api.POST("/v1/deals", {
        body: { name: query.trim() },
        headers: { "idempotency-key": crypto.randomUUID() },
      }),
    );
    await put(made.id);
  };
  const wanted = folded(query);
  const matching = deals?.filter((deal) => folded(deal.name).includes(wanted));
  const isNew = wanted !== "" && matching !== undefined && !matching.some((deal) => folded(deal.name) === wanted);
  const [only] = props.calls;
  return (
    <Dialog title={text().dealTitle} onClose={props.onClose}>
      <p class="muted calls-name">{props.calls.length === 1 ? only?.source : text().dealWhat(props.calls.length)}</p>
      {problem && <ProblemBox problem={problem} />}
      <Field label={text().dealSearch}>
        {(id) => (
          <input
            id={id}
            type="search"
            value={query}
            maxLength={200}
            autocomplete="off"
            autofocus
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        )}
      </Field>
      <ul class="calls-deals">
        {matching?.map((deal) => (
          <li key={deal.id}>
            <button
              class="plain"
              disabled={busy || (props.calls.length === 1 && deal.id === only?.deal_id)}
              onClick={() => work(() => put(deal.id))}
            >
              <span class="calls-name">{deal.name}</span>
              {deal.stage && <span class="muted">{stageName(deal.stage)}</span>}
            </button>
          </li>
        ))}
      </ul>
      {matching?.length === 0 && wanted !== "" && <p class="muted">{text().dealNone}</p>}
      <div class="row">
        {isNew && (
          <button class="primary" disabled={busy} onClick={() => work(make)}>
            {text().dealNew(query.trim())}
          </button>
        )}
        {props.calls.length === 1 && only?.deal_id && (
          <button disabled={busy} onClick={() => work(() => put(null))}>
            {text().dealBack}
          </button>
        )}
      </div>
    </Dialog>
  );
}
