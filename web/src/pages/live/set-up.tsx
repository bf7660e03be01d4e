// Before a live call: how to listen, whose call it is, and that people agreed.
import { useEffect, useId, useState } from "preact/hooks";
import { api, ask } from "../../api/client.ts";
import { moment } from "../../lib/format.ts";
import { usePoll, useResource } from "../../lib/resource.ts";
import { Field } from "../../ui/basics.tsx";
import { begin } from "./current.ts";
import type { AudioFormat, CallHeader } from "./protocol.ts";
import { canHear, canHearOthers, Sound, SoundError, type Source } from "./sound.ts";
import { text } from "./text.ts";

type Way = Source | "typed";

const WAY = "dealstage.live.way";
const DEVICE = "dealstage.live.device";

function firstWay(): Way {
  const before = localStorage.getItem(WAY);
  if (before === "typed" || !canHear) return "typed";
  return before === "microphone" || !canHearOthers ? "microphone" : "both";
}

export function formatOf(sound: Sound): AudioFormat {
  const { rate, channels } = sound;
  const rep = channels === 2 ? ({ rep: "left" } as const) : {};
  return { encoding: "pcm_s16le", sample_rate: rate, channels, ...rep };
}

/** The words for what a browser refuses. */
export function soundProblem(error: unknown): string {
  return text()[error instanceof SoundError ? error.kind : "other"];
}

/** After so long without a sound people are told. */
const QUIET_MS = 4_000;

export function Levels(props: { sound: Sound }) {
  const levels = props.sound.levels.value;
  const quiet = (channel: number) => Date.now() - (props.sound.heardAt[channel] ?? 0) > QUIET_MS;
  const names = props.sound.channels === 2 ? [text().you, text().buyer] : [text().everybody];
  return (
    <div class="live-levels">
      {names.map((name, channel) => (
        <div key={name} class="live-level">
          <span>{name}</span>
          {/* As ears have it: half as loud is not half the number. */}
          <meter min={0} max={1} value={Math.sqrt(levels[channel] ?? 0)} aria-label={text().levelOf(name)} />
          {quiet(channel) && <span class="muted">{text().quiet}</span>}
        </div>
      ))}
    </div>
  );
}

