// A viewer whose host does not answer the kernel's question for its hardware address any more, and
// whose checks go on: what the kernel keeps for it fills no buffer that others are sent by.
//
// Run as `unshare -n node --test tests/interop/neighbours.mjs`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HEAVY, startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, sleep, startWeir } from '../browser/weir.mjs';
import { Lan, v4 } from './lan.mjs';

const SWITCH = 254;
const WEIR = 1;
const NEAR = 11;
const LOST = 12;
/** More than weir's send buffer: as if there were twenty such hosts with what is kept for each. */
const KEPT_BYTES = 16 << 20;
/** The kernel asks three times, a second apart, before it says that it does not find a host. */
const TOLD_MS = 6_000;
const WATCH_S = 8;
const GAP_MS_MAX = 1_000;
const FPS = 25;
/** Of 8 Mbit/s each, so that what is kept for their host in 3 s is more than weir's send buffer. */
const VIEWERS_LOST = 3;

let lan, box, near, lost, cameras, weir, browsers;

before(async () => {
  lan = await Lan.open();
  [box, near, lost] = [
    await lan.host('weir', WEIR),
    await lan.host('near', NEAR),
    await lan.host('lost', LOST),
  ];
  for (const host of [box, near, lost]) host.run('ip', '-6', 'address', 'flush', 'dev', 'eth0');
  cameras = await startCameras([{ path: '/light' }, { path: '/heavy', ...HEAVY }], { address: v4(SWITCH) });
  const camera = (name) => ({ name, url: cameras.url(`/${name}`, v4(SWITCH)) });
  weir = await startWeir({
    cameras: [camera('light'), camera('heavy')],
    http: { open: true },
    ports: DEFAULT_PORTS,
    host: v4(WEIR),
    command: box.command,
  });
  await weir.ready('light');
  await weir.ready('heavy');
  browsers = [];
  for (const host of [near, lost]) {
    process.env.CHROMIUM = host.launcher('/usr/bin/chromium');
    browsers.push(await launchChromium());
  }
});

after(async () => {
  for (const browser of browsers ?? []) await browser.close().catch(() => {});
  await weir?.stop();
  await cameras?.kill();
  lan?.close();
});

/** The lost host stops answering, and still knows where weir is. */
function lose() {
  const [, mac] = /link\/ether (\S+)/.exec(box.run('ip', 'link', 'show', 'dev', 'eth0'));
  const known = ['lladdr', mac, 'dev', 'eth0', 'nud', 'permanent'];
  lost.run('ip', 'neighbour', 'replace', v4(WEIR), ...known);
  lost.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=8', 'net.ipv4.conf.eth0.arp_ignore=8');
  box.run('sysctl', '-qw', `net.ipv4.neigh.eth0.unres_qlen_bytes=${KEPT_BYTES}`);
  box.run('ip', 'neighbour', 'flush', 'to', v4(LOST), 'dev', 'eth0');
}

/** In the page: connects so many viewers of the heavy camera, which stay whatever happens. */
async function connect(count) {
  window.kept = Array.from({ length: count }, () => new RTCPeerConnection());
  for (const connection of window.kept) {
    const isThere = new Promise((done) => {
      connection.addEventListener('connectionstatechange', () => {
        if (connection.connectionState === 'connected') done();
      });
    });
    await window.offerVideo(connection, '/heavy/whep');
    await isThere;
  }
}

test('a host that the kernel does not find costs the others nothing', async (t) => {
  const [here, there] = browsers;
  const viewer = await Viewer.open(here, `${weir.http}/light/`);
  await viewer.picture();
  // Without weir's own page, which would leave and come again.
  const { page } = await Viewer.open(there, `${weir.http}/nobody/`);
  await page.evaluate(connect, VIEWERS_LOST);
  lose();
  await sleep(TOLD_MS);
  await viewer.noteGaps();
  const before = await viewer.stats();
  await sleep(WATCH_S * 1000);
  const after = await viewer.stats();
  const longestMs = Math.max(...(await viewer.gaps()));
  const neighbour = box.run('ip', 'neighbour', 'show', 'to', v4(LOST)).trim();
  const live = (await weir.sessions()).filter(({ state }) => state === 'live');
  const decoded = after.framesDecoded - before.framesDecoded;
  const metrics = box.run('curl', '-s', `http://127.0.0.1:${DEFAULT_PORTS.diagnostics}/metrics`);
  const [, blocked] = /^weir_udp_blocked_total (\d+)$/m.exec(metrics);
  const gap = `the longest time between two ${longestMs.toFixed(0)} ms`;
  t.diagnostic(`${decoded} frames in ${WATCH_S} s, ${gap}`);
  t.diagnostic(`${neighbour}; ${live.length} live sessions; socket full ${blocked} times`);
  assert.match(neighbour, /INCOMPLETE|FAILED/);
  assert.ok(live.length > 1, 'the lost host still sends');
  assert.ok(decoded > 0.9 * WATCH_S * FPS, `${decoded} frames`);
  assert.ok(longestMs < GAP_MS_MAX, `${longestMs} ms`);
});
