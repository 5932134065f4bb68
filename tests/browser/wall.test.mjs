// The wall: a tile for each camera of which those on the screen play, by mouse and by keys, on a phone
// and on a screen that nobody touches.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { startClips } from './clips.mjs';
import { visible, watched, watchedAre } from './tiles.mjs';
import { STARVED_MS, launchChromium, recordConnections, watchTimers } from './viewer.mjs';
import { sleep, startWeir, until } from './weir.mjs';

const COUNT = 64;
/** How long all of them are watched; by hand it was five minutes. */
const WATCH_S = Number(process.env.WEIR_WALL_S ?? 8);
const CLIP = { source: 'testsrc2=size=320x180', seconds: 4, fps: 15, kbps: 500 };
const WINDOW = { width: 1280, height: 720 };
const PHONE = { width: 390, height: 844 };
const nameOf = (index) => `cam-${String(index + 1).padStart(2, '0')}`;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let clips, weir, browser;

before(async () => {
  clips = await startClips({ clip: CLIP });
  const cameras = Array.from({ length: COUNT }, (_, index) => ({
    name: nameOf(index),
    url: clips.url('clip'),
  }));
  weir = await startWeir({ cameras });
  browser = await launchChromium();
  await allReady();
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  clips?.close();
});

const allReady = () =>
  until('all cameras are there', 20_000, async () => {
    const { cameras } = await weir.json('/api/cameras');
    return cameras.every(({ state, ready }) => state === 'playing' && ready);
  });

/** Opens a page in another person's browser; counts its sessions. */
async function open(t, path = '/', { viewport = WINDOW, prepare = () => {}, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  await context.addInitScript(recordConnections);
  await prepare(context);
  const page = await context.newPage();
  // A page that is left ends its sessions; one that is killed does not.
  t.after(async () => {
    await page.goto('about:blank');
    await context.close();
  });
  page.posts = 0;
  page.on('request', (request) => (page.posts += request.method() === 'POST'));
  await page.goto(path.startsWith('http') ? path : weir.http + path);
  return page;
}

/** How many tiles are in each state. */
const statesOf = (page) =>
  page.evaluate(() => {
    const counts = {};
    for (const state of Object.values(window.weir.wall.states)) {
      counts[state] = (counts[state] ?? 0) + 1;
    }
    return counts;
  });

/** Waits until so many tiles play; for longer where other work kept timers from a core meanwhile. */
async function playing(page, count, limitMs = 10_000) {
  const worstMs = await watchTimers(page);
  const within = (limit) =>
    until(`${count} tiles play`, limit, async () => {
      const counts = await statesOf(page);
      if (counts.playing === count) return true;
      throw new Error(JSON.stringify(counts));
    });
  try {
    await within(limitMs);
  } catch (error) {
    const lateMs = await worstMs();
    if (lateMs < STARVED_MS) throw error;
    console.log(`${error.message}; timers were ${lateMs.toFixed(0)} ms late, waited on`);
    await within(limitMs);
  }
  await worstMs();
}

const focused = (page) =>
  page.evaluate(() => document.activeElement.querySelector?.('.name')?.textContent ?? '');

test(`${COUNT} cameras on one screen all play within 10 s, and go on`, async (t) => {
  const page = await open(t);
  await playing(page, COUNT);
  t.diagnostic(`all play ${(await page.evaluate(() => performance.now())).toFixed(0)} ms after the start`);
  const { scrolled, windowed } = await page.evaluate(() => ({
    scrolled: document.documentElement.scrollHeight,
    windowed: innerHeight,
  }));
  assert.ok(scrolled <= windowed, `${scrolled} of ${windowed} pixels: nothing is to be scrolled`);
  const frames = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('video')].map((v) => v.getVideoPlaybackQuality().totalVideoFrames),
    );
  const before = await frames();
  const begin = Date.now();
  while (Date.now() - begin < WATCH_S * 1_000) {
    assert.deepEqual(await statesOf(page), { playing: COUNT });
    await sleep(500);
  }
  const perS = (await frames()).map((after, i) => ((after - before[i]) * 1_000) / (Date.now() - begin));
  t.diagnostic(`${Math.min(...perS).toFixed(1)} to ${Math.max(...perS).toFixed(1)} frames/s`);
  assert.ok(Math.min(...perS) > 1, 'each of them moves');
  assert.equal(page.posts, COUNT, 'none of them was connected again');
});

