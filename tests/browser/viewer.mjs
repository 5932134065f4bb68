// Chromium as a viewer: it is launched here, and what it shows is measured here. What the page's
// own script does is not looked into: its RTCPeerConnections are recorded as they are made.

import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { chromium, firefox } from 'playwright-core';

import { sleep, until } from './weir.mjs';

/** The AEAD ciphers of RFC 7714, as Chromium names them in its transport statistics. */
export const GCM_CIPHER = /^(SRTP_)?AEAD_AES_(128|256)_GCM$/;

/** Debian's Chromium, headless, with nothing that looks for a network of its own. */
export function launchChromium({ args = [] } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
      ...args,
    ],
  });
}

/**
 * Debian's Firefox, headless, by WebDriver BiDi. Its H.264 for WebRTC is a plugin that it fetches from
 * the Internet; here it decodes with the machine's libavcodec, as where hardware decodes.
 */
export function launchFirefox({ hasH264 = true } = {}) {
  const h264 = {
    'media.webrtc.hw.h264.enabled': true,
    // 1 says that the hardware can; the other default is for a driver's list.
    'gfx.blacklist.webrtc.hw.acceleration.h264': 1,
  };
  return firefox.launch({
    channel: 'moz-firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    firefoxUserPrefs: hasH264 ? h264 : {},
  });
}

/** Runs in a page before its scripts: its connections, as they are made, in `connectionsMade`. */
export function recordConnections() {
  window.connectionsMade = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.connectionsMade.push(this);
    }
  };
}

/**
 * For players of a test's own in the page: `offerVideo(connection, url)` has weir answer a connection's
 * offer of one video, and gives its answer.
 */
function defineOfferVideo() {
  window.offerVideo = async (connection, url) => {
    connection.addTransceiver('video', { direction: 'recvonly' });
    await connection.setLocalDescription();
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: connection.localDescription.sdp,
    });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    await connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return answer;
  };
}

/** What the newest connected RTCPeerConnection of the page receives; null before there is one. */
function readStats() {
  const newest = window.connectionsMade.filter((c) => c.connectionState === 'connected').at(-1);
  if (!newest) return null;
  return newest.getStats().then((report) => {
    const all = [...report.values()];
    const inbound = all.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
    const transport = all.find((s) => s.type === 'transport');
    const index = window.connectionsMade.indexOf(newest);
    return inbound && { ...inbound, srtpCipher: transport?.srtpCipher, connection: index };
  });
}

/** Milliseconds from the page's start to weir's own offer. */
const offeredAt = () =>
  performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/whep')).startTime;

