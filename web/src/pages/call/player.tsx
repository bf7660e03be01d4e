// The sound of the call: its waveform in two lanes, what each stretch was about under it, and the controls.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { asProblem } from "../../api/problem.ts";
import { clock, share } from "../../lib/format.ts";
import { useResource } from "../../lib/resource.ts";
import { theme } from "../../lib/theme.ts";
import { word } from "../../lib/vocabulary.ts";
import type { Analysis, Role } from "./document.ts";
import { useReading } from "./reading.ts";
import { RATES, type Sound } from "./sound.ts";
import { text } from "./text.ts";
import { ribbon, shareOf, sideOf, stageShares } from "./timeline.ts";

type Wave = Schemas["Waveform"];

const STEP_S = 5;
const LANE_PX = 24;
/** Full scale of a peak. */
const FULL = 255;

/** Canvases know no custom properties: the colour as it is now. */
function ink(at: HTMLElement, token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  at.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Whether dark colours are shown now. */
function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return theme.value === "system" ? dark : theme.value === "dark";
}

function Waveform({ wave, sound, sides }: { wave: Wave; sound: Sound; sides: readonly (Role | undefined)[] }) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    let close: (() => void) | undefined;
    let gone = false;
    void import("wavesurfer.js").then(({ default: WaveSurfer }) => {
      if (gone) return;
      const [faint, line] = [ink(at, "--line-strong"), ink(at, "--text")];
      const colours = { rep: ink(at, "--accent"), buyer: ink(at, "--good"), unknown: ink(at, "--muted") };
      const surfer = WaveSurfer.create({
        container: at,
        media: sound.media,
        peaks: wave.channels.map((peaks) => peaks.map((peak) => peak / FULL)),
        duration: wave.duration_s,
        height: LANE_PX,
        normalize: true,
        interact: false,
        cursorColor: line,
        cursorWidth: 1,
        barWidth: 2,
        barGap: 1,
        splitChannels: wave.channels.map((_, n) => ({
          waveColor: faint,
          progressColor: colours[sides[n] ?? "unknown"],
          height: LANE_PX,
        })),
      });
      close = () => surfer.destroy();
    });
    return () => {
      gone = true;
      close?.();
    };
  }, [wave, sound, dark, sides.join()]);
  return <div ref={box} class="call-wave" aria-hidden="true" />;
}

/** Moves through the recording by mouse, finger and keys; it lies over the waveform, or is seen where there is none. */
function Position({ sound, seen }: { sound: Sound; seen: boolean }) {
  return (
    <input
      type="range"
      class={seen ? "call-position" : "call-position over"}
      min={0}
      max={Math.ceil(sound.duration)}
      step={1}
      value={Math.round(sound.time.value)}
      aria-label={text().position}
      aria-valuetext={`${clock(sound.time.value)} / ${clock(sound.duration)}`}
      onInput={(event) => sound.seek(Number(event.currentTarget.value))}
    />
  );
}

/** What stage fits its word is told from its width. */
const LETTER_PX = 7;

