// A box at work. Nothing wears the flash: while cameras play and somebody watches, no byte of the disk is
// written. And a weir that ends under that load is soon there again.
//
// Run as `unshare -n node --test tests/image/quiet.mjs`. $WEIR_IMAGE is what scripts/image made,
// $WEIR_BUNDLES the folder that tests/image/bundles filled, $WEIR_QUIET_S says for how long,
// $WEIR_QUIET_CAMERAS and $WEIR_QUIET_VIEWERS with how many of them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { sleep, until } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Disk, Machine } from './machine.mjs';
import { BOX_FILE, Operator, configuration, makeStoppable, stop } from './operator.mjs';

const QUIET_S = Number(process.env.WEIR_QUIET_S ?? 120);
const CAMERAS = Number(process.env.WEIR_QUIET_CAMERAS ?? 2);
const VIEWERS = Number(process.env.WEIR_QUIET_VIEWERS ?? 1);
const ADDRESS = v4(254);
const NAMES = Array.from({ length: CAMERAS }, (_, number) => `gate${number}`);
const MORE = `[webrtc]
listen = "[::]:8118"
announce = ["${ADDRESS}:8118"]
`;

let lan, cameras, browser, disk, machine;
const operator = new Operator(ADDRESS);
const viewers = [];

before(async () => {
  lan = await Lan.open();
  cameras = await startCameras(NAMES.map((name) => ({ path: `/${name}` })));
  browser = await launchChromium();
  disk = new Disk(process.env.WEIR_IMAGE, { mib: 512 });
  makeStoppable(disk);
  const urls = Object.fromEntries(NAMES.map((name) => [name, cameras.url(`/${name}`, '10.0.2.2')]));
  disk.preset('weir.toml', configuration(urls, MORE));
  disk.preset('box.toml', BOX_FILE);
  machine = await Machine.start(disk, { address: ADDRESS });
});

after(async () => {
  await browser?.close();
  await machine?.cut();
  await cameras?.kill();
  disk?.remove();
  lan?.close();
});

/** What was written: by the box's own account, and what the disk holds. */
async function written() {
  const hash = createHash('sha256');
  await pipeline(createReadStream(disk.path), hash);
  const { machine } = await operator.json('/api/status');
  return {
    kernel: machine.disks.map((disk) => disk.written_bytes),
    init: (await operator.json('/api/box')).bytes_written,
    changed: statSync(disk.path).mtimeMs,
    sha256: hash.digest('hex'),
  };
}

/** Cameras that play. */
async function playing() {
  const { cameras } = await operator.json('/api/cameras');
  return cameras.filter(({ state }) => state === 'playing').length;
}

test('cameras play, somebody watches, and the disk stays as it is', async (t) => {
  // Its slot becomes good once, which is written down, and its data partition has grown.
  await operator.sees('the slot is good', (report) => report.good, 240_000);
  await until('all cameras play', 60_000, async () => (await playing()) === CAMERAS);
  for (let number = 0; number < VIEWERS; number++) {
    const url = `${operator.origin}/${NAMES[number % CAMERAS]}/`;
    const viewer = await Viewer.open(browser, url, (context) => {
      return context.setExtraHTTPHeaders(operator.headers);
    });
    await viewer.picture(60_000);
    viewers.push(viewer);
  }
  const settling = Date.now();
  let before = await written();
  await until('what came before is written', 120_000, async () => {
    await sleep(10_000);
    const now = await written();
    const isSame = now.sha256 === before.sha256 && now.changed === before.changed;
    before = now;
    return isSame;
  });
  const settledS = ((Date.now() - settling) / 1000).toFixed(0);
  t.diagnostic(`quiet after ${settledS} s, ${before.init} bytes since the start`);

  const end = Date.now() + QUIET_S * 1000;
  while (Date.now() < end) {
    await sleep(Math.min(10_000, end - Date.now()));
    assert.ok((await playing()) > 0, 'cameras play all the time');
  }
  for (const viewer of viewers) await viewer.playing(20_000);
  const after = await written();
  const played = `${QUIET_S} s of ${CAMERAS} cameras and ${VIEWERS} viewers`;
  t.diagnostic(`${played}: ${after.init - before.init} bytes written`);
  assert.deepEqual(after, before);
});

test('a weir that ends under load is there again within 3 s, and the pictures go on', async (t) => {
  const { started_at: before } = await operator.json('/api/status');
  const begun = Date.now();
  await stop(ADDRESS, 'killed');
  await until('another weir answers', 30_000, async () => {
    return (await operator.json('/api/status')).started_at !== before;
  });
  const answeredMs = Date.now() - begun;
  await until('all cameras play again', 60_000, async () => (await playing()) === CAMERAS);
  const playedMs = Date.now() - begun;
  for (const viewer of viewers) await viewer.playing(60_000);
  const shownMs = Date.now() - begun;
  t.diagnostic(`answers after ${answeredMs} ms, cameras after ${playedMs} ms, all pictures after ${shownMs} ms`);
  assert.ok(answeredMs < 3000, `${answeredMs} ms`);
});
