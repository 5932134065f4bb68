// weir in a network namespace of its own: nothing but its one UDP port, and no mDNS.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/namespace.mjs`:
// this process, the camera and Chromium are one host of a small network, weir is the other.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, startWeir, until } from '../browser/weir.mjs';
import { assertAlone } from './alone.mjs';

const LAN = '10.81.17.2';
const WEIR = '10.81.17.1';
const folder = mkdtempSync(join(tmpdir(), 'weir-capture-'));
const capture = join(folder, 'any.pcapng');

let host, inside, cameras, weir, browser, viewer, tshark;

const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' });
const runInside = (...command) => run(inside[0], ...inside.slice(1), ...command);

/** Two hosts on one cable: this namespace, and one for weir. */
async function makeNetwork() {
  host = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
  inside = ['nsenter', '-t', String(host.pid), '-n', '--'];
  run('ip', 'link', 'set', 'lo', 'up');
  await until('the second namespace is there', 5_000, () => {
    const [ours, theirs] = ['self', host.pid].map((id) => run('readlink', `/proc/${id}/ns/net`));
    return ours !== theirs;
  });
  run('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'cam0', 'netns', `${host.pid}`);
  run('ip', 'address', 'add', `${LAN}/24`, 'dev', 'lan');
  run('ip', 'link', 'set', 'lan', 'up');
  runInside('ip', 'link', 'set', 'lo', 'up');
  runInside('ip', 'address', 'add', `${WEIR}/24`, 'dev', 'cam0');
  runInside('ip', 'link', 'set', 'cam0', 'up');
  // Chromium picks its address by the route to the world.
  run('ip', 'route', 'add', 'default', 'via', WEIR);
}

async function startCapture() {
  const [program, ...args] = [...inside, 'tshark', '-q', '-i', 'any', '-w', capture];
  tshark = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tshark.stderr.on('data', (bytes) => (said += bytes));
  await until('tshark captures', 10_000, () => /Capturing on/.test(said));
}

before(async () => {
  assertAlone();
  await makeNetwork();
  await startCapture();
  cameras = await startCameras([{ path: '/gate' }], { address: LAN });
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate', LAN) }],
    http: { open: true },
    ports: DEFAULT_PORTS,
    host: WEIR,
    command: inside,
  });
  browser = await launchChromium();
  await weir.ready('gate');
  viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  await viewer.picture();
  await viewer.watch(5);
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
  tshark?.kill();
  host?.kill();
  rmSync(folder, { recursive: true, force: true });
});

test('weir has one UDP port', () => {
  const ours = runInside('ss', '-uapnH')
    .split('\n')
    .filter((line) => line.includes('"weir"'));
  const ports = new Set(ours.map((line) => line.trim().split(/\s+/)[3].split(':').at(-1)));
  assert.deepEqual([...ports], [String(DEFAULT_PORTS.media)], ours.join('\n'));
});

test('weir sends from that port alone, and nothing to a multicast address', async (t) => {
  const offer = await viewer.page.evaluate(() => {
    return window.connectionsMade.at(-1).localDescription.sdp;
  });
  assert.match(offer, /\.local /, 'Chromium has hidden its address behind an mDNS name');
  await weir.stop();
  tshark.kill('SIGINT');
  await once(tshark, 'exit');
  const names = ['udp.srcport', 'udp.dstport', 'ip.dst', 'ipv6.dst', 'udp.length'];
  const fields = names.flatMap((name) => ['-e', name]);
  const sent = `udp && !icmp && (ip.src == ${WEIR} || ipv6.src == ${linkLocal()})`;
  const rows = run('tshark', '-r', capture, '-Y', sent, '-T', 'fields', ...fields);
  const packets = rows.trim().split('\n').map((row) => row.split('\t'));
  // By bytes: of packets that leave as one run the capture sees a single large one.
  const bytes = packets.reduce((sum, [, , , , length]) => sum + Number(length), 0);
  assert.ok(bytes > 500_000, `the media was captured: ${bytes} bytes`);
  t.diagnostic(`${bytes} bytes of UDP sent by weir`);
  const from = new Set(packets.map(([port]) => port));
  assert.deepEqual([...from], [String(DEFAULT_PORTS.media)]);
  const group = (address) => /^(22[4-9]|23\d)\.|^ff/.test(address);
  const multicast = packets.filter(([, , v4, v6]) => group(v4) || group(v6));
  assert.deepEqual(multicast, []);
  const mdns = packets.filter(([, destination]) => destination === '5353');
  assert.deepEqual(mdns, []);
});

function linkLocal() {
  const shown = runInside('ip', '-6', 'address', 'show', 'cam0');
  return /inet6 (fe80:[0-9a-f:]+)/.exec(shown)[1];
}
