// A box of 256 MiB in which weir is the only program beside busybox, emulated whole: an installer
// at its serial line, a camera found by its name, and a browser that shows the picture.
//
// Run as `unshare -n node --test tests/box/box.mjs`: weir's ports and that of DNS are this
// namespace's own. $WEIR_BOX is the folder that tests/box/make filled.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { sleep, until } from '../browser/weir.mjs';
import { startDns } from '../interop/dns.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Box, virt } from './qemu.mjs';

const RAM_MIB = 256;
const USED_KIB_MAX = 100_000;
/** Where this namespace has the box's ports: browsers send no media to a loopback address. */
const ADDRESS = v4(254);
const AUTH = { method: 'digest', user: 'admin', password: 'p4ssw0rd' };

let lan, dnsmasq, cameras, browser, box, viewer, password;

before(async () => {
  lan = await Lan.open();
  // The emulator's network has this machine's loopback at 10.0.2.2, names and cameras with it.
  dnsmasq = startDns({ 'gate.lan': ['10.0.2.2'] });
  cameras = await startCameras([{ path: '/gate' }], { auth: AUTH });
  browser = await launchChromium();
  box = await Box.start(process.env.WEIR_BOX, virt(RAM_MIB, ADDRESS));
});

after(async () => {
  await browser?.close();
  await box?.stop();
  await cameras?.kill();
  dnsmasq?.kill();
  lan?.close();
});

test('the banner says where it is, and lets in who knows the password', async () => {
  const { serial } = box;
  let banner = await serial.sees('password: ', 60_000);
  // The network takes a moment longer; a bare Enter shows the banner again.
  await until('the network is up', 10_000, async () => {
    serial.types('');
    banner = await serial.sees('password: ');
    return /eth0 \(up\): .*10\.0\.2\.15/.test(banner);
  });
  assert.match(banner, /weir \d+\.\d+\.\d+ on .*: 0 of 0 cameras playing/);
  assert.match(banner, /open http:\/\/10\.0\.2\.15:8117\//);
  [, password] = /the first password is ([^ ,]+),/.exec(banner);
  serial.types('not-this-one');
  await serial.sees('wrong password', 60_000);
  await serial.sees('password: ');
  serial.types(password);
  await serial.sees('weir> ', 60_000);
  assert.match(await serial.asks('status'), /0 of 0 cameras playing/);
});

test('a camera is added by its name and comes up', async () => {
  const { serial } = box;
  const url = cameras.url('/gate', 'gate.lan');
  serial.types(`camera add gate ${url} ${AUTH.user}`);
  await serial.sees(`password of ${AUTH.user}: `);
  serial.types(AUTH.password);
  assert.match(await serial.sees('weir> '), /added: gate/);
  await until('the camera plays', 30_000, async () => {
    return /gate +playing/.test(await serial.asks('cameras'));
  });
  assert.match(await serial.asks('camera test gate'), /would send H\.264/);
});

test('a browser outside shows the picture', async (t) => {
  viewer = await Viewer.open(browser, `http://${ADDRESS}:8117/gate/`);
  t.diagnostic(`picture after ${(await viewer.picture(20_000)).toFixed(0)} ms`);
  await viewer.playing(10_000);
  const { framesPerS, after } = await viewer.watch(5);
  t.diagnostic(`${framesPerS.toFixed(1)} frames/s decoded of 25, ${after.packetsLost} packets lost`);
  assert.ok(framesPerS > 15, `${framesPerS} frames/s`);
  assert.deepEqual(await viewer.size(), { width: 640, height: 360 });
  const { deviation } = await viewer.brightness();
  assert.ok(deviation > 20, 'there is something in it');
  assert.match(await box.serial.asks('sessions'), /gate +live/);
});

test('the box has most of its memory left', async (t) => {
  const [total, , , , , available] = /Mem:(.*)/.exec(await box.run('free -k'))[1].trim().split(/ +/);
  // The files that it was started with are in its memory too.
  const used = total - available;
  const status = await box.run('cat /proc/$(pidof weir)/status');
  const [, peak] = /VmHWM:\s+(\d+) kB/.exec(status);
  t.diagnostic(`${used} of ${total} KiB used; weir ${peak} KiB at most`);
  assert.ok(used < USED_KIB_MAX, `${used} KiB used`);
  assert.match(await box.run('sysctl -n net.core.wmem_max'), /2097152/);
});

test('a selftest has a verdict, whatever its figures are here', async (t) => {
  const said = await box.run('weir selftest --cameras 2 --seconds 2 --json', 180_000);
  const selftest = JSON.parse(/^\{.*\}/m.exec(said)[0]);
  t.diagnostic(JSON.stringify(selftest.window));
  assert.equal(selftest.cpu.architecture, 'aarch64');
  assert.ok(selftest.cpu.seal_ns > 0);
  assert.equal(selftest.verdict, selftest.rules.some((rule) => rule.verdict === 'missed') ? 'missed' : 'good');
  const run = selftest.rules.find((rule) => rule.rule === 'run');
  assert.equal(run.verdict, 'good', run.found);
  assert.ok(selftest.window.frames.sent > 0);
  assert.doesNotMatch(await box.run('ls /tmp'), /weir-selftest/);
});

test('it keeps what it was told over a restart, and starts again when asked to', async () => {
  await viewer.close();
  await box.run('kill -9 $(pidof weir)');
  const banner = await box.serial.sees('password: ', 60_000);
  assert.doesNotMatch(banner, /the first password/);
  await until('the camera is back', 30_000, async () => {
    const answer = await fetch(`http://${ADDRESS}:8117/api/cameras`);
    return (await answer.json()).cameras[0]?.state === 'playing';
  });
  const { serial } = box;
  serial.types(password);
  await serial.sees('weir> ', 60_000);
  serial.types('reboot');
  await serial.sees('type yes: ');
  serial.types('yes');
  // The emulator is told to end where a machine would start again.
  const ended = await Promise.race([box.ended, sleep(10_000).then(() => 'still running')]);
  assert.equal(ended, 0);
});
