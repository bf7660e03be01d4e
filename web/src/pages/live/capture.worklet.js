// Runs beside the page, on the thread of the sound: joins the inputs (one channel each) to 16-bit PCM, the lower byte first,
// and tells how loud each was.

const PIECE_S = 0.1;

class Capture extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.channels = options.numberOfInputs;
    this.frames = Math.round(sampleRate * PIECE_S);
    this.begin();
  }

  begin() {
    this.pcm = new DataView(new ArrayBuffer(this.frames * this.channels * 2));
    this.peaks = new Array(this.channels).fill(0);
    this.filled = 0;
  }

  process(inputs) {
    for (let i = 0; i < 128; i++) {
      for (let channel = 0; channel < this.channels; channel++) {
        // A source that is silent or gone has no channels.
        const sample = Math.max(-1, Math.min(1, inputs[channel]?.[0]?.[i] ?? 0));
        this.peaks[channel] = Math.max(this.peaks[channel], Math.abs(sample));
        this.pcm.setInt16((this.filled * this.channels + channel) * 2, Math.round(sample * 32767), true);
      }
      if (++this.filled === this.frames) {
        const { buffer } = this.pcm;
        this.port.postMessage({ pcm: buffer, peaks: this.peaks }, [buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
