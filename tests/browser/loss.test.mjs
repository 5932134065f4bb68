// Lost packets, through a relay that drops them on their way to Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { behindRelay } from './relay.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep } from './weir.mjs';

const GOP_S = 2;
const CAMERA = { path: '/gate', fps: 25, gop: 25 * GOP_S, kbps: 2000 };

let cameras, browser;

before(async () => {
  cameras = await startCameras([CAMERA]);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await cameras?.kill();
});

/** A server behind a relay and a viewer with a picture; closed again after the test. */
async function throughRelay(t, relayOptions, webrtc) {
  const gate = { name: 'gate', url: cameras.url('/gate') };
  const { relay, weir } = await behindRelay(t, gate, { webrtc, ...relayOptions });
  const viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  t.after(() => viewer.close());
  await viewer.picture();
  return { relay, weir, viewer };
}

async function liveSession(weir) {
  const live = (await weir.sessions()).filter(({ state }) => state === 'live');
  assert.equal(live.length, 1);
  return live[0];
}

test('every 100th packet lost: no freeze, each one sent again', async (t) => {
  const { relay, weir, viewer } = await throughRelay(t, { every: 100 });
  await viewer.watchEachFrame(20, { weir, name: 'gate' }, CAMERA.fps);
  const { resends } = await liveSession(weir);
  t.diagnostic(`${relay.dropped.length} of ${relay.first} dropped, ${resends} sent again`);
  assert.ok(relay.dropped.length >= 20, 'the relay carried the media');
  assert.ok(resends >= relay.dropped.length - 2, 'all but those under way were sent again');
  assert.ok(relay.repeated >= relay.dropped.length - 2);
});

test('resend = false: after one lost packet the next key frame heals the picture', async (t) => {
  const { relay, weir, viewer } = await throughRelay(t, {}, { resend: false });
  const { after } = await viewer.watch(3);
  relay.dropOne();
  await sleep((GOP_S + 1) * 1000);
  assert.equal(relay.dropped.length, 1);
  const healed = await viewer.watchEachFrame(5, { weir, name: 'gate' }, CAMERA.fps);
  assert.equal(healed.after.connection, after.connection, 'no new connection was needed');
  assert.ok(healed.before.keyFramesDecoded > after.keyFramesDecoded);
  const { resends } = await liveSession(weir);
  assert.equal(resends, 0);
  assert.equal(relay.repeated, 0);
});
