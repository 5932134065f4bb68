// Floods, slow clients, half-open handshakes, offers beyond the bounds, cameras without an end:
// one daemon bears them one after the other, and after each serves Chromium as it did before.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { ENDLESS, EndlessCameras } from './endless.mjs';
import { Flood } from './flood.mjs';
import { Slow, offer, offerOfBytes, post } from './slow.mjs';
import { Peer } from './stun.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { WEIR_BINARY, sleep, startWeir, until } from './weir.mjs';

const GATE = { path: '/gate', width: 640, height: 360, fps: 25, gop: 25 };
const FLOOD_PER_S = 10_000;
const MANY = Array.from({ length: 40 }, (_, host) => `127.0.0.${20 + host}`);
const OFFER_BYTES_MAX = 16 * 1024;

let cameras, endless, weir, browser, descriptors;

before(async () => {
  cameras = await startCameras([GATE]);
  browser = await launchChromium();
  weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url('/gate') }] });
  await weir.ready('gate');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  endless?.close();
  await cameras?.kill();
});

/** A line of `/proc/PID/status`, in KiB. */
function processKib(name, server = weir) {
  const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]);
}

/** What `weir memory` says that the process may use at most. */
function planKib() {
  const table = execFileSync(WEIR_BINARY, ['memory'], { encoding: 'utf8' });
  return Number(/\*\*total\*\*.*\*\*([\d.]+)\*\*/.exec(table)[1]);
}

const openDescriptors = () => readdirSync(`/proc/${weir.child.pid}/fd`).length;

async function watcher(server = weir) {
  const viewer = await Viewer.open(browser, `${server.http}/gate/`);
  const shownMs = await viewer.picture(10_000);
  return { viewer, shownMs };
}

/** Each frame is shown, and none is late. */
function watchesWell(viewer, seconds, server = weir) {
  return viewer.watchEachFrame(seconds, { weir: server, name: 'gate' }, GATE.fps);
}

/** Chromium is served as before: who watched goes on, a newcomer has the picture, memory fits. */
async function assertServesAsBefore(t, viewer, server = weir) {
  await watchesWell(viewer, 2, server);
  const { viewer: newcomer, shownMs } = await watcher(server);
  t.after(() => newcomer.close());
  await watchesWell(newcomer, 1, server);
  const peakKib = processKib('VmHWM', server);
  const heap = await server.metric('weir_library_heap_high_water_bytes');
  t.diagnostic(`newcomer's picture after ${shownMs.toFixed(0)} ms, VmHWM ${peakKib} KiB, heap ${heap}`);
  assert.ok(shownMs < 3_000, `${shownMs} ms`);
  assert.ok(peakKib <= planKib(), `VmHWM ${peakKib} KiB, planned ${planKib()}`);
  assert.doesNotMatch(server.log, /panic|memory allocation/);
}

/** Runs an attack beside a viewer of Chromium's that must not notice. */
async function bears(t, attack) {
  descriptors ??= openDescriptors();
  const { viewer } = await watcher();
  t.after(() => viewer.close());
  await attack(viewer);
  await assertServesAsBefore(t, viewer);
}

test('10,000 garbage datagrams a second on the media port', async (t) => {
  await bears(t, async (viewer) => {
    const flood = await Flood.begin(weir.ports.media, FLOOD_PER_S);
    await watchesWell(viewer, 3);
    const { viewer: newcomer, shownMs } = await watcher();
    await newcomer.close();
    const perS = await flood.end();
    t.diagnostic(`${perS.toFixed(0)} datagrams/s, a newcomer's picture after ${shownMs.toFixed(0)} ms`);
    assert.ok(perS > 0.95 * FLOOD_PER_S, `${perS} datagrams/s`);
  });
});

test('200 slow HTTP connections', async (t) => {
  await bears(t, async (viewer) => {
    const slow = new Slow(weir, 200, MANY);
    t.after(() => slow.end());
    await sleep(1_000);
    const { viewer: newcomer, shownMs } = await watcher();
    await newcomer.close();
    await watchesWell(viewer, 3);
    const { opened } = slow;
    slow.end();
    t.diagnostic(`${opened} connections, a newcomer's picture after ${shownMs.toFixed(0)} ms`);
    assert.ok(opened > 400, 'those that were closed came back');
  });
});

// Who holds a slot, and how far each goes.
const HALVES = [
  ['offers, no checks', 0, () => {}],
  ['checks, no DTLS', 1, (peer) => peer.check()],
  ['a ClientHello, then silence', 2, (peer, beat) => (peer.check(), beat === 2 && peer.hello())],
];

