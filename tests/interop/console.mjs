// The console when the network is dead: weir in a namespace of its own, on a cable that is pulled
// out of the switch, and an installer at the serial line, a pty by socat.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/console.mjs`.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { startWeir, until } from '../browser/weir.mjs';
import { layCable } from './cable.mjs';
import { Lan, v4 } from './lan.mjs';

const SWITCH = 254;
const BOX = 1;
const folder = mkdtempSync(join(tmpdir(), 'weir-console-'));

let lan, box, cameras, weir, cable;

before(async () => {
  lan = await Lan.open();
  box = await lan.host('box', BOX);
  cameras = await startCameras([{ path: '/gate' }], { address: v4(SWITCH) });
  const device = join(folder, 'tty');
  cable = await layCable(device);
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate', v4(SWITCH)) }],
    http: { open: true },
    console: { device, baud: 1_500_000 },
    host: v4(BOX),
    command: box.command,
  });
});

after(async () => {
  await weir?.stop();
  cable?.close();
  await cameras?.kill();
  lan?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The console's answer to `command`, as soon as it says so. */
const says = (what, command, limitMs) =>
  until(`\`${command}\` says ${what}`, limitMs, async () => what.test(await cable.asks(command)));

test('the banner says where to find it', async () => {
  const banner = await cable.sees('password: ');
  assert.match(banner, new RegExp(`eth0 \\(up\\): ${v4(BOX)}`));
  assert.match(banner, new RegExp(`open http://${v4(BOX)}:${weir.ports.http}/`));
  const [, password] = /the first password is ([^ ,]+),/.exec(banner);
  cable.types(password);
  await cable.sees('weir> ');
  await says(/gate +playing/, 'cameras', 15_000);
});

test('a pulled cable is seen, and the console goes on', async () => {
  execFileSync('ip', ['link', 'set', 'box', 'down']);
  await says(/eth0 +(no carrier|down)/, 'net', 5_000);
  await says(/gate +(waiting|connecting|failed)/, 'cameras', 30_000);
  assert.match(await cable.asks('status'), /0 of 1 cameras playing/);
  assert.match(await cable.asks('camera test gate', 'weir> ', 30_000), /no pictures: /);
  assert.match(await cable.asks('log'), /gate/);
});

test('plugged in again, the camera plays', async () => {
  execFileSync('ip', ['link', 'set', 'box', 'up']);
  await says(/eth0 +up/, 'net', 5_000);
  await says(/gate +playing/, 'cameras', 40_000);
});
