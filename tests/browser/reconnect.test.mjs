// What goes away and comes back: a camera, the server. The page finds its picture again by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep, startWeir } from './weir.mjs';

let cameras, weir, browser, viewer;

before(async () => {
  cameras = await startCameras([{ path: '/gate', gop: 25 }]);
  weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url('/gate') }] });
  browser = await launchChromium();
  await weir.ready('gate');
  viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  await viewer.picture(3_000);
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

test('a camera that was away for 5 s is back without a reload', async () => {
  await cameras.kill();
  await sleep(5_000);
  const { state, reason } = await weir.camera('gate');
  assert.notEqual(state, 'playing');
  assert.ok(reason);
  await cameras.start();
  await viewer.playing(15_000);
});

test('a server that was killed and started again is found without a reload', async () => {
  await weir.kill('SIGKILL');
  await sleep(3_000);
  await weir.start();
  await viewer.playing(20_000);
});

test('a server that was stopped in good order is found again too', async () => {
  assert.equal(await weir.kill('SIGTERM'), 0);
  await sleep(3_000);
  await weir.start();
  await viewer.playing(20_000);
});
