// Users in a browser: logging in and out, wrong passwords and the wait after them, logins that
// outlive weir and those that are over, tokens in an address, and what each may see.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { twoUsers } from './users.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { freeTcpPort, startWeir, until } from './weir.mjs';

const PASSWORD = 'correct horse';
const TOKEN = 'a token for the wall';

const users = twoUsers(PASSWORD);
const hash = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;
const tokens = [{ name: 'wall', role: 'viewer', hash }];
const withToken = `?token=${encodeURIComponent(TOKEN)}`;

let cameras, weir, browser, sitePort;

before(async () => {
  cameras = await startCameras([{ path: '/gate', width: 320, height: 240, fps: 25, gop: 25 }]);
  const gate = { name: 'gate', url: cameras.url('/gate') };
  sitePort = await freeTcpPort();
  const http = { origins: [`http://127.0.0.1:${sitePort}`] };
  weir = await startWeir({ cameras: [gate], http, https: { tls: 'off' }, users, tokens });
  weir.headers = { authorization: `Bearer ${TOKEN}` };
  browser = await launchChromium();
  await weir.ready('gate');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

async function open(t, path, prepare) {
  const viewer = await Viewer.open(browser, weir.http + path, prepare);
  t.after(() => viewer.close());
  return viewer;
}

async function logIn({ page }, user, password) {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const isAt = ({ page }, path) => page.waitForURL((url) => url.pathname + url.search === path);

/** What the page's own browser gets for a path. */
const status = ({ page }, path) => page.evaluate(async (p) => (await fetch(p)).status, path);

test('who is not logged in is led to the login and back; the picture comes', async (t) => {
  const viewer = await open(t, '/gate/');
  await isAt(viewer, '/-/login?next=/gate/');
  await logIn(viewer, 'anna', PASSWORD);
  await isAt(viewer, '/gate/');
  await viewer.picture();
  await viewer.page.getByText('anna, operator').waitFor();
  const [cookie] = await viewer.page.context().cookies();
  assert.deepEqual(
    { httpOnly: cookie.httpOnly, sameSite: cookie.sameSite },
    { httpOnly: true, sameSite: 'Lax' },
  );
  assert.match(cookie.name, /^weir-login-[0-9a-f]{8}$/);
});

test('it works without JavaScript', async (t) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${weir.http}/`);
  await logIn({ page }, 'bert', PASSWORD);
  await isAt({ page }, '/');
  // Chromium does not show it when a debugger is what took the JavaScript away.
  const list = await page.goto(`${weir.http}/`);
  assert.match(await list.text(), /<noscript>.*This page needs JavaScript/);
});

test('a viewer sees the cameras and not who else looks; an operator does', async (t) => {
  for (const [user, expected] of [['bert', 403], ['anna', 200]]) {
    const viewer = await open(t, '/');
    await logIn(viewer, user, PASSWORD);
    await viewer.page.getByRole('link', { name: 'gate' }).waitFor();
    assert.equal(await status(viewer, '/api/cameras'), 200);
    assert.equal(await status(viewer, '/api/sessions'), expected, user);
  }
});

/** A page of another site with weir's page in a frame; by another name than the site's own. */
async function site(t) {
  const url = `${weir.http.replace('127.0.0.1', 'localhost')}/gate/`;
  const server = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    answer.end(`<iframe src="${url}" width="900" height="700"></iframe>`);
  });
  await new Promise((done) => server.listen(sitePort, '127.0.0.1', done));
  t.after(() => server.close());
  return `http://127.0.0.1:${sitePort}/`;
}

test('a login whose cookie the browser dropped says so, and leads out of the frame', async (t) => {
  const address = await site(t);
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(address);
  const frame = page.frameLocator('iframe');
  await frame.getByLabel('User').fill('bert');
  await frame.getByLabel('Password').fill(PASSWORD);
  await frame.getByRole('button', { name: 'Log in' }).click();
  await frame.getByText('this browser did not keep the login').waitFor({ timeout: 10_000 });
  const opened = context.waitForEvent('page');
  await frame.getByRole('link', { name: 'Open it in a tab of its own' }).click();
  const tab = await opened;
  await isAt({ page: tab }, '/-/login?next=/gate/');
  assert.equal(await tab.getByRole('link', { name: 'Open it in a tab' }).count(), 0);
  await logIn({ page: tab }, 'bert', PASSWORD);
  await isAt({ page: tab }, '/gate/');
});

test('after logging out, the same cookie opens nothing', async (t) => {
  const viewer = await open(t, '/');
  await logIn(viewer, 'bert', PASSWORD);
  const cookies = await viewer.page.context().cookies();
  await viewer.page.getByRole('button', { name: 'Log out' }).click();
  await isAt(viewer, '/-/login');
  assert.deepEqual(await viewer.page.context().cookies(), [], 'it is gone from the browser');
  await viewer.page.context().addCookies(cookies);
  await viewer.page.goto(`${weir.http}/gate/`);
  await isAt(viewer, '/-/login?next=/gate/');
});

/** Waits until the login is in weir's file, which a login alone has written every 10 s at most. */
async function isKept({ page }) {
  const cookies = await page.context().cookies();
  const { value } = cookies.find(({ name }) => name.startsWith('weir-login-'));
  const digest = createHash('sha256').update(value).digest('hex');
  const path = join(weir.folder, 'weir-logins');
  await until('the login is in the file', 15_000, () => {
    return readFileSync(path, 'utf8').includes(digest);
  });
}

test('logins outlive a weir that is killed, and are over when their time is', async (t) => {
  const viewer = await open(t, '/gate/');
  await logIn(viewer, 'anna', PASSWORD);
  await viewer.picture();
  await isKept(viewer);
  await weir.kill();
  await weir.start();
  await weir.ready('gate');
  await viewer.playing(20_000);
  assert.equal(new URL(viewer.page.url()).pathname, '/gate/', 'without a person');

  // The file says until when a login is good: that is brought forward to a moment from now.
  await weir.kill();
  const path = join(weir.folder, 'weir-logins');
  const soon = Math.floor(Date.now() / 1000) + 4;
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const changed = lines.map((line) => line.replace(/ \d+ /, ` ${soon} `));
  assert.notDeepEqual(changed, lines);
  writeFileSync(path, `${changed.join('\n')}\n`);
  await weir.start();
  await until('the login is over', 10_000, () => Date.now() / 1000 > soon);
  await viewer.page.goto(`${weir.http}/gate/`);
  await isAt(viewer, '/-/login?next=/gate/');
});

test('a page whose login ends while it is looked at leads to the login', async (t) => {
  const viewer = await open(t, '/');
  await logIn(viewer, 'bert', PASSWORD);
  await viewer.page.getByRole('link', { name: 'gate' }).waitFor();
  await viewer.page.context().clearCookies();
  await isAt(viewer, '/-/login?next=%2F');
});

/** The picture is over within a second of `since`, and the page says why and where to log in. */
async function pictureEnds({ page }, since, reason) {
  await page.waitForFunction(() => window.weir.state === 'over', null, { polling: 20 });
  const tookMs = Date.now() - since;
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
  await page.getByText('You are no longer logged in').waitFor();
  await page.getByText(reason).waitFor();
  assert.equal(await page.evaluate(() => window.weir.peerConnection), null);
  await page.getByRole('link', { name: 'Log in' }).click();
  await isAt({ page }, '/-/login?next=%2Fgate%2F');
}

test('the picture of a removed user ends, and the page says why', async (t) => {
  const viewers = [];
  for (const user of ['bert', 'anna']) {
    const viewer = await open(t, '/gate/');
    await logIn(viewer, user, PASSWORD);
    await viewer.picture();
    viewers.push(viewer);
  }
  const path = join(weir.folder, 'weir.toml');
  const before = readFileSync(path, 'utf8');
  t.after(async () => {
    writeFileSync(path, before);
    await weir.console('config', 'reload');
  });
  const without = before.replace(/\[\[user\]\]\nname = "bert"\n(.+\n)*?(?=\[)/, '');
  assert.notEqual(without, before);
  writeFileSync(path, without);
  const since = Date.now();
  weir.child.kill('SIGHUP');
  await pictureEnds(viewers[0], since, /the user was removed or changed/i);
  assert.equal(await viewers[1].page.evaluate(() => window.weir.state), 'playing');
});

test('a logout ends the picture in another tab', async (t) => {
  const viewer = await open(t, '/gate/');
  await logIn(viewer, 'bert', PASSWORD);
  await viewer.picture();
  const list = await viewer.page.context().newPage();
  await list.goto(`${weir.http}/?table`);
  await viewer.page.bringToFront();
  const since = Date.now();
  await list.evaluate(() => fetch('/-/logout', { method: 'POST', redirect: 'manual' }));
  await pictureEnds(viewer, since, /logged out/i);
});

test('an operator ends a session in the list; its page says so and waits for a person', async (t) => {
  const viewer = await open(t, '/gate/');
  await logIn(viewer, 'bert', PASSWORD);
  await viewer.picture();
  const { page: list } = await open(t, '/?table');
  await logIn({ page: list }, 'anna', PASSWORD);
  const sessions = await weir.sessions();
  const { id } = sessions.filter(({ state }) => state === 'live').at(-1);
  const end = list.getByRole('button', { name: `End session ${id} of gate` });
  await end.click();
  const { page } = viewer;
  await page.getByText('An operator ended this').waitFor();
  assert.equal(await page.evaluate(() => window.weir.state), 'ended');
  await end.waitFor({ state: 'detached' });
  // Nothing but a person brings it back: not the network, nor the page's being looked at.
  await page.evaluate(() => {
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
  });
  assert.equal(await page.evaluate(() => window.weir.state), 'ended');
  const { reason } = (await weir.sessions()).find((session) => session.id === id);
  assert.equal(reason, 'ended by an operator');
  await page.getByRole('button', { name: 'Watch again' }).click();
  await viewer.playing(10_000);
});

test('a viewer is shown no sessions', async (t) => {
  const { page } = await open(t, '/?table');
  await logIn({ page }, 'bert', PASSWORD);
  await isAt({ page }, '/?table');
  await page.getByText('bert').waitFor();
  assert.equal(await page.locator('#sessions').isVisible(), false);
  assert.equal(await status({ page }, '/api/sessions'), 403);
});

test('a page with a token in its address plays, and so does what it leads to', async (t) => {
  const viewer = await open(t, `/gate/${withToken}`);
  await viewer.picture();
  await viewer.page.getByText('wall').waitFor();
  const list = await open(t, `/${withToken}`);
  await list.page.getByRole('link', { name: 'gate' }).click();
  await list.picture();
  const wrong = await open(t, '/gate/?token=wrong');
  await isAt(wrong, '/-/login?next=/gate/');
});

test('a page of another site plays with a token, and not with the login', async (t) => {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html').end('<video muted autoplay playsinline>');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const viewer = await open(t, '/');
  await logIn(viewer, 'bert', PASSWORD);
  await isAt(viewer, '/');
  await viewer.page.goto(`http://localhost:${server.address().port}/`);
  const play = (init) => viewer.page.evaluate(playFrom, [`${weir.http}/gate/whep`, init]);
  assert.match(await play({ credentials: 'include' }), /TypeError: Failed to fetch/);
  const authorization = `Bearer ${TOKEN}`;
  assert.equal(await play({ headers: { authorization } }), 'answered');
  await viewer.picture();
});

/** A player as small as it can be. */
async function playFrom([endpoint, { headers, ...init }]) {
  const connection = new RTCPeerConnection();
  connection.addTransceiver('video', { direction: 'recvonly' });
  connection.addEventListener('track', ({ track }) => {
    document.querySelector('video').srcObject = new MediaStream([track]);
  });
  await connection.setLocalDescription();
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', ...headers },
      body: connection.localDescription.sdp,
      ...init,
    });
    await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    return response.headers.get('location') ? 'answered' : `${response.status}`;
  } catch (error) {
    return String(error);
  }
}

test('without users another machine is told what to do', async (t) => {
  const others = Object.values(networkInterfaces()).flat();
  const address = others.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (!address) return t.skip('this machine has no address but loopback');
  const bare = await startWeir({ cameras: [] });
  t.after(() => bare.stop());
  const page = await browser.newPage();
  t.after(() => page.close());
  const answer = await page.goto(`http://${address}:${bare.ports.http}/`);
  assert.equal(answer.status(), 403);
  await page.getByRole('heading', { name: 'No users are configured' }).waitFor();
  await page.getByText('Set a password with `weir password`').waitFor();
});

// The last: the address of this machine is locked out by it.
test('a wrong password says so, and after five of them there is a wait', async (t) => {
  const viewer = await open(t, '/gate/');
  for (let tries = 0; tries < 5; tries += 1) {
    await logIn(viewer, 'anna', `wrong ${tries}`);
    await viewer.page.getByText('User or password is wrong').waitFor();
    assert.equal(await viewer.page.getByLabel('User').inputValue(), 'anna');
    assert.equal(await viewer.page.getByLabel('Password').inputValue(), '');
  }
  await logIn(viewer, 'anna', PASSWORD);
  const says = viewer.page.getByText(/Too many failed logins from your address: wait \d+ s/);
  await says.waitFor();
  const wait = Number(/wait (\d+) s/.exec(await says.innerText())[1]);
  assert.ok(wait >= 1 && wait <= 10, `${wait} s`);
  await until('the wait is over', 15_000, async () => {
    await logIn(viewer, 'anna', PASSWORD);
    return new URL(viewer.page.url()).pathname === '/gate/';
  }).catch(async (error) => assert.fail(`${error}: ${await viewer.page.innerText('body')}`));
  await viewer.picture();
});
