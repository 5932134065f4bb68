// What tests look for on the wall, in whichever browser.

import { isDeepStrictEqual } from 'node:util';

import { until } from './weir.mjs';

/** Names of the cameras that have a session. */
export async function watched(weir) {
  const living = (await weir.sessions()).filter(({ state }) => state !== 'ended');
  return living.map(({ camera }) => camera).sort();
}

/** Waits until these cameras have a session each, and no others. */
export const watchedAre = (weir, names, limitMs) =>
  until('those on the screen have sessions, and no others', limitMs, async () => {
    const found = await watched(weir);
    if (isDeepStrictEqual(found, [...names].sort())) return true;
    throw new Error(`${found}, not ${names}`);
  });

/** Names of the tiles of which a part is on the screen. */
export const visible = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('.tile')]
      .filter((tile) => {
        const { top, bottom } = tile.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
      })
      .map((tile) => tile.querySelector('.name').textContent),
  );
