// How large the tiles are: as large as all of them have room in the window, while that is large enough
// to see something; else the wall is scrolled.

export const COLUMNS_MAX = 8;
export const GAP_PX = 4;

const RATIO = 16 / 9;
/** The width of a phone's screen, held upright. */
const PHONE_PX = 600;
/** As small as a picture is of use: eight of them in a window of 1280 × 720. */
const WIDTH_PX_MIN = 120;
/** What a tile has where the wall is scrolled in any case. */
const WIDTH_PX_SCROLLED = 240;

/**
 * Columns, and a tile's width and height, for `count` tiles in a room of `width` × `height` pixels.
 * `chosen` is a number of columns that a person wants, or 0; `isWhole` says that nothing is scrolled.
 */
export function layOut(count, { width, height }, { chosen, isWhole }) {
  const across = (columns) => (width - (columns - 1) * GAP_PX) / columns;
  const within = (columns) => {
    const rows = Math.ceil(count / columns);
    return Math.min(across(columns), ((height - (rows - 1) * GAP_PX) / rows) * RATIO);
  };
  const tile = (columns, tileWidth) => {
    const whole = Math.max(1, Math.floor(tileWidth));
    return { columns, width: whole, height: Math.max(1, Math.floor(whole / RATIO)) };
  };
  if (chosen > 0 && !isWhole) return tile(chosen, Math.min(across(chosen), height * RATIO));
  if (width < PHONE_PX && !isWhole) return tile(1, Math.min(width, height * RATIO));
  const most = Math.min(Math.max(COLUMNS_MAX, Math.ceil(Math.sqrt(count))), Math.max(1, count));
  let best = 1;
  for (let columns = 2; columns <= most; columns += 1) {
    if (within(columns) > within(best)) best = columns;
  }
  if (isWhole || within(best) >= WIDTH_PX_MIN) return tile(best, within(best));
  const columns = Math.min(COLUMNS_MAX, Math.max(1, Math.floor(width / WIDTH_PX_SCROLLED)));
  return tile(columns, across(columns));
}