/** Notes the time from each frame on the screen to the next, in milliseconds. */
function noteGaps() {
  const video = document.querySelector('video');
  const gaps = [];
  let last = performance.now();
  const note = (now) => {
    gaps.push(now - last);
    last = now;
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
  window.gapsNoted = gaps;
}

/** Milliseconds since the page's start once the video element has shown a frame. */
function shownAt() {
  const video = document.querySelector('video');
  const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
  return frames > 0 && video.videoWidth > 0 && video.currentTime > 0 && performance.now();
}

/** A timer as late as this shows that the machine, and not weir, held a picture back. */
const STALL_MS = 60;
/** And one as late as this, that a connection may have been kept from a core as well. */
export const STARVED_MS = 300;
/** Windows that such a machine may spoil before the test fails all the same. */
const WINDOWS_MAX = 4;

/** Watches how late timers are, here and in the page; ends with the worst, in milliseconds. */
export async function watchTimers(page) {
  const here = monitorEventLoopDelay({ resolution: 10 });
  here.enable();
  await page.evaluate(() => {
    const timers = { worst: 0, last: performance.now() };
    timers.id = setInterval(() => {
      const now = performance.now();
      timers.worst = Math.max(timers.worst, now - timers.last - 10);
      timers.last = now;
    }, 10);
    window.timersWatched = timers;
  });
  return async () => {
    here.disable();
    const there = await page.evaluate(() => {
      // A page that was left took its timers with it.
      clearInterval(window.timersWatched?.id);
      return window.timersWatched?.worst ?? 0;
    });
    return Math.max(here.max / 1e6 - 10, there);
  };
}

export class Viewer {
  constructor(page) {
    this.page = page;
    this.failedRequests = [];
    page.on('requestfailed', (request) => {
      this.failedRequests.push(`${request.url()} ${request.failure()?.errorText}`);
    });
  }

  /** Opens a page in a context of its own, another person's browser, once it is prepared. */
  static async open(browser, url, prepare = () => {}, options = {}) {
    const context = await browser.newContext(options);
    await context.addInitScript(recordConnections);
    await context.addInitScript(defineOfferVideo);
    await prepare(context);
    const viewer = new Viewer(await context.newPage());
    await viewer.page.goto(url);
    return viewer;
  }

  /**
   * Waits for the picture; how long after the page's start it came, in milliseconds. Where other
   * work kept timers from a core meanwhile it may take longer than `limitMs`.
   */
  async picture(limitMs = 10_000) {
    const worstMs = await watchTimers(this.page);
    const shown = (timeout) => this.page.waitForFunction(shownAt, null, { timeout });
    const first = await shown(limitMs).catch(() => null);
    const lateMs = await worstMs();
    if (first) return first.jsonValue();
    try {
      assert.ok(lateMs > STARVED_MS, 'the machine was not busy');
      console.log(`no picture within ${limitMs} ms: timers were ${lateMs.toFixed(0)} ms late`);
      return await (await shown(10_000)).jsonValue();
    } catch {
      const text = await this.page.locator('body').innerText();
      const failed = this.failedRequests.join(', ') || 'none';
      throw new Error(
        `no picture within ${limitMs} ms, the page says: ${text}; failed requests: ${failed}`,
      );
    }
  }

  /** The same from the offer of weir's own page on. */
  async pictureAfterOffer() {
    const shownAtMs = await this.picture();
    return shownAtMs - (await this.page.evaluate(offeredAt));
  }

  /** From now on the time from each frame on the screen to the next is noted: `gaps` has them. */
  noteGaps() {
    return this.page.evaluate(noteGaps);
  }

  /** In milliseconds, since `noteGaps`. */
  gaps() {
    return this.page.evaluate(() => window.gapsNoted);
  }

  stats() {
    return this.page.evaluate(readStats);
  }

  /** The picture's true size, as decoded. */
  size() {
    return this.page.evaluate(() => {
      const { videoWidth: width, videoHeight: height } = document.querySelector('video');
      return { width, height };
    });
  }

  /**
   * Watches for a while: frames decoded a second, and the statistics before and after. `camera` is
   * the camera and its server, to count what came of it meanwhile. Each counter is divided by the
   * time between its own readings: on a busy machine they are not read at the same moment.
   */
  async watch(seconds, camera) {
    const arrived = async () => {
      const frames = camera ? await camera.weir.frames(camera.name) : 0;
      return { frames, at: performance.now() };
    };
    const before = await until('the connection has statistics', 2_000, () => this.stats());
    const arrivedBefore = await arrived();
    await sleep(seconds * 1000);
    const after = await this.stats();
    const arrivedAfter = await arrived();
    assert.equal(after?.connection, before.connection, 'it was one connection');
    const perS = (frames, elapsedMs) => (frames * 1000) / elapsedMs;
    const decoded = after.framesDecoded - before.framesDecoded;
    const framesPerS = perS(decoded, after.timestamp - before.timestamp);
    const came = arrivedAfter.frames - arrivedBefore.frames;
    const arrivedPerS = perS(came, arrivedAfter.at - arrivedBefore.at);
    const freezes = after.freezeCount - before.freezeCount;
    return { framesPerS, arrivedPerS, before, after, freezes };
  }

  /**
   * Watches a camera of `fps`: frames were decoded as fast as weir received them, all that the
   * browser received, and none was late. An encoder on a busy machine is not the clock that it
   * should be, so that it is not the measure; and a window in which the machine itself stood
   * still says nothing about weir: it is watched again.
   */
  async watchEachFrame(seconds, camera, fps) {
    await this.caughtUp(fps);
    for (let window = 1; ; window++) {
      const worstMs = await watchTimers(this.page);
      const watched = await this.watch(seconds, camera);
      const lateMs = await worstMs();
      const faults = faultsOf(watched, seconds, fps);
      if (faults.length === 0) return watched;
      const said = `${describe(watched, camera.name, lateMs)}: ${faults.join(', ')}`;
      assert.ok(lateMs > STALL_MS && window < WINDOWS_MAX, said);
      console.log(`${said}: the machine stood still, watched again`);
    }
  }

  /** Waits until who has just come has what there was before: until then more comes than is sent. */
  caughtUp(fps) {
    return until('no more is decoded than is sent', 5_000, async () => {
      const before = await this.stats();
      await sleep(400);
      const after = await this.stats();
      if (!before || before.connection !== after?.connection) return false;
      const decoded = after.framesDecoded - before.framesDecoded;
      return (decoded * 1000) / (after.timestamp - before.timestamp) < 1.3 * fps;
    });
  }

  /** Waits until new frames reach the screen: the video's clock moves and a decoder works. */
  playing(limitMs) {
    return until('new frames are shown', limitMs, async () => {
      const before = await this.sample();
      await sleep(200);
      const after = await this.sample();
      return (
        before.connection === after.connection &&
        after.decoded > before.decoded &&
        after.clock > before.clock
      );
    });
  }

  async sample() {
    const stats = await this.stats();
    const clock = await this.page.evaluate(() => document.querySelector('video').currentTime);
    return { connection: stats?.connection, decoded: stats?.framesDecoded, clock };
  }

  /** Mean and standard deviation of the luma of a screenshot of the video element. */
  async brightness() {
    const png = (await this.page.locator('video').screenshot()).toString('base64');
    const bench = await this.page.context().newPage();
    const result = await bench.evaluate(measurePng, png);
    await bench.close();
    return result;
  }

  close() {
    return this.page.context().close();
  }
}

function describe({ framesPerS, arrivedPerS }, name, lateMs) {
  const [decoded, arrived] = [framesPerS.toFixed(2), arrivedPerS.toFixed(2)];
  return `${name}: ${decoded} frames/s decoded of ${arrived}, timers ${lateMs.toFixed(0)} ms late`;
}

/** What was wrong with a window of `seconds` of a camera of `fps`, in words. */
function faultsOf({ framesPerS, arrivedPerS, freezes, before, after }, seconds, fps) {
  // weir's counter is up to 0.1 s old at each end.
  const unsure = 0.03 + 0.2 / seconds;
  const waiting = (stats) => stats.framesReceived - stats.framesDecoded;
  const undecoded = waiting(after) - waiting(before);
  return [
    [arrivedPerS > 0.8 * fps, `the camera should send ${fps}`],
    [Math.abs(framesPerS / arrivedPerS - 1) < unsure, 'the rates differ'],
    [undecoded <= fps / 4, `${undecoded} received and not decoded`],
    [freezes === 0, `${freezes} freezes`],
  ].flatMap(([isWell, fault]) => (isWell ? [] : [fault]));
}

async function measurePng(base64) {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  let [sum, squares] = [0, 0];
  for (let i = 0; i < data.length; i += 4) {
    const luma = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    sum += luma;
    squares += luma * luma;
  }
  const pixels = data.length / 4;
  const mean = sum / pixels;
  return { mean, deviation: Math.sqrt(squares / pixels - mean * mean) };
}
