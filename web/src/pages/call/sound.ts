// The recording as it is played. The browser asks for the parts it needs; nothing is decoded whole here.
import { signal } from "@preact/signals";

export const RATES = [1, 1.25, 1.5, 1.75, 2] as const;

export class Sound {
  readonly media: HTMLAudioElement;
  readonly time = signal(0);
  readonly playing = signal(false);
  /** Whether it was played or moved at all. */
  readonly started = signal(false);
  readonly rate = signal(1);
  readonly failed = signal(false);
  readonly duration: number;

  constructor(address: string, duration: number) {
    this.duration = duration;
    this.media = document.createElement("audio");
    this.media.preload = "metadata";
    this.media.src = address;
    const now = () => (this.time.value = this.media.currentTime);
    this.media.addEventListener("timeupdate", now);
    this.media.addEventListener("seeking", now);
    this.media.addEventListener("play", () => (this.playing.value = this.started.value = true));
    this.media.addEventListener("pause", () => (this.playing.value = false));
    this.media.addEventListener("error", () => (this.failed.value = true));
  }

  play(): void {
    // Refused where the browser wants a click first, and when something else is asked for at once: no error to show.
    this.media.play().catch(() => undefined);
  }

  toggle(): void {
    if (this.media.paused) this.play();
    else this.media.pause();
  }

  seek(second: number): void {
    const to = Math.min(Math.max(second, 0), this.duration);
    this.started.value = true;
    this.time.value = to;
    this.media.currentTime = to;
  }

  /** Quicker speech keeps its pitch: browsers do that by themselves. */
  speed(rate: number): void {
    this.rate.value = rate;
    this.media.playbackRate = rate;
  }

  close(): void {
    this.media.pause();
    this.media.removeAttribute("src");
    this.media.load();
  }
}
