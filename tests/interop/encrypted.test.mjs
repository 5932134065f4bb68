// GStreamer's RTSP server within TLS (GnuTLS) and through its HTTP tunnel: its picture in Chromium, its
// logins, and what weir says of its certificate.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { startWeir } from '../browser/weir.mjs';

const run = promisify(execFile);
const AUTH = { method: 'digest', user: 'viewer', password: 'right:of "way" %41' };

let folder, camera, guarded, plain, weir, browser, fingerprint;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-encrypted-'));
  const tls = { certificate: join(folder, 'camera.pem'), key: join(folder, 'camera.key') };
  const make = 'req -x509 -newkey rsa:2048 -nodes -subj /CN=camera -days 3 -keyout';
  await run('openssl', [...make.split(' '), tls.key, '-out', tls.certificate]);
  const shown = ['x509', '-in', tls.certificate, '-noout', '-fingerprint', '-sha256'];
  fingerprint = (await run('openssl', shown)).stdout.trim().split('=')[1];
  // Packets that fill records of 16 KiB.
  const mount = { path: '/gate', width: 640, height: 360, kbps: 3000, mtu: 60_000 };
  camera = await startCameras([mount], { tls, auth: AUTH });
  guarded = await startCameras([{ path: '/gate' }], { tls, auth: AUTH });
  plain = await startCameras([mount], { auth: AUTH });
  const login = { user: AUTH.user, password: AUTH.password };
  const by = (scheme) => (server) => server.url('/gate', '127.0.0.1', scheme);
  const rtsps = by('rtsps');
  weir = await startWeir({
    cameras: [
      { name: 'rtsps', url: rtsps(camera), ...login },
      { name: 'digest', url: rtsps(guarded), tls_fingerprint: fingerprint, ...login },
      { name: 'http', url: by('rtsp+http')(plain), ...login },
      { name: 'https', url: by('rtsps+http')(camera), tls_fingerprint: fingerprint, ...login },
      { name: 'other', url: rtsps(guarded), tls_fingerprint: '00'.repeat(32), ...login },
    ],
  });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await camera?.kill();
  await guarded?.kill();
  await plain?.kill();
  await rm(folder, { recursive: true });
});

for (const name of ['rtsps', 'http', 'https']) {
  test(`a camera by ${name} is shown in its size and at its rate`, async (t) => {
    await weir.ready(name);
    const viewer = await Viewer.open(browser, `${weir.http}/${name}/`);
    t.after(() => viewer.close());
    await viewer.picture(5_000);
    await viewer.watchEachFrame(6, { weir, name }, 25);
    assert.deepEqual(await viewer.size(), { width: 640, height: 360 });
  });
}

test('a login goes through, to the camera that is known', () => weir.ready('digest'));

test('a camera with another certificate is named with both', async () => {
  const { state, reason } = await weir.camera('other');
  assert.equal(state, 'failed');
  assert.ok(reason.includes(fingerprint) && reason.includes('00:00:00'), reason);
});
