// Lips: GStreamer's cameras flash and burst at one instant, and Chromium shows and plays both within
// 40 ms, as loud and as high as they were sent; whatever the way of the sound to the camera's
// payloader, and wherever its clocks stand.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { startWeir, until } from '../browser/weir.mjs';
import { Lips, median } from './lips.mjs';

const MOUNT = { width: 320, height: 240, fps: 25, gop: 25, flash: 1 };
const MOUNTS = {
  mulaw: { sound: 'mulaw' },
  opus: { sound: 'opus' },
  // Its sound leaves 200 ms behind the picture, with timestamps that wrap and a clock of 1970.
  late: { sound: 'alaw', late: 200, elsewhere: 1 },
};
/** A sine of half the full scale. */
const [LEVEL_DB, TONE_HZ] = [-9.03, 1000];
const LIPS_MS_MAX = 40;
/** Chromium moves picture and sound toward each other by 80 ms a second at most. */
const PATIENCE_MS = 30_000;
const BURSTS = 5;

let cameras, weir, browser, viewers;

before(async () => {
  const mounts = Object.entries(MOUNTS).map(([name, mount]) => ({ ...MOUNT, ...mount, path: `/${name}` }));
  cameras = await startCameras(mounts);
  const names = Object.keys(MOUNTS);
  weir = await startWeir({ cameras: names.map((name) => ({ name, url: cameras.url(`/${name}`) })) });
  browser = await launchChromium();
  // All at once: each takes its time to bring both together.
  viewers = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await open(name)])));
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

async function open(name) {
  await weir.ready(name);
  const options = { bypassCSP: true };
  const viewer = await Viewer.open(browser, `${weir.http}/${name}/`, () => {}, options);
  await viewer.picture();
  await viewer.page.getByRole('button', { name: 'Sound' }).click();
  return Lips.watch(viewer);
}

for (const name of Object.keys(MOUNTS)) {
  test(`${name}: what is seen and what is heard belong together`, async (t) => {
    const lips = viewers[name];
    let said;
    const last = await until('lips within 40 ms', PATIENCE_MS, async () => {
      const lags = (await lips.lags()).slice(-BURSTS);
      const apart = await lips.apart();
      said = `bursts behind flashes by ${lags.map(Math.round)} ms, by Chromium's own count ${apart} ms`;
      const isTogether = lags.length === BURSTS && Math.abs(median(lags)) < LIPS_MS_MAX;
      if (!isTogether || Math.abs(apart) >= LIPS_MS_MAX) throw new Error(said);
      return (await lips.noted()).bursts.slice(-BURSTS);
    });
    t.diagnostic(said);
    const [db, hz] = ['db', 'hz'].map((figure) => median(last.map((burst) => burst[figure])));
    t.diagnostic(`${db.toFixed(2)} dB, ${hz.toFixed(0)} Hz`);
    assert.ok(Math.abs(db - LEVEL_DB) < 2 && Math.abs(hz - TONE_HZ) < 10, `${db} dB, ${hz} Hz`);
  });
}
