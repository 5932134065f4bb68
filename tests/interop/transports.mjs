// GStreamer's RTSP server by UDP and by multicast, over a cable: Chromium shows each frame and hears the
// sound beside it, and the multicast group is joined once however many watch, and left in the end.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/transports.mjs`:
// this process, the cameras and Chromium are one host of a small network, weir is the other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, sleep, startWeir, until } from '../browser/weir.mjs';
import { LAN, WEIR, WeirHost, routeByWeir } from './two_hosts.mjs';

/** What a camera grants, what weir is told of it, and what comes of that. */
const CAMERAS = [
  { name: 'tcp', grants: 'tcp+udp+multicast', comes: 'tcp' },
  { name: 'udp', grants: 'udp', comes: 'udp' },
  { name: 'chosen', grants: 'tcp+udp', transport: 'udp', comes: 'udp' },
  { name: 'group', grants: 'multicast', transport: 'multicast', comes: 'multicast' },
  { name: 'mulaw', grants: 'udp', comes: 'udp', sound: 'mulaw', codec: 'PCMU' },
  { name: 'opus', grants: 'udp', comes: 'udp', sound: 'opus', codec: 'opus' },
  {
    name: 'loud',
    grants: 'multicast',
    transport: 'multicast',
    comes: 'multicast',
    sound: 'alaw',
    codec: 'PCMA',
  },
];

let host, cameras, browser;

before(async () => {
  host = await WeirHost.open();
  routeByWeir();
  const mounts = CAMERAS.map(({ name, grants, sound = '' }) => {
    return { path: `/${name}`, transports: grants, sound };
  });
  cameras = await startCameras(mounts, { address: LAN });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await cameras?.kill();
  host?.close();
});

/** A weir with one camera, so that only one mount at a time keeps an encoder busy. */
function startWith({ name, transport }) {
  const camera = { name, url: cameras.url(`/${name}`, LAN), ...(transport && { transport }) };
  const config = { cameras: [camera], http: { open: true } };
  return startWeir({ ...config, ports: DEFAULT_PORTS, host: WEIR, command: host.command });
}

/** The figures of what Chromium receives of one kind, `audio` or `video`. */
function received(viewer, kind) {
  return viewer.page.evaluate(async (kind) => {
    const newest = window.connectionsMade.filter((c) => c.connectionState === 'connected').at(-1);
    const report = [...(await newest.getStats()).values()];
    return report.find((figures) => figures.type === 'inbound-rtp' && figures.kind === kind);
  }, kind);
}

/** The sound is decoded as it comes, while nothing of it is lost. */
async function hears(t, viewer, weir, { name, codec }) {
  const camera = await weir.camera(name);
  assert.deepEqual([camera.sound, camera.sound_problem ?? null], [codec, null]);
  await viewer.page.getByRole('button', { name: 'Sound' }).click();
  await until('a tone is heard', 8_000, async () => (await received(viewer, 'audio'))?.audioLevel > 0.05);
  const [first, picture] = [await received(viewer, 'audio'), await received(viewer, 'video')];
  await sleep(3_000);
  const [later, pictureLater] = [await received(viewer, 'audio'), await received(viewer, 'video')];
  const more = (figure) => later[figure] - first[figure];
  const [samples, concealed] = [more('totalSamplesReceived'), more('concealedSamples')];
  const frames = pictureLater.framesDecoded - picture.framesDecoded;
  t.diagnostic(`${samples} samples, ${concealed} concealed, ${frames} frames in 3 s`);
  assert.ok(samples > 20_000 && more('packetsLost') === 0, `${samples} samples in 3 s`);
  assert.ok(concealed < samples / 5, `${concealed} of ${samples} samples were made up`);
  assert.ok(frames > 60, `${frames} frames beside the sound`);
  const lost = await weir.metric(`weir_camera_udp_sound_lost_total{camera="${name}"}`);
  assert.equal(lost, 0);
}

for (const camera of CAMERAS) {
  const { name, comes, codec } = camera;
  test(`${name}: ${comes}`, async (t) => {
    const weir = await startWith(camera);
    t.after(() => weir.stop());
    const { transport } = await weir.ready(name);
    assert.equal(transport, comes);
    const viewer = await Viewer.open(browser, `${weir.http}/${name}/`);
    t.after(() => viewer.close());
    await viewer.picture();
    const { framesPerS } = await viewer.watchEachFrame(5, { weir, name }, 25);
    t.diagnostic(`${framesPerS.toFixed(2)} frames/s`);
    if (codec) await hears(t, viewer, weir, camera);
    const lost = await weir.metric(`weir_camera_udp_lost_total{camera="${name}"}`);
    assert.equal(lost, 0);
    assert.equal(await weir.metric('weir_media_thread_allocations_total'), 0);
  });
}

test('the group is joined once however many watch, and left in the end', async (t) => {
  const groups = () => {
    const shown = host.run('ip', '-4', 'maddress', 'show', 'dev', 'eth0');
    return shown.split('\n').filter((line) => /239\.81\.17\./.test(line));
  };
  const weir = await startWith(CAMERAS.find(({ name }) => name === 'group'));
  t.after(() => weir.stop());
  await weir.ready('group');
  const viewers = [];
  for (let count = 0; count < 3; count++) {
    viewers.push(await Viewer.open(browser, `${weir.http}/group/`));
  }
  t.after(() => Promise.all(viewers.map((viewer) => viewer.close())));
  for (const viewer of viewers) await viewer.picture();
  const joined = groups();
  t.diagnostic(joined.join());
  assert.equal(joined.length, 1);
  // Once for the socket of RTP and once for that of RTCP.
  assert.match(joined[0], /users 2\s*$/);
  await weir.stop();
  assert.deepEqual(groups(), []);
});
