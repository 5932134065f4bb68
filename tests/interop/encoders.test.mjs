// What cameras encode and how they pack it: x264's profiles, sliced pictures, payloaders that send
// small packets or whole NAL units. Each must play in Chromium, in its size and at its rate.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { startWeir } from '../browser/weir.mjs';

const FULL_HD = { profile: 'high', width: 1920, height: 1080, sliced: 1, threads: 2, kbps: 5000 };
const MOUNTS = {
  baseline: { profile: 'baseline' },
  main: { profile: 'main', width: 704, height: 576, fps: 15, gop: 15 },
  'high-1080p-sliced': { ...FULL_HD, fps: 15, gop: 15 },
  'mtu-1460': { profile: 'main', mtu: 1460 },
  // 20 KB a frame, each in one interleaved frame.
  'mtu-60000': { profile: 'main', width: 1280, height: 720, kbps: 4000, mtu: 60_000 },
};
const DEFAULTS = { width: 640, height: 360, fps: 25, gop: 25 };

let cameras, weir, browser;

before(async () => {
  const mounts = Object.entries(MOUNTS).map(([name, mount]) => ({ path: `/${name}`, ...mount }));
  cameras = await startCameras(mounts);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await cameras?.kill();
});

for (const [name, mount] of Object.entries(MOUNTS)) {
  test(name, async (t) => {
    // A server for each, so that only one mount at a time keeps an encoder busy.
    weir = await startWeir({ cameras: [{ name, url: cameras.url(`/${name}`) }] });
    t.after(() => weir.stop());
    const { width, height, fps } = { ...DEFAULTS, ...mount };
    await weir.ready(name);
    const viewer = await Viewer.open(browser, `${weir.http}/${name}/`);
    t.after(() => viewer.close());
    await viewer.picture(5_000);
    const { framesPerS } = await viewer.watchEachFrame(6, { weir, name }, fps);
    t.diagnostic(`${framesPerS.toFixed(2)} frames/s of ${fps}`);
    assert.deepEqual(await viewer.size(), { width, height });
    const shown = await weir.camera(name);
    assert.deepEqual(
      { width: shown.width, height: shown.height, codec: shown.codec },
      { width, height, codec: 'H264' },
    );
    assert.ok(Math.abs(shown.frames_per_s / fps - 1) < 0.2, `${shown.frames_per_s} frames/s shown`);
  });
}
