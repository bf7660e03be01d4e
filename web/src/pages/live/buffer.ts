// Sound that was captured and may not have reached the server yet: the last of it, with its place in the whole call.

/** Bytes of a call from `start` to `end`. What is older than the buffer can hold is gone. */
export class SoundBuffer {
  private chunks: Uint8Array[] = [];
  private first = 0;
  private held = 0;
  readonly most: number;

  constructor(most: number, start = 0) {
    this.most = most;
    this.first = start;
  }

  /** Place of the first byte that is held. */
  get start(): number {
    return this.first;
  }

  /** Place behind the last byte. */
  get end(): number {
    return this.first + this.held;
  }

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.held += chunk.length;
    while (this.held > this.most) this.dropFirst();
  }

  /** Up to `most` bytes from `place` on; of what is gone, silence: what comes after keeps its time. */
  read(place: number, most: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(Math.max(0, Math.min(most, this.end - place)));
    let at = this.first;
    for (const chunk of this.chunks) {
      const from = Math.max(place, at);
      const to = Math.min(place + out.length, at + chunk.length);
      if (from < to) out.set(chunk.subarray(from - at, to - at), from - place);
      at += chunk.length;
      if (at >= place + out.length) break;
    }
    return out;
  }

  private dropFirst(): void {
    const gone = this.chunks.shift();
    if (!gone) return;
    this.first += gone.length;
    this.held -= gone.length;
  }
}
