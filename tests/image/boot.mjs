// The appliance as it is flashed: U-Boot starts a slot of the disk, weir-init sets the box up, an
// installer adds a camera at the serial line, and a browser outside shows its picture.
//
// Run as `unshare -n node --test tests/image/boot.mjs`. $WEIR_IMAGE is what scripts/image made.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { until } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Disk, Machine } from './machine.mjs';

const RAM_MIB = 256;
const USED_KIB_MAX = 100_000;
/** Where this namespace has the box's ports: browsers send no media to a loopback address. */
const ADDRESS = v4(254);
const AUTH = { method: 'digest', user: 'admin', password: 'p4ssw0rd' };
const CONFIG = `config_version = 1
[http]
listen = "[::]:8117"
open = true
[https]
tls = "off"
[webrtc]
listen = "[::]:8118"
announce = ["${ADDRESS}:8118"]
`;

let lan, cameras, browser, disk, machine, viewer;

before(async () => {
  lan = await Lan.open();
  cameras = await startCameras([{ path: '/gate' }], { auth: AUTH });
  browser = await launchChromium();
  disk = new Disk(process.env.WEIR_IMAGE, { mib: 512 });
  disk.preset('weir.toml', CONFIG);
  disk.preset('box.toml', 'hostname = "porch"\n');
  machine = await Machine.start(disk, { ramMib: RAM_MIB, address: ADDRESS });
});

after(async () => {
  await browser?.close();
  await machine?.cut();
  await cameras?.kill();
  disk?.remove();
  lan?.close();
});

test('it starts, takes its presets and an address, and lets somebody in', async (t) => {
  const begun = Date.now();
  await machine.login();
  t.diagnostic(`from power-on to the console ${Date.now() - begun} ms`);
  assert.match(machine.serial.shown, /weir \d+\.\d+\.\d+ on porch: 0 of 0 cameras playing/);
  await until('it has an address', 15_000, async () => {
    return /10\.0\.2\.15/.test(await machine.serial.asks('net'));
  });
  assert.equal(disk.state().BOOT_ORDER ?? 'A B', 'A B');
});

test('a camera is added at the serial line, and a browser outside shows its picture', async (t) => {
  const { serial } = machine;
  serial.types(`camera add gate ${cameras.url('/gate', '10.0.2.2')} ${AUTH.user}`);
  await serial.sees(`password of ${AUTH.user}: `);
  serial.types(AUTH.password);
  assert.match(await serial.sees('weir> '), /added: gate/);
  await until('the camera plays', 30_000, async () => {
    return /gate +playing/.test(await serial.asks('cameras'));
  });
  viewer = await Viewer.open(browser, `http://${ADDRESS}:8117/gate/`);
  t.diagnostic(`picture after ${(await viewer.picture(20_000)).toFixed(0)} ms`);
  await viewer.playing(10_000);
  const { framesPerS, after } = await viewer.watch(5);
  t.diagnostic(`${framesPerS.toFixed(1)} frames/s decoded of 25, ${after.packetsLost} packets lost`);
  assert.ok(framesPerS > 15, `${framesPerS} frames/s`);
  const { deviation } = await viewer.brightness();
  assert.ok(deviation > 20, 'there is something in it');
  await viewer.close();
});

test('the box has most of its memory left', async (t) => {
  const shown = await machine.serial.asks('memory');
  const [line, used] = /this machine uses ([\d.]+) of [\d.]+ MiB/.exec(shown);
  const [resident] = /resident .*/.exec(shown);
  t.diagnostic(`${line}; ${resident.trim()}`);
  assert.ok(Number(used) * 1024 < USED_KIB_MAX, line);
});