test('tiles that leave the screen end their sessions, and those that come play', async (t) => {
  const page = await open(t);
  await page.locator('.tile').nth(COUNT - 1).waitFor();
  for (let columns = 8; columns > 2; columns -= 1) await page.keyboard.press('-');
  await until('only what is seen is watched', 6_000, async () => {
    return (await watched(weir)).length <= 6 && (await statesOf(page)).playing === (await visible(page)).length;
  });
  const before = await visible(page);
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  await until('their sessions end', 3_000, async () => {
    const names = await watched(weir);
    return before.every((name) => !names.includes(name));
  });
  const now = await visible(page);
  await playing(page, now.length);
  await watchedAre(weir, now, 2_000);
  assert.ok(now.includes(nameOf(COUNT - 1)));
  await page.reload();
  await until('the columns and the place are kept', 5_000, async () => {
    const columns = await page.locator('#auto').innerText();
    return columns === '2 columns' && (await visible(page)).includes(nameOf(COUNT - 1));
  });
  // An answer that finds its page gone leaves a session to its timeout.
  await playing(page, (await visible(page)).length);
});

test('on a phone there is one column, and only what is seen is watched', async (t) => {
  const page = await open(t, '/', { viewport: PHONE, isMobile: true, hasTouch: true });
  const seen = await until('tiles are there', 5_000, async () => {
    const names = await visible(page);
    return names.length > 1 && names.length < 8 && names;
  });
  await playing(page, seen.length);
  await sleep(500);
  await watchedAre(weir, seen, 15_000);
  const { width } = await page.locator('.tile').first().boundingBox();
  assert.ok(width > 370, `${width} pixels`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
});

test('by keys: arrows, Enter and Escape, the field that finds, and the table', async (t) => {
  const page = await open(t);
  await page.locator('.tile').nth(COUNT - 1).waitFor();
  for (const [key, expected] of [
    ['Tab', null],
    ['ArrowRight', 0],
    ['ArrowRight', 1],
    ['ArrowDown', 9],
    ['ArrowLeft', 8],
    ['ArrowUp', 0],
    ['ArrowUp', 0],
    ['End', 63],
    ['ArrowDown', 63],
    ['ArrowUp', 55],
  ]) {
    if (key === 'Tab') await page.locator('body').click({ position: { x: 2, y: 300 } });
    else await page.keyboard.press(key);
    if (expected !== null) assert.equal(await focused(page), nameOf(expected), key);
  }
  assert.equal(await page.locator('.tile .view[tabindex="0"]').count(), 1, 'one is reached by Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${weir.http}/${nameOf(55)}/`);
  await page.locator('#pill', { hasText: 'Live' }).waitFor({ timeout: 10_000 });
  await page.keyboard.press('Escape');
  await page.waitForURL(`${weir.http}/`);
  await until('the same tile has the focus', 5_000, async () => (await focused(page)) === nameOf(55));

  await page.keyboard.press('/');
  await page.keyboard.type('M-12');
  await until('the others are hidden', 2_000, async () => (await page.locator('.tile:visible').count()) === 1);
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), nameOf(11));
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
  await until('all are back', 2_000, async () => (await page.locator('.tile:visible').count()) === COUNT);
  await page.keyboard.press('t');
  await page.waitForURL(`${weir.http}/?table`);
  await page.locator('tr', { hasText: nameOf(11) }).waitFor();
  await page.keyboard.press('t');
  await page.waitForURL(`${weir.http}/`);
});

/** Counts the intervals that run; has the page believe that it is there for long. */
function countIntervals() {
  window.intervals = new Set();
  const { setInterval: set, clearInterval: clear } = window;
  window.setInterval = (...args) => {
    const id = set(...args);
    window.intervals.add(id);
    return id;
  };
  window.clearInterval = (id) => {
    window.intervals.delete(id);
    clear(id);
  };
  const { now } = performance;
  performance.now = () => now.call(performance) + 3_600_000;
}

test('a kiosk has nothing but tiles, outlives a restart, and is as new as weir', async (t) => {
  const page = await open(t, '/?kiosk', { prepare: (context) => context.addInitScript(countIntervals) });
  await playing(page, COUNT);
  for (const part of ['.bar', '#notice', '#configuration', 'a[href]:visible']) {
    assert.equal(await page.locator(part).filter({ visible: true }).count(), 0, part);
  }
  const held = () =>
    page.evaluate(() => [
      window.intervals.size,
      window.connectionsMade.filter(({ connectionState }) => connectionState !== 'closed').length,
    ]);
  const before = await held();
  await weir.kill();
  await until('the tiles say why', 10_000, async () => {
    return (await page.getByText('weir does not answer').filter({ visible: true }).count()) > COUNT / 2;
  });
  await weir.start();
  await playing(page, COUNT, 30_000);
  assert.deepEqual(await held(), before, 'no timer and no connection is left over');

  await page.evaluate(() => (window.isOld = true));
  await page.route('**/api/cameras', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), pages: 'another' } });
  });
  await until('it is loaded again', 8_000, () => page.evaluate(() => !window.isOld && window.weir));
});

/** A wake lock that a test lets go of; notes when it is asked for. */
function watchWakeLock() {
  const locks = (window.wakeLocks = []);
  const request = async (type) => {
    const lock = { type, released: false };
    locks.push(lock);
    return lock;
  };
  Object.defineProperty(navigator, 'wakeLock', { value: { request } });
}

