// Sound of this computer: the microphone, and where the browser can, what others say in a tab or the system.
import { signal } from "@preact/signals";
import workletUrl from "./capture.worklet.js?url";

/** The recogniser's own rate: nothing is gained by more. */
const RATE = 16_000;
/** Quieter peaks (of 1) are no speech. */
const AUDIBLE = 0.01;

export type Source = "microphone" | "both";

/** A browser that can give the sound of another tab asks people which one. */
export const canHearOthers = typeof navigator.mediaDevices?.getDisplayMedia === "function";
/** Only on HTTPS and on this very machine does a browser give a page the microphone. */
export const canHear = typeof navigator.mediaDevices?.getUserMedia === "function" && "AudioWorkletNode" in globalThis;

export interface Device {
  id: string;
  label: string;
}

/** Why there is no sound, for words to people. */
export type SoundProblem = "denied" | "none" | "busy" | "no_others" | "other";

export class SoundError extends Error {
  readonly kind: SoundProblem;

  constructor(kind: SoundProblem, cause: unknown) {
    super(kind, { cause });
    this.kind = kind;
  }
}

function kindOf(error: unknown): SoundProblem {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "other";
}

export class Sound {
  /** 0–1, of each channel. */
  readonly levels = signal<readonly number[]>([]);
  readonly devices = signal<readonly Device[]>([]);
  readonly device = signal("");
  /** Channels whose source has gone: unplugged, or no longer shared. */
  readonly gone = signal<readonly ("rep" | "buyer")[]>([]);
  /** When each channel was last loud enough for speech (ms of the clock). */
  readonly heardAt: number[];
  onPiece: ((pcm: Uint8Array) => void) | undefined;

  private microphone: { stream: MediaStream; node: AudioNode } | undefined;
  private others: MediaStream | undefined;

  private constructor(
    private readonly context: AudioContext,
    private readonly capture: AudioWorkletNode,
    readonly source: Source,
  ) {
    this.heardAt = Array.from({ length: this.channels }, () => Date.now());
    capture.port.onmessage = (event: MessageEvent<{ pcm: ArrayBuffer; peaks: number[] }>) => {
      event.data.peaks.forEach((peak, channel) => {
        if (peak > AUDIBLE) this.heardAt[channel] = Date.now();
      });
      this.levels.value = event.data.peaks;
      this.onPiece?.(new Uint8Array(event.data.pcm));
    };
    navigator.mediaDevices.addEventListener("devicechange", this.listDevices);
  }

  get rate(): number {
    return this.context.sampleRate;
  }

  get channels(): 1 | 2 {
    return this.source === "both" ? 2 : 1;
  }

  /** Asks people for the sound; must come from a click. `rate`: that of a call which goes on. */
  static async open(source: Source, device = "", rate = RATE): Promise<Sound> {
    // The question for the tab must come first: the click is used up by the time the microphone is there.
    const others = source === "both" ? await shared() : undefined;
    let context: AudioContext | undefined;
    try {
      const stream = await microphone(device, source);
      context = await contextFor(stream, rate);
      await context.audioWorklet.addModule(workletUrl);
      const capture = new AudioWorkletNode(context, "capture", {
        numberOfInputs: source === "both" ? 2 : 1,
        numberOfOutputs: 1,
        channelCount: 1,
        channelCountMode: "explicit",
      });
      // Its output is silent; without a way to the end nothing is asked of it.
      capture.connect(context.destination);
      const sound = new Sound(context, capture, source);
      sound.plug(stream);
      if (others) sound.share(others);
      await sound.listDevices();
      return sound;
    } catch (error) {
      others?.getTracks().forEach((track) => track.stop());
      void context?.close();
      throw error instanceof SoundError ? error : new SoundError(kindOf(error), error);
    }
  }

  /** Another microphone, also while the call goes on. */
  async choose(device: string): Promise<void> {
    try {
      this.plug(await microphone(device, this.source));
    } catch (error) {
      throw new SoundError(kindOf(error), error);
    }
  }

  close(): void {
    if (this.context.state === "closed") return;
    navigator.mediaDevices.removeEventListener("devicechange", this.listDevices);
    this.onPiece = undefined;
    this.capture.port.onmessage = null;
    for (const stream of [this.microphone?.stream, this.others]) stream?.getTracks().forEach((track) => track.stop());
    void this.context.close();
  }

  private plug(stream: MediaStream): void {
    this.microphone?.node.disconnect();
    this.microphone?.stream.getTracks().forEach((track) => track.stop());
    const node = this.context.createMediaStreamSource(stream);
    node.connect(this.capture, 0, 0);
    this.microphone = { stream, node };
    const track = stream.getAudioTracks()[0];
    this.device.value = track?.getSettings().deviceId ?? "";
    this.gone.value = this.gone.value.filter((role) => role !== "rep");
    track?.addEventListener("ended", () => this.microphone?.stream === stream && this.lose("rep"));
  }

  private share(stream: MediaStream): void {
    this.others = stream;
    this.context.createMediaStreamSource(stream).connect(this.capture, 0, 1);
    stream.getAudioTracks()[0]?.addEventListener("ended", () => this.lose("buyer"));
  }

  private lose(role: "rep" | "buyer"): void {
    this.gone.value = [...this.gone.value.filter((other) => other !== role), role];
  }

  private readonly listDevices = async (): Promise<void> => {
    const all = await navigator.mediaDevices.enumerateDevices();
    const inputs = all.filter((device) => device.kind === "audioinput");
    this.devices.value = inputs.map((device, n) => ({ id: device.deviceId, label: device.label || String(n + 1) }));
  };
}

function microphone(device: string, source: Source): Promise<MediaStream> {
  // Alone it shall hear the loudspeaker too; beside the tab's own sound it shall not.
  const echoCancellation = source === "both";
  return navigator.mediaDevices.getUserMedia({
    audio: {
      ...(device ? { deviceId: { exact: device } } : {}),
      channelCount: 1,
      echoCancellation,
      noiseSuppression: echoCancellation,
      autoGainControl: true,
    },
  });
}

/** Sound of what people pick. Browsers give it only with a picture, which is not looked at. */
async function shared(): Promise<MediaStream> {
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ audio: true, video: true });
  } catch (error) {
    throw new SoundError(kindOf(error) === "denied" ? "no_others" : kindOf(error), error);
  }
  if (stream.getAudioTracks().length === 0) {
    stream.getTracks().forEach((track) => track.stop());
    throw new SoundError("no_others", undefined);
  }
  // Ending the picture's track would end the sound with it in some browsers: it is only switched off.
  for (const track of stream.getVideoTracks()) track.enabled = false;
  return stream;
}

async function contextFor(stream: MediaStream, rate: number): Promise<AudioContext> {
  const context = new AudioContext({ sampleRate: rate, latencyHint: "playback" });
  try {
    context.createMediaStreamSource(stream);
    await context.resume();
    return context;
  } catch {
    // Firefox joins no sources of another rate: then theirs goes over the wire.
    await context.close();
    const own = new AudioContext();
    await own.resume();
    return own;
  }
}
