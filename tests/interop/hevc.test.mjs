// H.265 as GStreamer's x265 makes it: weir takes it, and a browser that does not decode it says what
// to do. That what is passed on is right, tests/behaviour/hevc.rs has ffmpeg judge.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { startWeir } from '../browser/weir.mjs';

let cameras, weir, browser;

before(async () => {
  cameras = await startCameras([
    { path: '/main', codec: 'h265' },
    { path: '/sub', width: 320, height: 240 },
  ]);
  weir = await startWeir({
    cameras: ['main', 'sub'].map((name) => ({ name, url: cameras.url(`/${name}`) })),
  });
  browser = await launchChromium();
  for (const name of ['main', 'sub']) await weir.ready(name);
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

test('each camera has its codec', async () => {
  const { codec, width, height } = await weir.camera('main');
  assert.deepEqual({ codec, width, height }, { codec: 'H265', width: 640, height: 360 });
  assert.equal((await weir.camera('sub')).codec, 'H264');
});

test('a browser without H.265 is told what to do, and plays the sub stream', async (t) => {
  const viewer = await Viewer.open(browser, `${weir.http}/main/`);
  t.after(() => viewer.close());
  const offers = await viewer.page.evaluate(() => {
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    return codecs.some(({ mimeType }) => mimeType === 'video/H265');
  });
  if (offers) return t.skip('this Chromium decodes H.265');
  const says = (words) => viewer.page.getByText(words).first().waitFor({ timeout: 8_000 });
  await says('This camera cannot be shown');
  await says(/this browser offers no H\.265: set the camera's sub stream to H\.264, or use Safari/i);
  const sub = await Viewer.open(browser, `${weir.http}/sub/`);
  t.after(() => sub.close());
  await sub.picture(5_000);
});
