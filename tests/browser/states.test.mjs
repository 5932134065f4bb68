// What the pages say in browsers as people have them: old ones, those with something switched off,
// and behind networks and proxies that let through a part. Chromium is made to be like them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { sleep, startWeir, until } from './weir.mjs';

const GOP_S = 4;
const SLOW = { path: '/slow', width: 320, height: 240, fps: 25, gop: 25 * GOP_S, deaf: 1 };

let cameras, weir, browser;

before(async () => {
  cameras = await startCameras([SLOW]);
  weir = await startWeir({ cameras: [{ name: 'slow', url: cameras.url('/slow') }] });
  browser = await launchChromium();
  await weir.ready('slow');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

/** Opens the camera's page in a browser that `prepare` has made as it is; counts its sessions. */
async function open(t, prepare = () => {}, path = '/slow/') {
  let posts = 0;
  const viewer = await Viewer.open(browser, weir.http + path, async (context) => {
    context.on('request', (request) => (posts += request.method() === 'POST'));
    await prepare(context);
  });
  t.after(() => viewer.close());
  viewer.posts = () => posts;
  return viewer;
}

const says = ({ page }, words, limitMs = 10_000) =>
  page.getByText(words).first().waitFor({ timeout: limitMs });

/** Waits until the state in the page's head is `word`. */
const pill = ({ page }, word, limitMs = 10_000) =>
  page.locator('#pill', { hasText: word }).waitFor({ timeout: limitMs });

// What came between 2021 and today, as far as it can be taken away from Chromium.
function makeOld() {
  delete AbortSignal.timeout;
  delete AbortSignal.any;
  delete window.structuredClone;
  delete Object.hasOwn;
  for (const name of ['at', 'findLast', 'toSorted', 'with']) delete Array.prototype[name];
  delete RTCPeerConnection.prototype.connectionState;
  delete RTCRtpReceiver.prototype.jitterBufferTarget;
  delete HTMLVideoElement.prototype.requestVideoFrameCallback;
}

async function oldStyle(route) {
  const response = await route.fetch();
  const body = (await response.text()).replace(/[\w-]+:[^;{]*\b(\d+dvh|color-mix)\b[^;]*;/g, '');
  await route.fulfill({ response, body });
}

test('a browser of 2021 has the list, and the picture by one session', async (t) => {
  const prepare = async (context) => {
    await context.addInitScript(makeOld);
    await context.route('**/-/style.css', oldStyle);
  };
  const list = await open(t, prepare, '/');
  await list.page.getByRole('link', { name: 'slow' }).waitFor({ timeout: 5_000 });

  await until('a key frame just went by, so that the next takes a while', 15_000, async () => {
    const { gop_ms: gop, key_frame_age_ms: age } = await weir.camera('slow');
    return gop && age < 1_000;
  });
  const viewer = await open(t, prepare);
  await pill(viewer, 'Live');
  assert.equal(viewer.posts(), 1, 'it waited for the key frame instead of connecting again');
  const { height } = await viewer.page.locator('video').boundingBox();
  assert.ok(height > 300, `the video is ${height} pixels high`);
});

test('a browser that cannot run the script is told what it needs, and no other', async (t) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  t.after(() => context.close());
  for (const path of ['/', '/slow/']) {
    const page = await context.newPage();
    await page.goto(weir.http + path);
    await page.getByText('Chromium 90, Firefox 90, Safari 15').waitFor({ timeout: 8_000 });
    const other = await open(t, undefined, path);
    await until('the script took it away', 8_000, async () => {
      return (await other.page.locator('#unstarted').count()) === 0;
    });
  }
});

test('a browser without WebRTC is told so', async (t) => {
  const viewer = await open(t, (context) => {
    return context.addInitScript(() => delete window.RTCPeerConnection);
  });
  await says(viewer, 'This browser cannot show the camera');
  await says(viewer, /^It has no WebRTC\. It may be switched off/);
  assert.equal(viewer.posts(), 0);
});

test('what the browser itself refuses is shown in its words', async (t) => {
  const viewer = await open(t, (context) =>
    context.addInitScript(() => {
      window.RTCPeerConnection = class {
        constructor() {
          throw new DOMException('Cannot create so many PeerConnections', 'UnknownError');
        }
      };
    }),
  );
  await says(viewer, 'Cannot create so many PeerConnections');
});

test('Firefox is told that its H.264 may only need a minute, and plays when it is there', async (t) => {
  const context = await browser.newContext({
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  });
  t.after(() => context.close());
  await context.addInitScript(() => {
    const { createOffer } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createOffer = async function () {
      const { type, sdp } = await createOffer.call(this);
      return { type, sdp: window.hasCodec ? sdp : sdp.replaceAll('H264', 'H26X') };
    };
  });
  const page = await context.newPage();
  await page.goto(`${weir.http}/slow/`);
  await says({ page }, /offers no H\.264\. Firefox fetches it .* may only need a minute/);
  await page.evaluate(() => (window.hasCodec = true));
  await pill({ page }, 'Live', 10_000 + 10_000 + GOP_S * 1_000);
});

test('a picture that the browser paused is not called live, and goes on at a tap', async (t) => {
  const viewer = await open(t);
  await pill(viewer, 'Live');
  await viewer.page.evaluate(() => document.querySelector('video').pause());
  await pill(viewer, 'Paused', 2_000);
  const announced = viewer.page.locator('#message [role=status]');
  await until('it is announced', 2_000, async () => /^Paused/.test(await announced.innerText()));
  await viewer.page.getByRole('button', { name: 'Play' }).click();
  await pill(viewer, 'Live', 3_000);
  await viewer.playing(3_000);
  assert.equal(await announced.innerText(), '');
  assert.equal(viewer.posts(), 1, 'the session went on meanwhile');
});

test('a browser that does not start videos by itself offers to', async (t) => {
  const viewer = await open(t, async (context) => {
    await context.addInitScript(() => {
      const { play } = HTMLMediaElement.prototype;
      // Not `navigator.userActivation`: what a test asks of the page counts as a gesture there.
      let isTapped = false;
      window.addEventListener('click', ({ isTrusted }) => (isTapped ||= isTrusted), true);
      HTMLMediaElement.prototype.play = function () {
        if (isTapped) return play.call(this);
        return Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
      };
    });
    await context.route('**/slow/', async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace(' autoplay ', ' ');
      await route.fulfill({ response, body });
    });
  });
  await says(viewer, 'This browser does not start videos by itself.');
  await pill(viewer, 'Paused');
  // Beside the button is as good as on it.
  await viewer.page.locator('#stage').click({ position: { x: 20, y: 20 } });
  await pill(viewer, 'Live');
  await viewer.playing(3_000);
});

test('frames that are decoded and not shown are no live picture', async (t) => {
  const viewer = await open(t);
  await pill(viewer, 'Live');
  await viewer.page.evaluate(() => {
    const video = document.querySelector('video');
    const quality = video.getVideoPlaybackQuality();
    Object.defineProperty(video, 'currentTime', { get: () => 1, configurable: true });
    video.getVideoPlaybackQuality = () => quality;
  });
  await says(viewer, 'The picture stands still', 5_000);
  await pill(viewer, 'Paused');
  await viewer.page.evaluate(() => {
    const video = document.querySelector('video');
    delete video.currentTime;
    delete video.getVideoPlaybackQuality;
  });
  await pill(viewer, 'Live', 3_000);
  assert.equal(viewer.posts(), 1);
});

test('why no media comes stays there over the next tries, until it comes', async (t) => {
  let isBlocked = true;
  const viewer = await open(t, (context) =>
    context.route('**/slow/whep', async (route) => {
      const response = await route.fetch();
      const text = await response.text();
      const body = isBlocked ? text.replace(/^(a=candidate:.* )\d+( typ)/gm, '$19$2') : text;
      await route.fulfill({ response, body });
    }),
  );
  const reason = viewer.page.getByText(/UDP port may be blocked/);
  await reason.waitFor({ timeout: 12_000 });
  await until('two more tries', 15_000, async () => {
    assert.ok(await reason.isVisible(), 'the reason is there all the time');
    return viewer.posts() === 3;
  });
  isBlocked = false;
  await pill(viewer, 'Live', 20_000);
  assert.ok(!(await reason.isVisible()), 'and no longer');
});

const REFUSALS = [
  // [status, weir's reason, headline, explanation]
  [400, 'the offer is not SDP', 'weir refuses this', 'The offer is not SDP'],
  [403, 'this needs the role viewer', 'weir does not allow this', 'This needs the role viewer'],
  [413, 'body of 20000 bytes, max 16384', 'weir refuses this', 'Body of 20000 bytes, max 16384'],
  [415, 'an offer has the type x', 'weir refuses this', 'An offer has the type x'],
  [421, 'no name of weir’s', "This host name is not weir's", 'No name of weir’s'],
  [422, 'no H.264 in it', 'This camera cannot be shown', 'No H.264 in it'],
  [429, 'wait 40 s', 'weir asks to wait', 'Wait 40 s'],
  [500, 'a fault', 'weir could not do this', 'A fault'],
  [503, 'sessions full, max 256', 'weir has no room right now', 'Sessions full, max 256'],
  // Without a reason it is not weir that answers.
  [502, null, 'weir does not answer', 'The answer was 502 Bad Gateway, from the proxy'],
  [503, null, 'weir does not answer', 'The answer was 503 Service Unavailable, from the proxy'],
  [403, null, 'A proxy or firewall answers, not weir', 'The answer was 403 Forbidden'],
  [200, null, 'A proxy or firewall answers, not weir', 'load this page again'],
];

test('each refusal is shown in its own words', async (t) => {
  let refusal;
  const context = await browser.newContext();
  t.after(() => context.close());
  await context.route('**/slow/whep', (route) => {
    const [status, detail] = refusal;
    const contentType = detail ? 'application/problem+json' : 'text/html';
    const body = detail ? JSON.stringify({ detail }) : '<h1>no</h1>';
    return route.fulfill({ status, contentType, body });
  });
  const page = await context.newPage();
  for (refusal of REFUSALS) {
    const [status, , headline, explanation] = refusal;
    await page.goto(`${weir.http}/slow/`);
    await page.locator('#headline', { hasText: headline }).waitFor({ timeout: 5_000 });
    const found = await page.locator('#explanation').innerText();
    assert.ok(found.includes(explanation), `${status}: ${found}`);
  }
});

test('weir that asks to wait is not asked before', async (t) => {
  const viewer = await open(t, (context) =>
    context.route('**/slow/whep', (route) =>
      route.fulfill({ status: 429, headers: { 'Retry-After': '40' }, json: { detail: 'wait' } }),
    ),
  );
  await says(viewer, /^Trying again in (40|39|38) s$/);
  await sleep(2_000);
  assert.equal(viewer.posts(), 1);
});

test('the list says why it may not be seen', async (t) => {
  const detail = 'no users are configured';
  const viewer = await open(
    t,
    (context) =>
      context.route('**/api/cameras', (route) => route.fulfill({ status: 403, json: { detail } })),
    '/',
  );
  await says(viewer, 'No users are configured. Trying again; what is shown may be old.');
});

test('weir that is gone is said to be gone, also where nothing refuses the connection', async (t) => {
  const viewer = await open(t);
  await pill(viewer, 'Live');
  const context = viewer.page.context();
  for (const path of ['**/api/**', '**/slow/whep/**']) await context.route(path, () => {});
  await weir.kill();
  await says(viewer, 'weir does not answer', 15_000);
  await context.unrouteAll({ behavior: 'ignoreErrors' });
  await weir.start();
  await weir.ready('slow');
  await pill(viewer, 'Live', 30_000);
});
