// nginx, HAProxy and Caddy in front of weir, with TLS and without, as they come and as
// docs/proxy.md has them: Chromium logs in, sees the list and a picture, and logs out.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { text } from 'node:stream/consumers';

import { startCameras } from '../browser/cameras.mjs';
import { passwordHash } from '../browser/users.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { startWeir } from '../browser/weir.mjs';
import { startFront } from './fronts.mjs';

const PASSWORD = 'correct horse';
const users = [{ name: 'anna', role: 'operator', password: passwordHash(PASSWORD) }];
const NAMES = ['nginx', 'haproxy', 'caddy'];

// The proxy's certificate is one that no browser knows.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

let cameras, browser, gate;

before(async () => {
  execFileSync('scripts/install-packages', ['nginx', 'haproxy', 'caddy'], {
    cwd: new URL('../..', import.meta.url),
  });
  cameras = await startCameras([{ path: '/gate', width: 320, height: 240, fps: 25, gop: 25 }]);
  gate = { name: 'gate', url: cameras.url('/gate') };
  browser = await launchChromium({ args: ['--ignore-certificate-errors'] });
});

after(async () => {
  await browser?.close();
  await cameras?.kill();
});

async function start(t, options) {
  const weir = await startWeir({ cameras: [gate], ...options });
  t.after(() => weir.stop());
  return weir;
}

async function front(t, name, weir, options) {
  const started = await startFront(name, { to: `127.0.0.1:${weir.ports.http}`, ...options });
  t.after(() => started.stop());
  return started;
}

const status = async (url, init) => (await fetch(url, { redirect: 'manual', ...init })).status;

/** Logs in at `url`, looks at the list and at the picture, and logs out. */
async function visit(t, url) {
  const viewer = await Viewer.open(browser, `${url}/`);
  t.after(() => viewer.close());
  const { page } = viewer;
  await page.getByLabel('User').fill('anna');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'gate' }).click();
  await viewer.picture();
  assert.ok(page.url().startsWith(`${url}/gate/`), page.url());
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual(others, []);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${url}/-/login`);
  assert.deepEqual(await page.context().cookies(), [], 'the cookie is gone');
  return cookie;
}

for (const tls of [false, true]) {
  for (const headers of [false, true]) {
    describe(`${tls ? 'with' : 'without'} TLS, ${headers ? 'with headers' : 'as they come'}`, () => {
      for (const name of NAMES) {
        test(name, async (t) => {
          const http = headers ? { proxies: ['127.0.0.1'] } : {};
          const weir = await start(t, { http, users, https: { tls: 'off' } });
          const { url } = await front(t, name, weir, { tls, headers });
          const cookie = await visit(t, url);
          assert.equal(cookie.secure, tls, cookie.name);
          assert.equal(cookie.name.startsWith('__Host-weir-login-'), tls, cookie.name);
        });
      }
    });
  }
}

test('nginx speaks TLS to weir as well', async (t) => {
  const https = { tls: 'self-signed' };
  const weir = await start(t, { http: { proxies: ['127.0.0.1'] }, users, https });
  const to = `127.0.0.1:${weir.ports.https}`;
  const { url } = await front(t, 'nginx', weir, { tls: true, headers: true, upstream: 'https', to });
  assert.ok((await visit(t, url)).secure);
});

for (const [what, below] of [['kept', ''], ['taken off', '/']]) {
  test(`below a path that nginx has ${what}`, async (t) => {
    const http = { proxies: ['127.0.0.1'], prefix: '/weir' };
    const weir = await start(t, { http, users, https: { tls: 'off' } });
    const { url } = await front(t, 'nginx', weir, { tls: true, headers: true, path: '/weir/', below });
    const cookie = await visit(t, `${url}/weir`);
    assert.deepEqual([cookie.path, cookie.name.startsWith('__Secure-')], ['/weir', true]);
  });
}

/** Sends `head` as it stands; the answer's status. */
async function send(port, head) {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${head}\r\nConnection: close\r\n\r\n`);
  return Number((await text(socket)).split(' ')[1]);
}

for (const name of NAMES) {
  test(`a stranger through ${name} as it comes is no operator, and without users no viewer`, async (t) => {
    const weir = await start(t, { http: { names: ['cams.example'] } });
    await weir.ready('gate');
    assert.equal(await status(`${weir.http}/api/cameras`), 200, 'on the box itself');
    const { port, url } = await front(t, name, weir, {});
    for (const path of ['/api/sessions', '/api/status']) {
      assert.ok([401, 403].includes(await status(url + path)), path);
    }
    assert.equal(await status(`${url}/api/reload`, { method: 'POST' }), 403);
    // By the name that the world has for it. Caddy serves its own names alone.
    if (name !== 'caddy') {
      const seen = await send(port, 'GET /api/cameras HTTP/1.1\r\nHost: cams.example');
      assert.equal(seen, 403, 'the cameras, by a public name');
    }
    // What names the box itself, which a stranger can write, HAProxy passes on without a trace.
    if (name !== 'haproxy') assert.equal(await status(`${url}/api/cameras`), 403);
  });

  test(`five wrong passwords through ${name} lock out none but the one who gave them`, async (t) => {
    const weir = await start(t, { http: { proxies: ['127.0.0.1'] }, users, https: { tls: 'off' } });
    const { url } = await front(t, name, weir, { headers: true });
    // As another proxy before this one would say; the last of the list is what counts.
    const tryAs = async (password) =>
      status(`${url}/-/login`, {
        method: 'POST',
        body: new URLSearchParams({ user: 'anna', password, next: '/' }),
        headers: { 'X-Forwarded-For': '198.51.100.7' },
      });
    for (let tries = 0; tries < 5; tries += 1) assert.equal(await tryAs(`wrong ${tries}`), 403);
    assert.equal(await tryAs(PASSWORD), 429);
    // All of this test's clients have the proxy's own address, until one comes from elsewhere.
    const from = (localAddress) =>
      new Promise((done, failed) => {
        const body = `user=anna&password=${PASSWORD.replace(' ', '+')}&next=/`;
        const { port, host } = new URL(url);
        const socket = connect({ host: '127.0.0.1', port, localAddress });
        socket.on('error', failed);
        socket.write(
          `POST /-/login HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
            `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        text(socket).then((said) => done(Number(said.split(' ')[1])), failed);
      });
    assert.equal(await from('127.0.0.9'), 303, 'another client of the proxy');
  });
}