/** The page is hidden, or is seen again; the browser lets go of the screen meanwhile. */
function turnPage(isHidden) {
  Object.defineProperty(document, 'hidden', { configurable: true, value: isHidden });
  if (isHidden) for (const lock of window.wakeLocks) lock.released = true;
  document.dispatchEvent(new Event('visibilitychange'));
}

test('a kiosk keeps the screen lit whenever it is seen, and does without where that is refused', async (t) => {
  const prepare = (context) => context.addInitScript(watchWakeLock);
  const kiosk = await open(t, '/?kiosk', { prepare });
  const locks = () => kiosk.evaluate(() => window.wakeLocks.map(({ type }) => type));
  await kiosk.locator('.tile').nth(COUNT - 1).waitFor();
  // It looks each time that it hears from weir.
  await kiosk.waitForResponse('**/api/cameras');
  assert.deepEqual(await locks(), ['screen'], 'once, however often it looks');
  await kiosk.evaluate(turnPage, true);
  assert.deepEqual(await locks(), ['screen'], 'not while it is hidden');
  await kiosk.evaluate(turnPage, false);
  await until('it holds it again', 2_000, async () => (await locks()).length === 2);

  const wall = await open(t, '/', { prepare });
  await wall.locator('.tile').nth(COUNT - 1).waitFor();
  assert.equal(await wall.evaluate(() => window.wakeLocks.length), 0, 'a wall that is no kiosk sleeps');

  const errors = [];
  const refuse = () => {
    window.asked = 0;
    const request = async () => {
      window.asked += 1;
      throw new DOMException('the battery is low', 'NotAllowedError');
    };
    Object.defineProperty(navigator, 'wakeLock', { value: { request } });
  };
  const refused = await open(t, '/?kiosk', {
    prepare: (context) => {
      context.on('weberror', (error) => errors.push(error.error().message));
      return context.addInitScript(refuse);
    },
  });
  await until('it asks again', 8_000, () => refused.evaluate(() => window.asked > 2));
  assert.deepEqual(errors, []);
});

const TOKEN = 'a token for the wall';

test('below a path, with a token, and without storage it is the same', async (t) => {
  const hash = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;
  const away = { name: 'away', url: 'rtsp://127.0.0.1:1/' };
  const other = await startWeir({
    cameras: [{ name: 'gate', url: clips.url('clip') }, away],
    http: { prefix: '/weir' },
    https: { tls: 'off' },
    tokens: [{ name: 'wall', role: 'viewer', hash }],
  });
  t.after(() => other.stop());
  const query = `token=${encodeURIComponent(TOKEN)}`;
  const block = () => {
    for (const area of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, area, { get: () => { throw new DOMException('no', 'SecurityError'); } });
    }
  };
  const prepare = (context) => context.addInitScript(block);
  const page = await open(t, `${other.http}/weir/?${query}`, { prepare });
  await playing(page, 1);
  const tile = page.locator('.tile', { hasText: 'away' });
  await tile.getByText('No picture from the camera').waitFor();
  await tile.getByText('The camera refuses the connection: is its RTSP port right?').waitFor();
  await page.keyboard.press('+');
  await page.keyboard.press('t');
  await page.waitForURL(`${other.http}/weir/?table&${query}`);
  await page.getByRole('link', { name: 'Wall' }).click();
  await page.waitForURL(`${other.http}/weir/?${query}`);
  await page.getByRole('link', { name: 'gate' }).click();
  await page.waitForURL(`${other.http}/weir/gate/?${query}`);
  await page.locator('#pill', { hasText: 'Live' }).waitFor({ timeout: 10_000 });
  await page.keyboard.press('Escape');
  await page.waitForURL(`${other.http}/weir/?${query}`);
});

test('axe finds nothing on the pages, light and dark', async (t) => {
  // Eight are enough to be looked at.
  const prepare = (context) =>
    context.route('**/api/cameras', async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      const cameras = answer.cameras.slice(0, 8);
      Object.assign(cameras[1], { state: 'waiting', reason: 'the camera does not answer' });
      Object.assign(cameras[2], { state: 'disabled', reason: 'its section has no url' });
      await route.fulfill({ response, json: { ...answer, cameras } });
    });
  const page = await open(t, '/', { prepare, bypassCSP: true });
  for (const path of ['/', '/?table', '/?kiosk', `/${nameOf(0)}/`]) {
    await page.goto(weir.http + path);
    await page.getByText(nameOf(0)).filter({ visible: true }).first().waitFor();
    await page.addScriptTag({ content: AXE });
    if (!path.includes('table')) await page.waitForFunction(() => document.querySelector('video').currentTime > 0);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate(() => window.axe.run());
      const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
      assert.deepEqual(found, [], `${path} ${colorScheme}`);
    }
  }
});
