// Firefox as a viewer: the wall, a camera's page, and what it is told without its H.264.

import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { startClips } from './clips.mjs';
import { Relay } from './relay.mjs';
import { visible, watchedAre } from './tiles.mjs';
import { GCM_CIPHER, Viewer, launchFirefox, recordConnections } from './viewer.mjs';
import { startWeir, until } from './weir.mjs';

const COUNT = 9;
const FPS = 15;
const CLIP = { source: 'testsrc2=size=320x180', seconds: 4, fps: FPS, kbps: 500 };
const WINDOW = { width: 1280, height: 720 };
const NAMES = Array.from({ length: COUNT }, (_, index) => `cam-${index + 1}`);

let clips, weir;

before(async () => {
  clips = await startClips({ clip: CLIP });
  weir = await startWeir({ cameras: NAMES.map((name) => ({ name, url: clips.url('clip') })) });
  for (const name of NAMES) await weir.ready(name);
});

after(async () => {
  await weir?.stop();
  clips?.close();
});

/** Opens a page in a Firefox of its own; what its scripts throw is in `page.errors`. */
async function open(t, path, options) {
  const browser = await launchFirefox(options);
  t.after(() => browser.close());
  const context = await browser.newContext({ viewport: WINDOW });
  await context.addInitScript(recordConnections);
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.message));
  await page.goto(new URL(path, weir.http).href);
  return page;
}

/** Waits until these cameras' tiles play, and no others. */
const playing = (page, names, limitMs = 15_000) =>
  until(`the tiles of ${names} play`, limitMs, async () => {
    const states = await page.evaluate(() => window.weir.wall.states);
    const found = NAMES.filter((name) => states[name] === 'playing');
    if (isDeepStrictEqual(found, names)) return true;
    throw new Error(JSON.stringify(states));
  });

/** Frames that each living connection of the page decoded so far. */
const decoded = (page) =>
  page.evaluate(() => {
    const living = window.connectionsMade.filter((one) => one.connectionState === 'connected');
    return Promise.all(
      living.map(async (connection) => {
        const reports = [...(await connection.getStats()).values()];
        return reports.find(({ type }) => type === 'inbound-rtp').framesDecoded;
      }),
    );
  });

test(`in Firefox ${COUNT} cameras play, and those that leave the screen end their sessions`, async (t) => {
  const page = await open(t, '/');
  await playing(page, NAMES);
  const early = await decoded(page);
  assert.equal(early.length, COUNT);
  await until('each of them has three seconds more', 10_000, async () => {
    const frames = (await decoded(page)).map((now, index) => now - early[index]);
    if (frames.every((more) => more >= 3 * FPS)) return true;
    throw new Error(`${frames}`);
  });
  const sessions = await weir.sessions();
  assert.equal(sessions.length, COUNT, 'none of them was connected again');
  for (const { cipher, skips } of sessions) {
    assert.match(cipher, GCM_CIPHER);
    assert.equal(skips, 0);
  }

  await page.locator('body').click({ position: { x: 2, y: 2 } });
  for (let columns = 9; columns > 1; columns -= 1) await page.keyboard.press('-');
  const first = await until('one column', 5_000, async () => {
    const names = await visible(page);
    return names.length <= 2 && names;
  });
  await watchedAre(weir, first, 5_000);
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  const last = await until('the last ones are seen', 2_000, async () => {
    const names = await visible(page);
    return names.includes(NAMES.at(-1)) && names;
  });
  assert.ok(!last.includes(first[0]));
  await playing(page, last);
  await watchedAre(weir, last, 5_000);
  assert.deepEqual(page.errors, []);
  await page.goto('about:blank');
  // It does not always send a DELETE that is to outlive its page: then silence tells.
  await watchedAre(weir, [], 10_000);
});

test("in Firefox a camera's page plays each frame", async (t) => {
  const page = await open(t, `/${NAMES[0]}/`);
  await page.locator('#pill', { hasText: 'Live' }).waitFor({ timeout: 15_000 });
  const viewer = new Viewer(page);
  await viewer.watchEachFrame(3, { weir, name: NAMES[0] }, FPS);
  assert.deepEqual(await viewer.size(), { width: 320, height: 180 });
  assert.match((await viewer.stats()).srtpCipher, GCM_CIPHER);
  assert.deepEqual(page.errors, []);
});

test('a Firefox without its H.264 is told what it lacks, and takes no session', async (t) => {
  const before = (await weir.sessions()).length;
  const page = await open(t, `/${NAMES[0]}/`, { hasH264: false });
  await page.getByText('This browser cannot show the camera').waitFor({ timeout: 10_000 });
  await page.getByText(/offers no H\.264\. Firefox fetches it .* may only need a minute/).waitFor();
  assert.equal((await weir.sessions()).length, before);
});

/** A ClientHello or a piece of one (RFC 6347 section 4.3.2), which is not encrypted. */
const isHello = (datagram) => datagram[0] === 22 && datagram[13] === 1;

// With its post-quantum key share a ClientHello is longer than a datagram.
const HELLOS = {
  swapped: (first, second) => [second, first],
  'without the first': (first, second) => [second],
  'without the second': (first) => [first],
};

test('Firefox plays when the datagrams of its ClientHello are swapped or one is lost', async (t) => {
  let held, arrangeHello;
  const arrange = (datagram) => {
    if (!isHello(datagram) || held.length === 2) return [datagram];
    held.push(datagram);
    return held.length === 2 ? arrangeHello(...held) : [];
  };
  // Firefox asks nobody on loopback, and is known to nobody there.
  const addresses = Object.values(networkInterfaces()).flat();
  const { address } = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  const relay = await Relay.open({ address, arrange });
  t.after(() => relay.close());
  const server = await relay.startWeir({
    cameras: [{ name: NAMES[0], url: clips.url('clip') }],
    webrtc: { announce: [`${address}:${relay.port}`] },
  });
  relay.forwardTo(server.ports.media, address);
  t.after(() => server.stop());
  await server.ready(NAMES[0]);
  const page = await open(t, 'about:blank');
  for (const [round, what] of Object.keys(HELLOS).entries()) {
    [held, arrangeHello] = [[], HELLOS[what]];
    await page.goto(`${server.http}/${NAMES[0]}/`);
    await page.locator('#pill', { hasText: 'Live' }).waitFor({ timeout: 15_000 });
    assert.equal(held.length, 2, 'it is two datagrams');
    assert.notDeepEqual(held[0], held[1]);
    const sessions = await server.sessions();
    assert.equal(sessions.length, round + 1, `${what}: the first session plays`);
    const living = sessions.find(({ state }) => state === 'live');
    assert.match(living.cipher, GCM_CIPHER);
    await page.goto('about:blank');
  }
  assert.deepEqual(page.errors, []);
});
