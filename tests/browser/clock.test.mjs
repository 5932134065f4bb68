// A camera that sends fewer frames than its timestamps say, as some do in the dark: its time falls
// behind. Browsers without the playout-delay extension, Safari and Firefox, play by these timestamps.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startClips } from './clips.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep, startWeir } from './weir.mjs';

const FPS = 21;
const CLIP = { source: 'testsrc2=size=320x180', seconds: 4, fps: FPS, kbps: 500, stampedFps: 25 };
/** It takes weir up to two windows of two seconds to find out. */
const FOUND_OUT_MS = 6_000;

let clips, weir, browser;

before(async () => {
  clips = await startClips({ dark: CLIP });
  weir = await startWeir({ cameras: [{ name: 'dark', url: clips.url('dark') }] });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  clips?.close();
});

/** Runs in a page: takes the playout-delay extension out of what it offers. */
function withoutPlayoutDelay() {
  const { fetch } = window;
  window.fetch = (url, options = {}) => {
    const body = options.body?.replace?.(/^a=extmap:\d+ \S+playout-delay\r\n/gm, '');
    return fetch(url, body ? { ...options, body } : options);
  };
}

test('it plays without a freeze, without the extension', async (t) => {
  await weir.ready('dark');
  await sleep(FOUND_OUT_MS);
  const viewer = await Viewer.open(browser, `${weir.http}/dark/`, (context) => {
    return context.addInitScript(withoutPlayoutDelay);
  });
  t.after(() => viewer.close());
  await viewer.picture();
  const answer = await viewer.page.evaluate(() => window.connectionsMade[0].remoteDescription.sdp);
  assert.match(answer, /^a=rtpmap:\d+ H264/m);
  assert.doesNotMatch(answer, /playout-delay/);
  const { framesPerS } = await viewer.watchEachFrame(8, { weir, name: 'dark' }, FPS);
  t.diagnostic(`${framesPerS.toFixed(1)} frames/s`);
});
