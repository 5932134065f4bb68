// usage: screenshots.mjs FOLDER
// Pictures of the pages for the documents: weir with 64 cameras that show drawn places, in Chromium.

import { join } from 'node:path';

import { startClips } from './clips.mjs';
import { launchChromium } from './viewer.mjs';
import { sleep, startWeir, until } from './weir.mjs';

const [folder] = process.argv.slice(2);
const PLACES = {
  // [sky above, sky below, ground, building, what stands before it]
  gate: ['0x6f9fc4', '0xd6e6f0', '0x6d7563', '0xa9866a', '0xc0392b'],
  yard: ['0x8fb3cc', '0xe8eef2', '0x5d6b4f', '0x8c8f94', '0xf2a541'],
  dock: ['0x34506b', '0x8fa9b8', '0x3b444b', '0x5c6f82', '0xe0e6ea'],
  road: ['0xb7c7d3', '0xf0ead9', '0x4a4a4d', '0x7d6e5d', '0x2d6cdf'],
  hall: ['0x5a5650', '0x8a847a', '0x3f3b36', '0xb59f7b', '0x35c2d6'],
  ramp: ['0x22303c', '0x5b6f7d', '0x2d3237', '0x6b5b73', '0xf3c96b'],
  shop: ['0xcdb38f', '0xf3e6cf', '0x7b5e49', '0x9f4c3f', '0x2f7d5b'],
  roof: ['0x2b4c7a', '0xe0a979', '0x4d4038', '0x39434f', '0xdfe7ec'],
};

/**
 * A place of `width` pixels: sky, ground, a building with windows, and something before it; noise, so
 * that no two frames are the same.
 */
function drawn([above, below, ground, building, before], width) {
  const height = (width * 9) / 16;
  const box = (x, y, w, h, color) =>
    `drawbox=x='${x}':y=ih*${y}:w=iw*${w}:h=ih*${h}:color=${color}:t=fill`;
  const windows = [0, 1, 2, 3].map((i) => box(`iw*${0.56 + 0.09 * i}`, 0.36, 0.05, 0.1, `${below}@0.8`));
  return [
    `gradients=size=${width}x${height}:rate=15:c0=${above}:c1=${below}:x0=0:y0=0:x1=0:y1=${height}:speed=0.00001`,
    box(0, 0.64, 1, 0.36, ground),
    box('iw*0.5', 0.26, 0.44, 0.42, building),
    ...windows,
    box('iw*0.68', 0.5, 0.08, 0.18, `${above}@0.9`),
    box(0, 0.82, 1, 0.012, `${below}@0.5`),
    box('iw*0.2', 0.7, 0.14, 0.1, before),
    'noise=alls=6:allf=t',
  ].join(',');
}

const names = Object.keys(PLACES);
const clips = await startClips(
  Object.fromEntries([
    ...names.map((name) => [
      name,
      { source: drawn(PLACES[name], 320), seconds: 8, fps: 15, kbps: 400 },
    ]),
    ['large', { source: drawn(PLACES.gate, 1280), seconds: 8, fps: 15, kbps: 2000 }],
  ]),
);
const cameras = Array.from({ length: 64 }, (_, index) => {
  const name = names[index % 8];
  const url = clips.url(index === 0 ? 'large' : name);
  return { name: `${name}-${Math.floor(index / 8) + 1}`, url };
});
const weir = await startWeir({ cameras });
await weir.ready(cameras.at(-1).name);
const browser = await launchChromium();

/** Takes a picture of what `path` shows in a window once nothing connects any more. */
async function take(file, path, viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme, isMobile: viewport.width < 600 });
  const page = await context.newPage();
  await page.goto(weir.http + path);
  await until(`${file} shows all`, 60_000, () =>
    page.evaluate(() => {
      const { wall, state } = window.weir;
      if (!wall) return state === 'playing';
      return Object.values(wall.states).every((each) => ['playing', 'away'].includes(each));
    }),
  );
  await sleep(2_000);
  await page.screenshot({ path: join(folder, file) });
  await context.close();
}

await take('wall.png', '/', { width: 1280, height: 720 }, 'dark');
await take('phone.png', '/', { width: 390, height: 844 }, 'light');
await take('player.png', '/gate-1/', { width: 1280, height: 720 }, 'dark');
await browser.close();
await weir.stop();
clips.close();
