// `weir demo` in a browser: the picture comes at once, runs as the camera sends it, encrypted with
// an AEAD cipher, and the list of cameras tells the truth about it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { GCM_CIPHER, Viewer, launchChromium } from './viewer.mjs';
import { startDemo } from './weir.mjs';

const DEMO_FPS = 25;

let weir, browser, viewer, camera;

before(async () => {
  weir = await startDemo();
  browser = await launchChromium();
  const { cameras } = await weir.json('/api/cameras');
  camera = await weir.ready(cameras[0].name);
});

after(async () => {
  await browser?.close();
  await weir?.stop();
});

test('the picture is there in under 3 s', async () => {
  viewer = await Viewer.open(browser, `${weir.http}/${camera.name}/`);
  const ms = await viewer.picture(3_000);
  assert.ok(ms < 3_000, `${ms} ms`);
});

test('frames are decoded at the rate of the camera for 20 s, without a freeze', async (t) => {
  const watched = await viewer.watchEachFrame(20, { weir, name: camera.name }, DEMO_FPS);
  const { frames_per_s } = await weir.camera(camera.name);
  assert.ok(Math.abs(frames_per_s / DEMO_FPS - 1) < 0.05, `${frames_per_s} by /api/cameras`);
  t.diagnostic(`${watched.framesPerS.toFixed(2)} frames/s decoded, ${frames_per_s} by /api/cameras`);
  const dropped = ({ framesDropped }) => framesDropped ?? 0;
  assert.equal(dropped(watched.after), dropped(watched.before));
});

test('SRTP is AES-GCM', async () => {
  const { srtpCipher } = await viewer.stats();
  assert.match(srtpCipher, GCM_CIPHER);
});

test('a screenshot is not black', async (t) => {
  const { mean, deviation } = await viewer.brightness();
  t.diagnostic(`luma ${mean.toFixed(0)}, standard deviation ${deviation.toFixed(0)}`);
  assert.ok(mean > 10 && deviation > 10);
});

test('the list shows its true size and rate', async () => {
  const { width, height } = await viewer.size();
  const { framesPerS } = await viewer.watch(4);
  const list = await Viewer.open(browser, `${weir.http}/?table`);
  const row = list.page.locator('tr', { hasText: camera.name }).first();
  assert.match(await row.innerText(), new RegExp(`\\b${width}\\s*[x×]\\s*${height}\\b`));
  const shown = Number.parseFloat(await row.locator('.frames').innerText());
  assert.ok(Math.abs(shown - framesPerS) < 1, `${shown} against ${framesPerS.toFixed(2)} frames/s`);
  await list.close();
});
