// The letter after a call: edited beside the facts that it rests on, copied or opened in a mail program, approved.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import type { components } from "../../api/document.d.ts";
import { about } from "../../api/events.ts";
import { asProblem, type Problem } from "../../api/problem.ts";
import { me } from "../../api/session.ts";
import { day, moment } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { useResource } from "../../lib/resource.ts";
import { Empty, Field, Loaded, ProblemBox } from "../../ui/basics.tsx";
import { tell } from "../../ui/toast.tsx";
import { addresses, blanks, longestLink, mailLink, pieces } from "./letter.ts";
import { text } from "./text.ts";
import "./follow-up.css";

type Documents = components["schemas"];
type Analysis = Documents["Analysis"];

/** As the server has it. */
interface Letter extends Omit<Documents["FollowUpInfo"], "facts"> {
  facts: Documents["FollowUpFact"][];
  call_id: string;
  state: Schemas["DraftState"];
  revision: number;
  changed_by?: string | null;
  changed_at?: string | null;
  /** Absent: the server sends no mail. */
  send_to?: string[];
}

interface Edits {
  subject: string;
  body: string;
  /** The one that they were made to. */
  revision: number;
}

/** What is not saved, of each call: it outlives the page that shows it. */
const edits = signal<ReadonlyMap<string, Edits>>(new Map());

function keep(callId: string, to: Edits | undefined): void {
  const next = new Map(edits.value);
  if (to) next.set(callId, to);
  else next.delete(callId);
  edits.value = next;
}

me.subscribe((who) => {
  if (!who) edits.value = new Map();
});

addEventListener("beforeunload", (event) => {
  if (edits.value.size > 0) event.preventDefault();
});

async function load(callId: string, abort: AbortSignal): Promise<Letter | null> {
  try {
    const path = { params: { path: { id: callId } }, signal: abort };
    return (await ask(api.GET("/v1/calls/{id}/follow-up", path))) as unknown as Letter;
  } catch (error) {
    if (asProblem(error).status === 404) return null;
    throw error;
  }
}

async function save(callId: string, edited: Edits): Promise<Letter> {
  const request = api.PUT("/v1/calls/{id}/follow-up", {
    params: { path: { id: callId } },
    body: edited as never,
  });
  return (await ask(request)) as unknown as Letter;
}

async function approve(callId: string, revision: number, sendTo: string[] | undefined): Promise<Letter> {
  const request = api.POST("/v1/calls/{id}/follow-up/approve", {
    params: { path: { id: callId } },
    headers: { "idempotency-key": crypto.randomUUID() },
    body: { revision, ...(sendTo ? { send_to: sendTo } : {}) } as never,
  });
  return (await ask(request)) as unknown as Letter;
}

async function copy(said: string, from: HTMLTextAreaElement | null): Promise<void> {
  try {
    await navigator.clipboard.writeText(said);
    tell(text().copied);
  } catch {
    // Pages that did not come over TLS have no clipboard; the person can still copy what is selected.
    from?.focus();
    from?.select();
    tell(text().cannotCopy);
  }
}

export function FollowUpPanel(props: { callId: string; analysis: Analysis }) {
  const { callId } = props;
  const letter = useResource(
    (abort) => load(callId, abort),
    [callId, props.analysis.provenance.result_hash],
    (event) => event.type.startsWith("followup.") && about(event, "call_id", callId),
  );
  return (
    <section class="letter" aria-labelledby="letter">
      <h2 id="letter">{text().letter}</h2>
      <Loaded of={letter}>
        {(found) =>
          found ? (
            <Editor key={callId} letter={found} analysis={props.analysis} reload={letter.reload} />
          ) : (
            <Empty>{text().nothing}</Empty>
          )
        }
      </Loaded>
    </section>
  );
}

