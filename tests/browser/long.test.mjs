// A viewer that stays.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { startWeir, until } from './weir.mjs';

const GATE = { path: '/gate', fps: 25, gop: 25 };

let cameras, weir, browser;

before(async () => {
  cameras = await startCameras([GATE]);
  weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url('/gate') }] });
  browser = await launchChromium();
  await weir.ready('gate');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

test('a viewer runs for 90 s, long after the memory of its handshake was freed', async (t) => {
  const viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  await viewer.picture(3_000);
  const handshakes = () => weir.metric('weir_handshakes');
  await until('no handshake is left', 5_000, async () => (await handshakes()) === 0);
  t.diagnostic(`library heap: ${await weir.metric('weir_library_heap_used_bytes')} bytes in use`);
  for (let part = 0; part < 9; part += 1) {
    await viewer.watchEachFrame(10, { weir, name: 'gate' }, GATE.fps);
    assert.equal(await handshakes(), 0);
  }
  await viewer.close();
});
