// weir in a network namespace of its own: nothing but its one UDP port, and no mDNS.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/namespace.mjs`:
// this process, the camera and Chromium are one host of a small network, weir is the other.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, startWeir, until } from '../browser/weir.mjs';
import { run } from './alone.mjs';
import { LAN, WEIR, WeirHost, routeByWeir } from './two_hosts.mjs';

const folder = mkdtempSync(join(tmpdir(), 'weir-capture-'));
const capture = join(folder, 'any.pcapng');

let host, cameras, weir, browser, viewer, tshark;

async function startCapture() {
  const [program, ...args] = [...host.command, 'tshark', '-q', '-i', 'any', '-w', capture];
  tshark = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tshark.stderr.on('data', (bytes) => (said += bytes));
  await until('tshark captures', 10_000, () => /Capturing on/.test(said));
}

before(async () => {
  host = await WeirHost.open();
  routeByWeir();
  await startCapture();
  cameras = await startCameras([{ path: '/gate' }], { address: LAN });
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate', LAN) }],
    http: { open: true },
    ports: DEFAULT_PORTS,
    host: WEIR,
    command: host.command,
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
  host?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('weir has one UDP port', () => {
  const ours = host.run('ss', '-uapnH')
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
  const shown = host.run('ip', '-6', 'address', 'show', 'eth0');
  return /inet6 (fe80:[0-9a-f:]+)/.exec(shown)[1];
}
