// The question before a call is erased, with what goes.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast } from "../../api/session.ts";
import { Dialog, ProblemBox } from "../../ui/basics.tsx";
import { useForm } from "../../ui/form.tsx";
import { tell } from "../../ui/toast.tsx";
import { text } from "./text.ts";
import "./dialogs.css";

export function EraseDialog(props: { call: Schemas["Call"]; onClose: () => void; onDone: () => void }) {
  const { call } = props;
  const [despite, setDespite] = useState(false);
  const { busy, problem, run } = useForm();
  const erase = () =>
    run(async () => {
      const query = despite ? { despite_hold: true } : {};
      await ask(api.DELETE("/v1/calls/{id}", { params: { path: { id: call.id }, query } }));
      tell(text().erased);
      props.onDone();
      props.onClose();
    });
  const { eraseParts } = text();
  return (
    <Dialog title={text().eraseTitle} onClose={props.onClose}>
      <p class="calls-name">{text().eraseWhat(call.source)}</p>
      <ul>
        <li>{eraseParts.recording}</li>
        <li>{eraseParts.analysis}</li>
        {call.deal_id && <li>{eraseParts.deal}</li>}
        {call.deal_id && <li>{eraseParts.letters}</li>}
      </ul>
      <p class="muted">{text().eraseKept}</p>
      {call.hold && !atLeast("admin") && <p>{text().eraseHoldNo}</p>}
      {call.hold && atLeast("admin") && (
        <label class="row">
          <input type="checkbox" checked={despite} onChange={(event) => setDespite(event.currentTarget.checked)} />
          {text().eraseHold}
        </label>
      )}
      {problem && <ProblemBox problem={problem} />}
      <div class="row">
        <button class="danger" disabled={busy || (call.hold && !despite)} onClick={erase}>
          {text().eraseDo}
        </button>
        <button onClick={props.onClose}>{text().keep}</button>
      </div>
    </Dialog>
  );
}
