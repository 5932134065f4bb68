// Cameras by name: weir asks the DNS servers of /etc/resolv.conf, here dnsmasq.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/names.mjs`:
// port 53 is this namespace's own, and weir's /etc/resolv.conf is in its mount namespace alone.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { startWeir, until } from '../browser/weir.mjs';
import { assertAlone } from './alone.mjs';
import { startDns, underResolver } from './dns.mjs';

const ADDRESSES = {
  'gate.lan': ['127.0.0.1'],
  // Nobody listens at the first two.
  'many.lan': ['127.0.0.8', '127.0.0.9', '127.0.0.1'],
};
/** The host in each camera's URL. */
const HOSTS = {
  whole: 'gate.lan',
  searched: 'gate',
  absolute: 'gate.lan.',
  many: 'many.lan',
  localhost: 'localhost',
};
const RESOLV_CONF = '# by the test\nnameserver 127.0.0.1\nsearch lan\noptions timeout:1\n';
const folder = mkdtempSync(join(tmpdir(), 'weir-names-'));

let dnsmasq, cameras, weir;

before(async () => {
  assertAlone();
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, RESOLV_CONF);
  dnsmasq = startDns(ADDRESSES);
  // A mount each: GStreamer's server aborts at times when five clients ask for one at once.
  cameras = await startCameras(Object.keys(HOSTS).map((name) => ({ path: `/${name}` })));
  const named = Object.entries({ ...HOSTS, nobody: 'nobody.lan' });
  weir = await startWeir({
    cameras: named.map(([name, host]) => ({ name, url: cameras.url(`/${name}`, host) })),
    command: underResolver(resolvConf),
  });
});

after(async () => {
  await weir?.stop();
  await cameras?.kill();
  dnsmasq?.kill();
  rmSync(folder, { recursive: true, force: true });
});

for (const name of Object.keys(HOSTS)) {
  test(`the camera "${name}" is found and plays`, () => weir.ready(name));
}

test('a name that nobody knows is said to be unknown', async () => {
  await until('the reason is there', 10_000, async () => {
    const { state, reason } = await weir.camera('nobody');
    return state === 'waiting' && /the DNS servers have no address for it/.test(reason);
  });
});
