// A page that opens 64 connections at once, also on a machine that hardly gets to it, also while
// others post offers that they do not mean: all connect, and none is pushed out.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep, startWeir } from './weir.mjs';

const CONNECTIONS = 64;
// Decoders are not what is asked about.
const GATE = { path: '/gate', profile: 'baseline', width: 160, height: 96, fps: 5, gop: 10 };
const JUNK_EVERY_MS = 50;

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

/** Runs in the page: when each connection was connected, in milliseconds; null for never. */
function connectAll({ url, count, patienceMs }) {
  const start = performance.now();
  async function open() {
    const connection = new RTCPeerConnection();
    const connected = new Promise((done) => {
      connection.onconnectionstatechange = () => {
        const state = connection.connectionState;
        if (state === 'connected') done(performance.now() - start);
        if (state === 'failed') done(null);
      };
      setTimeout(() => done(null), patienceMs);
    });
    await offerVideo(connection, url);
    return connected;
  }
  return Promise.all(Array.from({ length: count }, open));
}

/** The processes of the browsers that were launched here. */
function browserPids() {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' }).split('\n');
  const all = lines.map((line) => line.trim().split(/\s+/)).filter(([pid]) => pid);
  const found = new Set([String(process.pid)]);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const [pid, parent] of all) if (found.has(parent)) found.add(pid);
  }
  return all.filter(([pid, , name]) => found.has(pid) && /chrom/.test(name)).map(([pid]) => +pid);
}

/** The browser gets a quarter of the time, until the function that is returned was called. */
function holdUp() {
  const pids = browserPids();
  assert.ok(pids.length > 2, 'a browser runs');
  let isOver = false;
  const signal = (name) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended meanwhile.
      }
    }
  };
  const done = (async () => {
    while (!isOver) {
      signal('SIGSTOP');
      await sleep(300);
      signal('SIGCONT');
      await sleep(100);
    }
  })();
  return async () => {
    isOver = true;
    await done;
  };
}

/** Offers as they are and that nobody means, until the function that is returned was called. */
function postJunk() {
  const lines = [
    'v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=recvonly', 'a=rtcp-mux', 'a=ice-ufrag:junk',
    'a=ice-pwd:0123456789abcdefghijklmn', 'a=setup:actpass',
    `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`,
    'a=rtpmap:96 H264/90000', 'a=fmtp:96 packetization-mode=1;profile-level-id=42e01f', '',
  ];
  let posted = 0;
  const timer = setInterval(async () => {
    const headers = { 'Content-Type': 'application/sdp' };
    const request = { method: 'POST', headers, body: lines.join('\r\n') };
    const answer = await fetch(`${weir.http}/gate/whep`, request).catch(() => null);
    posted += answer?.status === 201;
  }, JUNK_EVERY_MS);
  return () => {
    clearInterval(timer);
    return posted;
  };
}

async function connects(t, patienceMs) {
  const viewer = await Viewer.open(browser, `${weir.http}/?table`);
  const begin = weir.log.length;
  const url = `${weir.http}/gate/whep`;
  const took = await viewer.page.evaluate(connectAll, { url, count: CONNECTIONS, patienceMs });
  const never = took.filter((ms) => ms === null).length;
  t.diagnostic(`${never} of ${CONNECTIONS} never; the last after ${Math.max(...took).toFixed(0)} ms`);
  const pushedOut = weir.log.slice(begin).match(/evicted for another player/g) ?? [];
  const reasons = {};
  for (const [, why] of weir.log.slice(begin).matchAll(/session \d+ of gate ended: (.*)/g)) {
    reasons[why] = (reasons[why] ?? 0) + 1;
  }
  t.diagnostic(`sessions ended meanwhile: ${JSON.stringify(reasons)}`);
  await viewer.close();
  return { took, never, pushedOut: pushedOut.length };
}

test('64 connections of one page are there in 3 s', async (t) => {
  const { took, never, pushedOut } = await connects(t, 10_000);
  assert.deepEqual([never, pushedOut], [0, 0]);
  assert.ok(Math.max(...took) < 3_000);
});

test('a browser that gets a quarter of the time connects all of them', async (t) => {
  const release = holdUp();
  t.after(release);
  const { never, pushedOut } = await connects(t, 60_000);
  assert.deepEqual([never, pushedOut], [0, 0]);
});

test('both beside 20 junk offers a second from the same address', async (t) => {
  const end = postJunk();
  t.after(end);
  const quick = await connects(t, 10_000);
  assert.equal(quick.never, 0);
  const release = holdUp();
  t.after(release);
  const slow = await connects(t, 60_000);
  assert.equal(slow.never, 0);
  t.diagnostic(`${end()} junk offers were answered`);
});
