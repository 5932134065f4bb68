// Several cameras and viewers at once, and a page full of connections.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { GCM_CIPHER, Viewer, launchChromium } from './viewer.mjs';
import { startWeir } from './weir.mjs';

const GATE = { path: '/gate', profile: 'main', width: 640, height: 360, fps: 25, gop: 25 };
const YARD = { path: '/yard', profile: 'high', width: 800, height: 448, fps: 15, gop: 15 };

let cameras, weir, browser;

before(async () => {
  cameras = await startCameras([GATE, YARD]);
  weir = await startWeir({
    cameras: [
      { name: 'gate', url: cameras.url('/gate') },
      { name: 'yard', url: cameras.url('/yard') },
    ],
  });
  browser = await launchChromium();
  await weir.ready('gate');
  await weir.ready('yard');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

async function watchCamera(name, camera, seconds) {
  const viewer = await Viewer.open(browser, `${weir.http}/${name}/`);
  await viewer.picture(3_000);
  const { after } = await viewer.watchEachFrame(seconds, { weir, name }, camera.fps);
  const { width, height } = await viewer.size();
  await viewer.close();
  assert.deepEqual({ width, height }, { width: camera.width, height: camera.height });
  assert.match(after.srtpCipher, GCM_CIPHER);
}

test('two cameras, three viewers at once', async () => {
  await Promise.all([
    watchCamera('gate', GATE, 15),
    watchCamera('gate', GATE, 15),
    watchCamera('yard', YARD, 15),
  ]);
});

test('16 connections of one page all show the camera in under 3 s', async (t) => {
  const viewer = await Viewer.open(browser, `${weir.http}/?table`);
  const many = { url: `${weir.http}/gate/whep`, count: 16 };
  const shown = await viewer.page.evaluate(openConnections, many);
  t.diagnostic(`shown after ${shown.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  assert.equal(shown.length, 16);
  assert.ok(Math.max(...shown) < 3_000);
  await viewer.close();
});

/** Runs in the page: when each connection's first frame was on the screen, in milliseconds. */
function openConnections({ url, count }) {
  const start = performance.now();
  async function open() {
    const connection = new RTCPeerConnection();
    const video = document.body.appendChild(document.createElement('video'));
    Object.assign(video, { muted: true, autoplay: true, width: 160 });
    connection.ontrack = ({ track }) => (video.srcObject = new MediaStream([track]));
    await offerVideo(connection, url);
    await new Promise((done) => video.requestVideoFrameCallback(done));
    return performance.now() - start;
  }
  return Promise.all(Array.from({ length: count }, open));
}
