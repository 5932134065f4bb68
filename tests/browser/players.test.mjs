// WHEP players that nobody here wrote, on a site of their own: what each does is in docs/api.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { openPortal } from './portal.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { freeTcpPort, freeUdpPort, sleep, startWeir, until } from './weir.mjs';

const FPS = 25;
let cameras, weir, browser, portal;

before(async () => {
  portal = await openPortal();
  cameras = await startCameras([{ path: '/gate', fps: FPS, gop: 25 }]);
  const ports = {
    http: await freeTcpPort(),
    media: await freeUdpPort(),
    diagnostics: await freeTcpPort(),
  };
  weir = await startWeir({
    ports,
    cameras: [{ name: 'gate', url: cameras.url('/gate') }],
    http: { origins: ['*'] },
    // One candidate: whip-whep 1.2.0 writes a comma between several after an ICE restart.
    webrtc: { announce: [`127.0.0.1:${ports.media}`] },
  });
  browser = await launchChromium();
  await weir.ready('gate');
});

after(async () => {
  portal?.close();
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

/** Opens a player's page; `asked` is what it asks weir and what weir answers. */
async function openPlayer(player) {
  const viewer = await Viewer.open(browser, `${portal.site}/${player}`);
  const { page } = viewer;
  viewer.asked = [];
  page.on('response', async (response) => {
    const request = response.request();
    if (!response.url().startsWith(weir.http) || request.method() === 'OPTIONS') return;
    viewer.asked.push({
      method: request.method(),
      status: response.status(),
      body: request.postData() ?? '',
      ifMatch: request.headers()['if-match'],
    });
  });
  await page.waitForFunction(() => window.isReady);
  return viewer;
}

const play = (viewer, camera) =>
  viewer.page.evaluate((url) => window.open(url), `${weir.http}/${camera}/whep`);
const methods = (viewer) => viewer.asked.map(({ method, status }) => `${method} ${status}`);

async function stopAndLook(viewer) {
  const living = (await weir.sessions()).find(({ state }) => state === 'live');
  await viewer.page.evaluate(() => window.stop());
  const ended = await until('weir saw the end', 2_000, async () => {
    const session = (await weir.sessions()).find(({ id }) => id === living.id);
    return session?.state === 'ended' && session;
  });
  assert.equal(ended.reason, 'ended by the player');
  assert.equal(methods(viewer).at(-1), 'DELETE 200');
  await viewer.close();
}

test('docs/api.md has these versions of the players', () => {
  const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
  const installed = JSON.parse(read('package.json')).dependencies;
  for (const name of ['whip-whep', '@eyevinn/webrtc-player']) {
    assert.ok(read('../../docs/api.md').includes(`| \`${name}\` ${installed[name]} |`), name);
  }
});

test('whip-whep plays, trickles its candidates, and stops', async () => {
  const viewer = await openPlayer('whip-whep');
  await play(viewer, 'gate');
  await viewer.picture(5_000);
  await viewer.watchEachFrame(5, { weir, name: 'gate' }, FPS);
  assert.equal(methods(viewer)[0], 'POST 201');
  const patches = viewer.asked.filter(({ method }) => method === 'PATCH');
  assert.ok(patches.length > 0, 'it trickles');
  assert.ok(patches.every(({ status }) => status === 204), methods(viewer).join(', '));
  assert.ok(patches.some(({ body }) => body.includes('a=candidate:')));
  await stopAndLook(viewer);
});

test('whip-whep restarts ICE, twice, and the picture goes on', async () => {
  const viewer = await openPlayer('whip-whep');
  await play(viewer, 'gate');
  await viewer.picture(5_000);
  for (const round of [1, 2]) {
    await sleep(1_200);
    const asked = viewer.asked.length;
    const watching = viewer.watchEachFrame(4, { weir, name: 'gate' }, FPS);
    await viewer.page.evaluate(() => window.restart());
    const { after } = await watching;
    const restarted = viewer.asked.slice(asked).find(({ ifMatch }) => ifMatch === '*');
    assert.deepEqual([round, restarted?.method, restarted?.status], [round, 'PATCH', 200]);
    const others = viewer.asked.slice(asked).filter((patch) => patch !== restarted);
    assert.ok(others.every(({ status }) => status === 204), methods(viewer).join(', '));
    assert.equal(after.freezeCount, 0);
  }
  await stopAndLook(viewer);
});

test('Eyevinn’s player gathers first, offers sound too, plays, and stops', async () => {
  const viewer = await openPlayer('eyevinn');
  await play(viewer, 'gate');
  await viewer.picture(7_000);
  await viewer.watchEachFrame(5, { weir, name: 'gate' }, FPS);
  assert.deepEqual(methods(viewer), ['POST 201']);
  assert.match(viewer.asked[0].body, /^m=audio /m);
  assert.match(viewer.asked[0].body, /^a=candidate:/m);
  await stopAndLook(viewer);
});

test('both say that a camera is unknown', async () => {
  const first = await openPlayer('whip-whep');
  await assert.rejects(play(first, 'attic'), /Request rejected with status 404/);
  await first.close();
  const second = await openPlayer('eyevinn');
  await play(second, 'attic');
  await until('it says so', 5_000, async () => {
    const said = await second.page.evaluate(() => window.said);
    return said.includes('initial-connection-failed');
  });
  assert.deepEqual(methods(second), ['POST 404']);
  await second.close();
});

test('Eyevinn’s player finds a weir that was killed and is back', async (t) => {
  const viewer = await openPlayer('eyevinn');
  await play(viewer, 'gate');
  await viewer.picture(7_000);
  await weir.kill('SIGKILL');
  await weir.start();
  await weir.ready('gate');
  const start = performance.now();
  await until('it posts again', 40_000, () => viewer.asked.length > 1);
  await viewer.playing(10_000);
  t.diagnostic(`playing again after ${Math.round(performance.now() - start)} ms`);
  await viewer.close();
});
