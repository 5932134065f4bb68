// In a page of weir's: when its picture flashes and its sound bursts, each as Chromium says that it
// is seen and heard, and how loud and high the bursts are.

/** Runs on the page's audio thread: the bursts of a sound, by the context's clock. */
const BURSTS = `
registerProcessor('bursts', class extends AudioWorkletProcessor {
  constructor() {
    super();
    Object.assign(this, { quiet: 0, at: null });
  }

  process([[samples]]) {
    for (let i = 0; i < (samples?.length ?? 0); i += 1) this.take(samples[i], currentFrame + i);
    return true;
  }

  take(sample, frame) {
    const isLoud = Math.abs(sample) > 0.05;
    if (this.at === null && isLoud && this.quiet > sampleRate / 4) {
      Object.assign(this, { at: frame, squares: 0, count: 0, rises: 0, last: sample });
    }
    this.quiet = isLoud ? 0 : this.quiet + 1;
    if (this.at === null) return;
    const since = (frame - this.at) / sampleRate;
    // Not its edges.
    if (since > 0.03 && since < 0.13) {
      this.squares += sample * sample;
      this.count += 1;
      if (this.last < 0 && sample >= 0) this.rises += 1;
    }
    this.last = sample;
    if (since > 0.15) {
      const db = 10 * Math.log10(this.squares / this.count);
      this.port.postMessage({ at: this.at / sampleRate, db, hz: (this.rises * sampleRate) / this.count });
      this.at = null;
    }
  }
});`;

/** Begins to note flashes and bursts in the page, in `window.lips`. */
async function watch(bursts) {
  const video = document.querySelector('video');
  const lips = { flashes: [], bursts: [] };
  window.lips = lips;

  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([bursts], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(context, 'bursts', { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => {
    // One instant by both clocks; what is rendered is heard after the output's latency. What this way
    // adds to Chromium's own playout is between nothing and what the context says of itself.
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    const added = (context.outputLatency + context.baseLatency) / 2;
    const at = performanceTime + (data.at - contextTime - added) * 1000;
    lips.bursts.push({ ...data, at });
  };
  context.createMediaStreamSource(video.srcObject).connect(node);
  await context.resume();

  const canvas = new OffscreenCanvas(4, 4).getContext('2d', { willReadFrequently: true });
  let wasWhite = true;
  const seen = (now, { expectedDisplayTime }) => {
    canvas.drawImage(video, 0, 0, 4, 4);
    const isWhite = canvas.getImageData(0, 0, 1, 1).data[1] > 128;
    if (isWhite && !wasWhite) lips.flashes.push({ at: expectedDisplayTime });
    wasWhite = isWhite;
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
}

/** How far the picture that is shown is ahead of the sound that is played, by Chromium, in ms. */
async function apart() {
  const newest = window.connectionsMade.filter((c) => c.connectionState === 'connected').at(-1);
  const report = [...(await newest.getStats()).values()].filter(({ type }) => type === 'inbound-rtp');
  const at = (kind) => report.find((each) => each.kind === kind)?.estimatedPlayoutTimestamp;
  return at('video') - at('audio');
}

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** A page's picture and sound, watched. */
export class Lips {
  constructor({ page }) {
    this.page = page;
  }

  static async watch(viewer) {
    const lips = new Lips(viewer);
    await lips.page.evaluate(watch, BURSTS);
    return lips;
  }

  apart() {
    return this.page.evaluate(apart);
  }

  noted() {
    return this.page.evaluate(() => window.lips);
  }

  /** For each flash how much later the nearest burst is, in ms; of those that have one by now. */
  async lags() {
    const { flashes, bursts } = await this.noted();
    const nearest = (at) => bursts.map((burst) => burst.at - at).sort((a, b) => Math.abs(a) - Math.abs(b))[0];
    return flashes.map(({ at }) => nearest(at)).filter((lag) => Math.abs(lag) < 500);
  }
}
