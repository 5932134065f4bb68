// Chromium over HTTPS with weir's own certificate, once a person has accepted it: what was typed
// as http leads there, and the picture is as it is without.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { GCM_CIPHER, Viewer, launchChromium } from './viewer.mjs';
import { startWeir, until } from './weir.mjs';

let cameras, weir, browser, viewer;

before(async () => {
  cameras = await startCameras([{ path: '/gate' }]);
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate') }],
    https: { tls: 'self-signed' },
  });
  browser = await launchChromium({ args: ['--ignore-certificate-errors'] });
  await until('the camera plays', 15_000, () => weir.metric('weir_camera_playing{camera="gate"}'));
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

test('what was typed as http leads to the page over https, and the picture comes', async (t) => {
  viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  assert.equal(viewer.page.url(), `${weir.https}/gate/`);
  const ms = await viewer.picture();
  t.diagnostic(`${ms.toFixed(0)} ms to the picture`);
  assert.ok(await viewer.page.evaluate(() => window.isSecureContext));
});

test('it runs as it should, encrypted with AES-GCM', async () => {
  await viewer.watchEachFrame(5, { weir, name: 'gate' }, 25);
  const { srtpCipher } = await viewer.stats();
  assert.match(srtpCipher, GCM_CIPHER);
});

test('Chromium has spoken TLS 1.3 with the certificate that is kept', async () => {
  const answer = await viewer.page.goto(`${weir.https}/`);
  const { protocol, subjectName } = await answer.securityDetails();
  assert.equal(protocol, 'TLS 1.3');
  const kept = readFileSync(join(weir.folder, 'weir-tls.pem'), 'utf8');
  const certificate = new X509Certificate(kept.slice(kept.indexOf('-----BEGIN CERTIFICATE')));
  assert.match(certificate.subject, new RegExp(`^CN=${subjectName}$`, 'm'));
  assert.ok(weir.log.includes(certificate.fingerprint256));
});

test('an address in IPv6 is redirected too', async () => {
  const { port } = new URL(weir.http);
  const answer = await fetch(`http://[::1]:${port}/gate/?x=1`, { redirect: 'manual' });
  assert.equal(answer.status, 308);
  assert.equal(answer.headers.get('location'), `https://[::1]:${weir.ports.https}/gate/?x=1`);
});
