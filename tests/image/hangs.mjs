// What hangs on a box, and what ends it: init ends a weir that hangs, and the watchdog resets a box whose
// init or kernel does.
//
// Run as `unshare -n node --test tests/image/hangs.mjs`. $WEIR_IMAGE is what scripts/image made,
// $WEIR_BUNDLES the folder that tests/image/bundles filled.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { hangKernel } from './debugger.mjs';
import { Disk, Machine } from './machine.mjs';
import { BOX_FILE, Operator, PASSWORD, configuration, makeStoppable, stop } from './operator.mjs';

const ADDRESS = v4(254);
const operator = new Operator(ADDRESS);

let lan, disk, machine;

before(async () => {
  lan = await Lan.open();
  disk = new Disk(process.env.WEIR_IMAGE);
  makeStoppable(disk);
  disk.preset('weir.toml', configuration());
  disk.preset('box.toml', BOX_FILE);
  machine = await Machine.start(disk, { address: ADDRESS, debugs: true });
  await machine.login(PASSWORD);
  const report = await operator.sees('the box is up', () => true);
  assert.equal(report.reset_by_watchdog, false, 'nothing did yet');
  assert.equal(report.slots[0].build, 'stoppable');
  assert.equal(report.watchdog.timeout_s, 15);
});

after(async () => {
  await machine?.cut();
  disk?.remove();
  lan?.close();
});

const startedAt = async () => (await operator.json('/api/status')).started_at;

for (const [which, what] of [
  ['weir', 'weir as a whole'],
  ['media', "weir's media loop"],
]) {
  test(`${what} hangs: init ends it and starts it again`, async (t) => {
    const before = await startedAt();
    const begun = Date.now();
    await stop(ADDRESS, which);
    await until('another weir runs', 90_000, async () => (await startedAt()) !== before);
    t.diagnostic(`another weir after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    assert.match(machine.serial.shown.slice(machine.serial.seen), /weir gave no sign of life/);
    const report = await operator.sees('the box is up', () => true);
    assert.equal(report.reset_by_watchdog, false, 'it was no matter of the watchdog');
    assert.equal(report.running, 'A');
    await machine.login(PASSWORD);
  });
}

for (const [what, hang] of [
  ['a weir that cannot be ended', () => stop(ADDRESS, 'held')],
  ["init's loop", () => stop(ADDRESS, 'init')],
  ['the kernel', () => hangKernel(machine)],
]) {
  test(`${what} hangs: the watchdog resets the box, which says so`, async (t) => {
    machine.serial.seen = machine.serial.shown.length;
    const begun = Date.now();
    await hang();
    await machine.serial.sees('U-Boot 20', 120_000);
    t.diagnostic(`reset after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    const banner = await machine.banner();
    assert.match(banner, /weir-init: the box was reset by its watchdog/);
    await machine.enters(PASSWORD);
    const report = await operator.sees('the box is up', () => true);
    assert.equal(report.reset_by_watchdog, true);
  });
}

test('a restart that was asked for is none of the watchdog', async () => {
  machine.serial.types('reboot');
  await machine.serial.sees('type yes: ');
  machine.serial.types('yes');
  await machine.serial.sees('U-Boot 20', 60_000);
  assert.doesNotMatch(await machine.banner(), /watchdog/);
  const report = await operator.sees('the box is up', () => true);
  assert.equal(report.reset_by_watchdog, false);
});
