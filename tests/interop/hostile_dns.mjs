// Cameras by name where whoever answers in the DNS server's place means ill: every dial waits for
// such answers, costs no more than its share, and a camera by address plays on.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/hostile_dns.mjs`.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { sleep, startWeir, until } from '../browser/weir.mjs';
import { assertAlone } from './alone.mjs';
import { underResolver } from './dns.mjs';

const FPS = 25;
const WATCHED_S = 15;
/** What a dial holds that reads a small SDP, and a lookup less: no answer of a server is kept. */
const DIAL_BYTES_MAX = 32 * 1024;
const A = Buffer.from([0, 1, 0, 1]);
const CNAME = Buffer.from([0, 5, 0, 1]);
const LIVES_A_MINUTE = Buffer.from([0, 0, 0, 60]);
/** The question's name, wherever the question stands where it should. */
const ASKED = Buffer.from([0xc0, 12]);

const word = (number) => Buffer.from([number >> 8, number & 255]);
const record = (owner, kind, data) =>
  Buffer.concat([owner, kind, LIVES_A_MINUTE, word(data.length), data]);
const address = record(ASKED, A, Buffer.from([127, 0, 0, 66]));

/** An answer to a query: its number and question, flags, and records, of which it says `count`. */
function answer(query, { id = query.readUInt16BE(0), flags = 0x8180, count, records = [] }) {
  const counts = [1, count ?? records.length, 0, 0].map(word);
  return Buffer.concat([word(id), word(flags), ...counts, query.subarray(12), ...records]);
}

/** What comes back to a query, by the camera's name. */
const TRICKS = {
  silent: () => [],
  garbage: () => Array.from({ length: 300 }, () => randomBytes(1 + Math.floor(Math.random() * 1400))),
  forged: (query) =>
    Array.from({ length: 300 }, (_, n) => answer(query, { id: n, records: [address] })),
  huge: (query) => [answer(query, { records: Array(3700).fill(address) })],
  boast: (query) => [answer(query, { count: 65_535 })],
  circle: (query) => {
    const own = Buffer.from([0xc0, query.length]);
    return [answer(query, { records: [record(own, A, Buffer.from([127, 0, 0, 66]))] })];
  },
  aliases: (query) => {
    // Each is an alias of the next, and the last of the first.
    const at = (n) => Buffer.from([1, 97 + n, 0]);
    const chain = Array.from({ length: 20 }, (_, n) => record(at(n), CNAME, at((n + 1) % 20)));
    return [answer(query, { records: [record(ASKED, CNAME, at(0)), ...chain] })];
  },
  torn: (query) => {
    const whole = answer(query, { records: [address] });
    return Array.from(whole, (_, length) => whole.subarray(0, length));
  },
  'cut-off': (query) => [answer(query, { flags: 0x8380 })],
  refusing: (query) => Array.from({ length: 300 }, () => answer(query, { flags: 0x8185 })),
};

const folder = mkdtempSync(join(tmpdir(), 'weir-hostile-dns-'));
const asked = Object.fromEntries(Object.keys(TRICKS).map((name) => [name, 0]));
let dns, cameras, weir;

/** Answers each query with the trick that its name asks for. */
function startHostileDns() {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address: client }) => {
    const name = query.toString('latin1', 13, 13 + query[12]);
    if (!Object.hasOwn(TRICKS, name)) return;
    asked[name] += 1;
    for (const datagram of TRICKS[name](query)) socket.send(datagram, port, client);
  });
  return new Promise((done) => socket.bind(53, '127.0.0.1', () => done(socket)));
}

before(async () => {
  assertAlone();
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  dns = await startHostileDns();
  cameras = await startCameras([{ path: '/gate', fps: FPS }]);
  const hostile = Object.keys(TRICKS).map((name) => ({ name, url: `rtsp://${name}.lan/` }));
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate') }, ...hostile],
    command: underResolver(resolvConf),
  });
});

after(async () => {
  await weir?.stop();
  await cameras?.kill();
  dns?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the camera beside them plays as if they were not', async () => {
  await weir.ready('gate');
  // To look takes a process of its own, and on a busy machine its time.
  const look = async () => ({ frames: await weir.frames('gate'), at: performance.now() });
  const before = await look();
  await sleep(WATCHED_S * 1000);
  const after = await look();
  const framesPerS = ((after.frames - before.frames) * 1000) / (after.at - before.at);
  assert.ok(Math.abs(framesPerS / FPS - 1) < 0.05, `${framesPerS} frames/s`);
});

test('each name was asked for, and its camera is waiting with a reason', async (t) => {
  for (const name of Object.keys(TRICKS)) {
    assert.ok(asked[name] >= 2, `${name}: ${asked[name]} questions`);
    const reason = await until(`${name} has a reason`, 10_000, async () => {
      const { state, reason } = await weir.camera(name);
      return state === 'waiting' && reason;
    });
    t.diagnostic(`${name}: ${reason}`);
  }
});

test('a lookup costs its own dial no more than an SDP does, and none is over its budget', async (t) => {
  const most = await weir.metric('weir_accounts_most_bytes{account="camera dial"}');
  t.diagnostic(`the dial that held most held ${most} bytes`);
  assert.ok(most < DIAL_BYTES_MAX, `${most}`);
  assert.equal(await weir.metric('weir_accounts_ended_total{account="camera dial"}'), 0);
});