function State(props: { letter: Letter; analysis: Analysis }) {
  const { letter } = props;
  const when = moment(letter.changed_at);
  const who = nameOf(letter.changed_by);
  const { llm } = props.analysis.provenance;
  const isApproved = letter.state === "approved";
  return (
    <div class="letter-state">
      <p class="row">
        <span class={isApproved ? "tag good" : "tag watch"}>{isApproved ? text().approved : text().draft}</span>
        <span>{text().types[letter.type] ?? letter.type.replaceAll("_", " ")}</span>
        <span class="muted">{text().sendBy(day(letter.send_by, { weekday: true }))}</span>
        {letter.revision > 0 && (
          <span class="muted">{isApproved ? text().approvedBy(who, when) : text().changedBy(who, when)}</span>
        )}
        {letter.send_to && letter.send_to.length > 0 && (
          <span class="muted">{text().sentTo(letter.send_to.join(", "))}</span>
        )}
      </p>
      <p class="muted">{letter.written_by === "llm" ? text().byLlm(llm?.model ?? "?") : text().byTemplate}</p>
    </div>
  );
}

function Editor(props: { letter: Letter; analysis: Analysis; reload: () => void }) {
  const { letter, reload } = props;
  const callId = letter.call_id;
  const mine = edits.value.get(callId);
  const { subject, body } = mine ?? letter;
  const area = useRef<HTMLTextAreaElement>(null);
  const subjectField = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [theirs, setTheirs] = useState<Letter>();
  const [recipients, setRecipients] = useState((letter.send_to ?? []).join(", "));
  const left = blanks(subject, body, letter.to_fill);

  const edit = (to: Partial<Edits>) => {
    const next = { subject, body, revision: mine?.revision ?? letter.revision, ...to };
    const same = next.subject === letter.subject && next.body === letter.body;
    keep(callId, same ? undefined : next);
  };

  const work = async (doing: () => Promise<string | undefined>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      const said = await doing();
      if (said) tell(said);
    } catch (error) {
      const why = asProblem(error);
      // Somebody else may have been faster: then both are shown.
      const newest = why.status === 409 ? await load(callId, new AbortController().signal).catch(() => null) : null;
      if (newest && newest.revision !== (mine?.revision ?? letter.revision)) setTheirs(newest);
      else setProblem(why);
    } finally {
      setBusy(false);
      // Also after a failure: the first of two requests may have changed it.
      reload();
    }
  };

  const saveIt = async (edited: Edits) => {
    const saved = await save(callId, edited);
    keep(callId, undefined);
    setTheirs(undefined);
    return saved;
  };
  const to = addresses(recipients);
  const approveIt = () =>
    work(async () => {
      const { revision } = mine ? await saveIt(mine) : letter;
      await approve(callId, revision, letter.send_to === undefined ? undefined : to);
      return to.length > 0 ? text().approvedSent : text().approvedNow;
    });

  const goTo = (blank: string) => {
    const field = body.includes(blank) ? area.current : subjectField.current;
    const at = field?.value.indexOf(blank) ?? -1;
    if (!field || at < 0) return;
    field.focus();
    field.setSelectionRange(at, at + blank.length);
  };

  const whole = mailLink(to, subject, body);
  const long = whole.length > longestLink(navigator.userAgent);
  const label = mine
    ? to.length > 0
      ? text().saveApproveSend
      : text().saveApprove
    : to.length > 0
      ? text().approveSend
      : text().approve;
  const cannotSend = to.length > 0 && left.length > 0;
  // One that was approved and not sent can still be sent.
  const unsent = to.length > 0 && letter.send_to?.length === 0;
  const settled = letter.state === "approved" && !mine && !unsent;
  return (
    <>
      <State letter={letter} analysis={props.analysis} />
      {theirs && mine && (
        <Conflict
          mine={mine}
          theirs={theirs}
          busy={busy}
          onMine={() =>
            void work(async () => {
              await saveIt({ ...mine, revision: theirs.revision });
              return text().saved;
            })
          }
          onTheirs={() => {
            keep(callId, undefined);
            setTheirs(undefined);
            reload();
          }}
        />
      )}
      <div class="letter-parts">
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (mine) {
              void work(async () => {
                await saveIt(mine);
                return text().saved;
              });
            }
          }}
        >
          <Field label={text().subject}>
            {(id) => (
              <input
                id={id}
                ref={subjectField}
                value={subject}
                lang={letter.language}
                onInput={(event) => edit({ subject: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={text().body}>
            {(id) => (
              <div class="letter-body">
                <div aria-hidden="true">
                  {pieces(body).map((piece, i) => (piece.blank ? <mark key={i}>{piece.text}</mark> : piece.text))}
                  {"\n"}
                </div>
                <textarea
                  id={id}
                  ref={area}
                  value={body}
                  lang={letter.language}
                  onInput={(event) => edit({ body: event.currentTarget.value })}
                />
              </div>
            )}
          </Field>
          <div class="row">
            <button disabled={busy || !mine}>{text().save}</button>
            <button type="button" onClick={() => void copy(body, area.current)}>
              {text().copy}
            </button>
            <button type="button" onClick={() => void copy(subject, null)}>
              {text().copySubject}
            </button>
            <a
              class="button"
              href={long ? mailLink(to, subject, "") : whole}
              aria-describedby={long ? "letter-long" : undefined}
              onClick={() => {
                if (long) void copy(body, area.current).then(() => tell(text().mailPasted));
              }}
            >
              {text().mail}
            </a>
            {mine && (
              <>
                <button type="button" class="plain" disabled={busy} onClick={() => keep(callId, undefined)}>
                  {text().revert}
                </button>
                <span class="tag watch">{text().unsaved}</span>
              </>
            )}
          </div>
          {long && (
            <p class="muted" id="letter-long">
              {text().mailLong}
            </p>
          )}
          {mine && mine.revision !== letter.revision && !theirs && <p class="muted">{text().newer}</p>}
          {problem && <ProblemBox problem={problem} />}
          <div class="letter-approve">
            {letter.send_to && (
              <Field label={text().sendTo} hint={text().sendToHint}>
                {(id) => (
                  <input
                    id={id}
                    value={recipients}
                    inputMode="email"
                    autocomplete="off"
                    placeholder="dana@example.com"
                    onInput={(event) => setRecipients(event.currentTarget.value)}
                  />
                )}
              </Field>
            )}
            {settled ? (
              <p class="muted">{text().again}</p>
            ) : (
              <button type="button" class="primary" disabled={busy || cannotSend} onClick={() => void approveIt()}>
                {label}
              </button>
            )}
            {cannotSend && <p class="muted">{text().approveBlanks}</p>}
          </div>
        </form>
        <aside class="stack" aria-label={text().facts}>
          <div class="card">
            <h3>{left.length === 0 ? text().noBlanks : text().blanks(left.length)}</h3>
            {left.length > 0 && (
              <>
                <p class="muted">{text().blanksHint}</p>
                <ul class="letter-blanks">
                  {left.map((blank) => (
                    <li key={blank}>
                      <button class="small" lang={letter.language} onClick={() => goTo(blank)}>
                        {blank}
                      </button>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </div>
          <div class="card">
            <h3>{text().facts}</h3>
            <p class="muted">{letter.facts.length > 0 ? text().factsHint : text().noFacts}</p>
            <ul class="letter-facts">
              {letter.facts.map((fact) => (
                <li key={`${fact.turn} ${fact.text}`}>
                  <a href={`/calls/${callId}?turn=${fact.turn}`}>
                    <span lang={letter.language}>{fact.text}</span> <span class="muted">{text().turn(fact.turn)}</span>
                  </a>
                </li>
              ))}
            </ul>
          </div>
        </aside>
      </div>
    </>
  );
}

function Conflict(props: { mine: Edits; theirs: Letter; busy: boolean; onMine: () => void; onTheirs: () => void }) {
  const first = useRef<HTMLDivElement>(null);
  useEffect(() => first.current?.focus(), []);
  const side = (title: string, letter: { subject: string; body: string }, label: string, take: () => void) => (
    <div class="card">
      <h3>{title}</h3>
      <p>
        <strong>{letter.subject}</strong>
      </p>
      <p class="letter-text" role="group" aria-label={title} tabIndex={0}>
        {letter.body}
      </p>
      <button disabled={props.busy} onClick={take}>
        {label}
      </button>
    </div>
  );
  return (
    <div class="problem" role="alert" tabIndex={-1} ref={first}>
      <p>{text().conflict}</p>
      <div class="letter-both">
        {side(text().mineTitle, props.mine, text().takeMine, props.onMine)}
        {side(
          text().theirsTitle(`${nameOf(props.theirs.changed_by)}, ${moment(props.theirs.changed_at)}`),
          props.theirs,
          text().takeTheirs,
          props.onTheirs,
        )}
      </div>
    </div>
  );
}
