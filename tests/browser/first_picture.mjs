// How soon a picture is there: from the offer to the first frame that Chromium has shown, of a page
// that was opened at any time between two key frames. No test: `node tests/browser/first_picture.mjs
// [TIMES]` prints what it saw, docs/performance.md has it of a machine that did nothing else.

import { HEAVY, startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep, startWeir } from './weir.mjs';

const times = Number(process.argv[2] ?? 20);
/** A key frame each 2 s. */
const CAMERAS = [
  { path: '/2', width: 1280, height: 720, kbps: 2000, gop: 50, preset: 'ultrafast' },
  { path: '/4', width: 1920, height: 1080, kbps: 4000, gop: 50, preset: 'ultrafast' },
  { path: '/8', ...HEAVY, gop: 50 },
];

const percentile = (sorted, share) => sorted[Math.ceil(share * sorted.length) - 1].toFixed(0);

const browser = await launchChromium();
for (const mount of CAMERAS) {
  const cameras = await startCameras([mount]);
  const weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url(mount.path) }] });
  await weir.ready('gate');
  await sleep(3_000);
  const tookMs = [];
  for (let count = 0; count < times; count += 1) {
    const viewer = await Viewer.open(browser, `${weir.http}/gate/`);
    tookMs.push(await viewer.pictureAfterOffer());
    await viewer.close();
    await sleep(137 * (count % 15));
  }
  tookMs.sort((a, b) => a - b);
  const [half, most] = [percentile(tookMs, 0.5), percentile(tookMs, 0.95)];
  console.log(`${mount.path.slice(1)} Mbit/s: ${half} ms, ${most} ms at 95 of 100, of ${times}`);
  await weir.stop();
  await cameras.kill();
}
await browser.close();