export function DevicePicker(props: { sound: Sound; onProblem: (said: string) => void }) {
  const { sound } = props;
  const choose = (device: string) => {
    localStorage.setItem(DEVICE, device);
    sound.choose(device).catch((error: unknown) => props.onProblem(soundProblem(error)));
  };
  return (
    <Field label={text().device}>
      {(id) => (
        <select id={id} value={sound.device.value} onChange={(event) => choose(event.currentTarget.value)}>
          {sound.devices.value.map((device) => (
            <option key={device.id} value={device.id}>
              {/^\d+$/.test(device.label) ? text().devicePlain(device.label) : device.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Ways(props: { way: Way; onChange: (way: Way) => void; disabled: boolean }) {
  const name = useId();
  const choice = (way: Way, label: string, hint: string, can: boolean) => (
    <div class="live-way">
      <input
        type="radio"
        id={`${name}-${way}`}
        name={name}
        checked={props.way === way}
        disabled={!can || props.disabled}
        onChange={() => props.onChange(way)}
        aria-describedby={`${name}-${way}-hint`}
      />
      <div>
        <label for={`${name}-${way}`}>{label}</label>
        <p class="muted" id={`${name}-${way}-hint`}>
          {hint}
        </p>
      </div>
    </div>
  );
  return (
    <fieldset class="live-ways">
      <legend>{text().how}</legend>
      {!canHear && <p class="tag watch live-note">{text().noSound}</p>}
      {choice("both", text().both, canHearOthers ? text().bothHint : text().noOthers, canHear && canHearOthers)}
      {choice("microphone", text().microphone, text().microphoneHint, canHear)}
      {choice("typed", text().typed, text().typedHint, true)}
    </fieldset>
  );
}

export function SetUp() {
  const [way, setWay] = useState<Way>(firstWay);
  const [sound, setSound] = useState<Sound | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [deal, setDeal] = useState("");
  const [lang, setLang] = useState<"" | "en" | "ru">("");
  const [agreed, setAgreed] = useState(false);
  const deals = useResource(
    async (signal) => (await ask(api.GET("/v1/deals", { params: { query: { limit: 200 } }, signal }))).items,
    [],
  );
  const lists = useId();
  const consent = useId();

  // The sound that was tried belongs to the call once it has begun; else nobody needs it.
  const [taken] = useState({ over: false });
  useEffect(() => () => void (taken.over || sound?.close()), [sound]);

  const change = (to: Way) => {
    localStorage.setItem(WAY, to);
    sound?.close();
    setSound(null);
    setProblem("");
    setWay(to);
  };
  const open = async (): Promise<Sound | null> => {
    if (way === "typed") return null;
    if (sound) return sound;
    // The microphone of last time may be at home today.
    const device = localStorage.getItem(DEVICE) ?? "";
    const opened = await Sound.open(way, device).catch((error: unknown) => {
      if (device && error instanceof SoundError && error.kind === "none") return Sound.open(way);
      throw error;
    });
    setSound(opened);
    return opened;
  };
  const guarded = async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    try {
      await work();
    } catch (error) {
      setProblem(soundProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const start = () =>
    guarded(async () => {
      const heard = await open();
      const known = deals.data?.find((other) => other.name === deal.trim());
      const call: CallHeader = {
        ...(lang ? { lang } : {}),
        meta: {
          consent: "granted",
          ...(known ? { deal: { id: known.id } } : deal.trim() ? { deal: { name: deal.trim() } } : {}),
        },
      };
      taken.over = true;
      begin({ kind: "start", call, ...(heard ? { audio: formatOf(heard) } : {}) }, heard);
    });

  return (
    <form
      class="card stack live-set-up"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <Ways way={way} onChange={change} disabled={busy} />
      {sound && (
        <section class="stack live-sound" aria-label={text().levels}>
          <DevicePicker sound={sound} onProblem={setProblem} />
          <Levels sound={sound} />
          {sound.gone.value.includes("buyer") && <p class="tag watch live-note">{text().goneBuyer}</p>}
        </section>
      )}
      <div class="live-pair">
        <Field label={text().deal} hint={text().dealHint}>
          {(id) => (
            <>
              <input
                id={id}
                list={lists}
                value={deal}
                autocomplete="off"
                onInput={(event) => setDeal(event.currentTarget.value)}
              />
              <datalist id={lists}>
                {deals.data?.map((one) => (
                  <option key={one.id} value={one.name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label={text().language}>
          {(id) => (
            <select id={id} value={lang} onChange={(event) => setLang(event.currentTarget.value as "" | "en" | "ru")}>
              <option value="">{text().detect}</option>
              <option value="en">English</option>
              <option value="ru">Русский</option>
            </select>
          )}
        </Field>
      </div>
      <div class="live-way">
        <input
          type="checkbox"
          id={consent}
          checked={agreed}
          required
          onChange={(event) => setAgreed(event.currentTarget.checked)}
          onInvalid={(event) => event.currentTarget.setCustomValidity(agreed ? "" : text().consentNeeded)}
          onInput={(event) => event.currentTarget.setCustomValidity("")}
        />
        <label for={consent}>{text().consent}</label>
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="row">
        <button class="primary" disabled={busy}>
          {busy ? text().starting : text().start}
        </button>
        {way !== "typed" && !sound && (
          <button type="button" disabled={busy} onClick={() => void guarded(async () => void (await open()))}>
            {text().tryIt}
          </button>
        )}
      </div>
    </form>
  );
}

/** Calls of the workspace that go on now. */
export function GoingOn() {
  const calls = useResource(
    async (signal) => (await ask(api.GET("/v1/calls", { params: { query: { status: "live" } }, signal }))).items,
    [],
    (event) => event.type.startsWith("call."),
  );
  usePoll(true, 10_000, calls.reload);
  return (
    <section class="card stack">
      <h2>{text().join}</h2>
      {calls.data?.length ? (
        <ul class="live-calls">
          {calls.data.map((call) => (
            <li key={call.id} class="row between">
              <span>
                {call.deal_name ?? call.source}{" "}
                <span class="muted">{text().since(moment(call.started_at ?? call.created_at))}</span>
              </span>
              <a class="button small" href={`/live/${call.id}`}>
                {text().watch}
              </a>
            </li>
          ))}
        </ul>
      ) : (
        <p class="muted">{text().joinNone}</p>
      )}
    </section>
  );
}