/** Offers that are begun and never ended, 10 a second for so long; their statuses. */
async function halfOpen(addresses, seconds, act) {
  const peers = [];
  const posts = [];
  const beats = setInterval(() => {
    for (const peer of peers) act(peer.peer, (peer.beat += 1));
  }, 150);
  for (let number = 0; number < seconds * 10; number += 1) {
    const from = addresses[number % addresses.length];
    const begun = post(weir, offer(), { from }).then(async ({ status, text }) => {
      if (status === 201) peers.push({ peer: await Peer.open(text, from), beat: 0 });
      return status;
    });
    posts.push(begun);
    await sleep(100);
  }
  const statuses = await Promise.all(posts);
  clearInterval(beats);
  const heard = { stun: 0, dtls: 0 };
  for (const { peer } of peers) {
    heard.stun += peer.stun;
    heard.dtls += peer.dtls;
    peer.close();
  }
  return { statuses, heard };
}

for (const [what, depth, act] of HALVES) {
  for (const [who, addresses] of [
    ['one address', ['127.0.0.9']],
    ['many addresses', MANY],
  ]) {
    test(`half-open handshakes from ${who}: ${what}`, async (t) => {
      await bears(t, async (viewer) => {
        const before = new Set((await weir.sessions()).map(({ id }) => id));
        const halves = halfOpen(addresses, 3, act);
        await sleep(2_000); // more than there are slots
        const held = await weir.metric('weir_handshakes');
        const { viewer: newcomer, shownMs } = await watcher();
        await newcomer.close();
        await watchesWell(viewer, 1);
        const { statuses, heard } = await halves;
        const made = statuses.filter((status) => status === 201).length;
        t.diagnostic(
          `${made} of ${statuses.length} answered, STUN ${heard.stun}, DTLS ${heard.dtls}; ` +
            `a newcomer's picture after ${shownMs.toFixed(0)} ms`,
        );
        assert.ok(made >= 8, 'as many as there are slots');
        assert.ok(depth < 1 ? held === 0 : held > 0, `${held} slots held: a check takes one`);
        assert.ok(depth < 1 || heard.stun > 0, 'checks were answered');
        assert.ok(depth < 2 || heard.dtls > 0, 'DTLS had begun');
        const evicted = (await weir.sessions()).filter(({ id, reason }) => {
          return !before.has(id) && /evicted for another player/.test(reason);
        });
        assert.ok(depth < 1 || evicted.length > 0, 'who went no further made room');
      });
    });
  }
}

test('offers with 200 media sections, and offers at the bound and over it', async (t) => {
  const section = (mid) => `m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:${mid}\r\n`;
  const sections = Array.from({ length: 199 }, (_, at) => section(at + 1)).join('');
  await bears(t, async (viewer) => {
    const attack = [
      [offer(sections), 400],
      [offerOfBytes(OFFER_BYTES_MAX), 201],
      [offerOfBytes(OFFER_BYTES_MAX + 1), 413],
      ['\r\n'.repeat(8_000), 400],
      ['m=video '.repeat(2_000), 400],
    ];
    const beganMs = performance.now();
    for (let round = 0; round < 20; round += 1) {
      const answers = attack.map(([body]) => post(weir, body, { from: '127.0.0.9' }));
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      assert.deepEqual(statuses, attack.map(([, status]) => status));
    }
    const { text } = await post(weir, offer(sections));
    t.diagnostic(`100 offers in ${(performance.now() - beganMs).toFixed(0)} ms; ${text}`);
    assert.match(JSON.parse(text).detail, /200|max 4/);
    await watchesWell(viewer, 2);
  });
});

test('nothing of all that is left behind', async () => {
  const isOver = async () => (await weir.metric('weir_sessions')) === 0;
  await until('all sessions are over', 12_000, isOver);
  await sleep(5_500); // HTTP connections are kept for 5 s
  assert.ok(openDescriptors() <= descriptors, `${descriptors}, ${openDescriptors()} now`);
  assert.ok((await weir.metric('weir_library_heap_used_bytes')) < 1 << 20);
  assert.equal(await weir.metric('weir_handshakes'), 0);
});

test('cameras that send for ever without an end', async (t) => {
  endless = await EndlessCameras.open();
  const bearing = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate') }, ...endless.tables()],
  });
  t.after(() => bearing.stop());
  await bearing.ready('gate');
  const { viewer } = await watcher(bearing);
  await watchesWell(viewer, 6, bearing);
  for (const name of ENDLESS) {
    // Who is cut off at a bound has a reason that names it, until it is dialled again.
    const { state, reason } = await until(`${name} sent, or was cut off`, 15_000, async () => {
      const camera = await bearing.camera(name);
      return (camera.reason || endless.sent[name] > 100_000) && camera;
    });
    const lost = await bearing.metric(`weir_camera_breaks_total{camera="${name}",reason="resync"}`);
    t.diagnostic(`${name}: ${endless.sent[name]} bytes, ${state}, ${reason}, out of sync ${lost} times`);
    if (reason) assert.match(reason, /max \d+|10 s/, name);
    assert.notEqual(state, reason ? 'playing' : 'waiting', name);
  }
  await assertServesAsBefore(t, viewer, bearing);
  endless.close();
  await assertServesAsBefore(t, viewer, bearing);
  await viewer.close();
});
