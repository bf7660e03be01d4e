// Putting a call to another deal, and erasing it: both change more than the call, so both ask first.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { useResource } from "../../lib/resource.ts";
import { Dialog, Loaded } from "../../ui/basics.tsx";
import { tell, tellProblem } from "../../ui/toast.tsx";
import { text } from "./text.ts";
import { fold } from "./timeline.ts";

type Call = Schemas["Call"];

const SHOWN = 8;

export function Move(props: { call: Call; onClose: () => void; onMoved: () => void }) {
  const { call } = props;
  const [wanted, setWanted] = useState("");
  const [busy, setBusy] = useState(false);
  const deals = useResource((signal) => ask(api.GET("/v1/deals", { signal })), []);
  const put = (deal: string | null) =>
    ask(api.PUT("/v1/calls/{id}/deal", { params: { path: { id: call.id } }, body: { deal_id: deal } }));
  const move = (work: () => Promise<unknown>) => {
    setBusy(true);
    work()
      .then(() => {
        tell(text().moved);
        props.onMoved();
        props.onClose();
      }, tellProblem)
      .finally(() => setBusy(false));
  };
  const name = wanted.trim();
  const make = async () => {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const made = await ask(api.POST("/v1/deals", { headers, body: { name } }));
    await put(made.id);
  };
  return (
    <Dialog title={text().moveTitle} onClose={props.onClose}>
      <label>
        {text().findDeal}
        <input type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
      </label>
      <Loaded of={deals}>
        {({ items }) => {
          const found = items.filter((deal) => fold(deal.name).includes(fold(name)));
          return (
            <>
              {found.length === 0 && <p class="muted">{text().noDeals}</p>}
              <ul class="call-deals">
                {found.slice(0, SHOWN).map((deal) => (
                  <li key={deal.id}>
                    <button disabled={busy || deal.id === call.deal_id} onClick={() => move(() => put(deal.id))}>
                      {deal.name}
                      {deal.id === call.deal_id && <span class="muted">({text().here})</span>}
                    </button>
                  </li>
                ))}
              </ul>
              <div class="row">
                {name && !items.some((deal) => deal.name === name) && (
                  <button class="primary" disabled={busy} onClick={() => move(make)}>
                    {text().newDeal(name)}
                  </button>
                )}
                {call.deal_id && (
                  <button disabled={busy} onClick={() => move(() => put(null))}>
                    {text().toInbox}
                  </button>
                )}
              </div>
            </>
          );
        }}
      </Loaded>
    </Dialog>
  );
}

export function Erase(props: { call: Call; onClose: () => void; onErased: () => void }) {
  const [busy, setBusy] = useState(false);
  const erase = () => {
    setBusy(true);
    ask(api.DELETE("/v1/calls/{id}", { params: { path: { id: props.call.id } } }))
      .then(props.onErased, tellProblem)
      .finally(() => setBusy(false));
  };
  return (
    <Dialog title={text().eraseTitle} onClose={props.onClose}>
      <p>{props.call.source}</p>
      <p>{text().eraseWarning}</p>
      <div class="row">
        <button class="danger" disabled={busy} onClick={erase}>
          {text().eraseSure}
        </button>
        <button disabled={busy} onClick={props.onClose}>
          {text().keep}
        </button>
      </div>
    </Dialog>
  );
}