function Ribbon({ analysis }: { analysis: Analysis }) {
  const reading = useReading();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const at = box.current;
    if (!at) return;
    const watch = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const timed = reading.sound ? analysis.call.duration_s : null;
  const stretches = useMemo(() => ribbon(analysis.segments, analysis.turns, timed), [analysis, timed]);
  const shares = stageShares(stretches).map(([stage, part]) => `${word("stages", stage)} ${share(part)}`);
  return (
    <div ref={box} class="call-ribbon" role="img" aria-label={text().ribbon(shares.join(", "))}>
      {stretches.map(({ stage, turn, from, to }) => {
        const name = word("stages", stage);
        return (
          <span
            key={turn}
            class="call-stretch"
            title={name}
            style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%`, "--stage": `var(--stage-${stage})` }}
            onClick={() => reading.go(turn)}
          >
            {(to - from) * width > name.length * LETTER_PX + 10 ? name : ""}
          </span>
        );
      })}
    </div>
  );
}

/** Signals of each side, and the words that the verdict stands on. For the eye and the mouse: keys use the transcript. */
function Marks({ analysis }: { analysis: Analysis }) {
  const reading = useReading();
  const timed = reading.sound ? analysis.call.duration_s : null;
  const marks = useMemo(() => {
    const proofs = new Set(analysis.deal.elements.flatMap((element) => element.evidence.map((one) => one.turn)));
    return analysis.turns
      .filter((turn) => turn.signals.length > 0 || proofs.has(turn.i))
      .map((turn) => ({ turn, proof: proofs.has(turn.i), at: shareOf(analysis.turns, turn.i, timed) }));
  }, [analysis, timed]);
  return (
    <div class="call-marks" aria-hidden="true">
      {marks.map(({ turn, proof, at }) => {
        const signals = turn.signals.map((signal) => word("signals", signal.id));
        const said = [word("roles", turn.role), ...signals, proof && text().evidence].filter(Boolean).join(" · ");
        return (
          <span
            key={turn.i}
            class={`call-mark ${turn.role} ${proof ? "proof" : ""}`}
            title={turn.start_s == null ? said : `${clock(turn.start_s)} · ${said}`}
            style={{ left: `${at * 100}%` }}
            onClick={() => reading.go(turn.i)}
          />
        );
      })}
    </div>
  );
}

function Controls({ sound }: { sound: Sound }) {
  const reading = useReading();
  const playing = sound.playing.value;
  const said = playing ? text().pause : text().play;
  return (
    <div class="row call-controls">
      <button
        class="small"
        aria-label={text().back}
        title={text().back}
        onClick={() => sound.seek(sound.time.value - STEP_S)}
      >
        −5
      </button>
      <button class="primary small call-play" aria-label={said} onClick={() => sound.toggle()}>
        <span aria-hidden="true">{playing ? "❚❚" : "▶"}</span>
        <span class="call-word">{said}</span>
      </button>
      <button
        class="small"
        aria-label={text().ahead}
        title={text().ahead}
        onClick={() => sound.seek(sound.time.value + STEP_S)}
      >
        +5
      </button>
      <span class="call-clock">
        {clock(sound.time.value)} / {clock(sound.duration)}
      </span>
      <label class="call-speed">
        <span class="sr-only">{text().speed}</span>
        <select value={sound.rate.value} onChange={(event) => sound.speed(Number(event.currentTarget.value))}>
          {RATES.map((rate) => (
            <option key={rate} value={rate}>
              {rate}×
            </option>
          ))}
        </select>
      </label>
      <button
        class="small call-follow"
        aria-pressed={reading.follow.value}
        title={text().followHint}
        onClick={() => (reading.follow.value = !reading.follow.value)}
      >
        {text().follow}
      </button>
      <span class="muted call-keys">{text().keys}</span>
    </div>
  );
}

/** Keys that are nobody else's: where one types or chooses, they mean what they mean there. */
function useKeys(sound: Sound): void {
  useEffect(() => {
    let clicked: Element | null = null;
    const point = (event: Event) => (clicked = (event.target as Element).closest("button, a, summary"));
    const press = (event: KeyboardEvent) => {
      const at = event.target as HTMLElement;
      if (event.key === "Tab") clicked = null;
      if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
      if (at.closest("input, select, textarea, [contenteditable], dialog, [popover]")) return;
      if (event.key === " ") {
        // A button that the keyboard came to is pressed by it; one that was clicked is done with.
        const button = at.closest("button, a, summary");
        if (button && button !== clicked) return;
        at.blur();
        sound.toggle();
      } else if (event.key === "ArrowLeft") sound.seek(sound.time.value - STEP_S);
      else if (event.key === "ArrowRight") sound.seek(sound.time.value + STEP_S);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    addEventListener("pointerdown", point);
    return () => {
      removeEventListener("keydown", press);
      removeEventListener("pointerdown", point);
    };
  }, [sound]);
}

function SoundLanes({ callId, analysis, sound }: { callId: string; analysis: Analysis; sound: Sound }) {
  const wave = useResource<Wave | null>(
    (signal) =>
      ask(api.GET("/v1/calls/{id}/waveform", { params: { path: { id: callId } }, signal })).catch((error: unknown) => {
        // Calls of before there were waveforms have none.
        if ([404, 410].includes(asProblem(error).status)) return null;
        throw error;
      }),
    [callId],
  );
  useKeys(sound);
  const channels = wave.data?.channels.length ?? 0;
  const sides = useMemo(
    () => (channels === 2 ? [sideOf(analysis.turns, "left"), sideOf(analysis.turns, "right")] : [undefined]),
    [analysis, channels],
  );
  return (
    <>
      <div class="call-names" aria-hidden="true">
        {channels === 2 &&
          sides.map((side, n) => (
            <span key={n} class={side ?? "unknown"}>
              {text().lane[side ?? "unknown"]}
            </span>
          ))}
      </div>
      <div class="call-waves">
        {wave.data && channels > 0 && <Waveform wave={wave.data} sound={sound} sides={sides} />}
        <Position sound={sound} seen={channels === 0} />
      </div>
    </>
  );
}

export function Player({ callId, analysis }: { callId: string; analysis: Analysis }) {
  const { sound } = useReading();
  const box = useRef<HTMLElement>(null);
  // What stays in view under the player must know how high it is.
  useLayoutEffect(() => {
    const at = box.current;
    if (!at) return;
    const watch = new ResizeObserver(() => {
      at.parentElement?.style.setProperty("--call-player", `${at.offsetHeight}px`);
    });
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  return (
    <section ref={box} class="call-player card" aria-label={sound ? text().player : text().stages}>
      {sound && <Controls sound={sound} />}
      {sound?.failed.value && <p class="muted">{text().noSound}</p>}
      <div class="call-tracks">
        {sound && <SoundLanes callId={callId} analysis={analysis} sound={sound} />}
        <span class="call-track-name" aria-hidden="true">
          {text().marks}
        </span>
        <Marks analysis={analysis} />
        <span class="call-track-name" aria-hidden="true">
          {text().stages}
        </span>
        <div>
          <Ribbon analysis={analysis} />
          <PlayHead analysis={analysis} />
        </div>
      </div>
    </section>
  );
}

/** Without a waveform the ribbon shows where the sound is. */
function PlayHead({ analysis }: { analysis: Analysis }) {
  const { sound } = useReading();
  const line = useRef<HTMLDivElement>(null);
  useSignalEffect(() => {
    if (!sound || !line.current) return;
    line.current.style.left = `${(sound.time.value / (analysis.call.duration_s || sound.duration || 1)) * 100}%`;
  });
  return (
    sound && (
      <div class="call-track" aria-hidden="true">
        <div ref={line} class="call-track-line" />
      </div>
    )
  );
}
