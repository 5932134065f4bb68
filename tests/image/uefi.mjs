// A box that starts by UEFI: the firmware starts GRUB, and GRUB a slot of the disk. It takes an update,
// goes back by hand, and by itself from an update whose kernel is damaged on the flash.
//
// Run as `unshare -n node --test tests/image/uefi.mjs`. $WEIR_IMAGE is what `scripts/image generic-uefi`
// made, $WEIR_BUNDLES the folder that `tests/image/bundles … generic-uefi` filled.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { until } from '../browser/weir.mjs';
import { assertAlone, run } from '../interop/alone.mjs';
import { Disk, Machine } from './machine.mjs';
import { BOX_FILE, Operator, PASSWORD, bundle, configuration } from './operator.mjs';

const UEFI = { firmware: 'uefi', ramMib: 512 };
/** A start takes half a minute beside other work, a trial longer. */
const UP_MS = 400_000;

const operator = new Operator('127.0.0.1');
const up = (is) => operator.sees('the box is as it should be', is, UP_MS);

let cameras, disk, machine;

before(async () => {
  assertAlone();
  run('ip', 'link', 'set', 'lo', 'up');
  cameras = await startCameras([{ path: '/gate' }]);
  disk = new Disk(process.env.WEIR_IMAGE, { mib: 512 });
  disk.preset('weir.toml', configuration({ gate: cameras.url('/gate', '10.0.2.2') }));
  disk.preset('box.toml', BOX_FILE);
});

after(async () => {
  await machine?.cut();
  await cameras?.kill();
  disk?.remove();
});

test('it starts by UEFI, and lets somebody in at the serial line', async (t) => {
  const begun = Date.now();
  machine = await Machine.start(disk, UEFI);
  await machine.serial.sees('weir generic-uefi', 60_000);
  t.diagnostic(`from power-on to GRUB ${Date.now() - begun} ms`);
  await machine.login(PASSWORD);
  t.diagnostic(`from power-on to the console ${Date.now() - begun} ms`);
  assert.match(machine.serial.shown, /weir \d+\.\d+\.\d+ on porch: /);
  const { BOOT_ORDER, BOOT_A_LEFT } = disk.state();
  assert.deepEqual([BOOT_ORDER, BOOT_A_LEFT], ['A B', '2'], 'GRUB counted a try');
  const report = await up((report) => report.good);
  assert.equal(report.running, 'A');
  assert.equal(disk.state().BOOT_A_LEFT, '3');
  assert.match(await machine.serial.asks('memory'), /this machine uses/);
});

test('an update is tried, and made good', async (t) => {
  const begun = Date.now();
  const { status, said } = await operator.sends(bundle('good'));
  assert.equal(status, 200, JSON.stringify(said));
  const trial = await up((report) => report.running === 'B');
  assert.equal(trial.slots[1].build, 'good');
  t.diagnostic(`it runs ${Date.now() - begun} ms after it was sent`);
  assert.deepEqual([disk.state().UPDATE, disk.state().BOOT_B_LEFT], ['B', '2']);
  const good = await up((report) => report.good);
  t.diagnostic(`it is good ${Date.now() - begun} ms after it was sent`);
  assert.equal(good.update, null);
  const { BOOT_ORDER, BOOT_B_LEFT, UPDATE } = disk.state();
  assert.deepEqual([BOOT_ORDER, BOOT_B_LEFT, UPDATE], ['B A', '3', '']);
});

test('somebody brings the other slot back at the console', async () => {
  await machine.login(PASSWORD, { isUp: true });
  machine.serial.types('rollback');
  await machine.serial.sees('type yes: ');
  machine.serial.types('yes');
  await machine.serial.sees('weir generic-uefi', 60_000);
  const back = await up((report) => report.running === 'A');
  assert.equal(back.slots[1].build, 'good', 'it stands by');
  assert.equal(disk.state().BOOT_ORDER, 'A B');
});

test('an update whose kernel is damaged on the flash is not started', async (t) => {
  await up((report) => report.running === 'A' && report.good);
  const { status, said } = await operator.sends(bundle('good'));
  assert.equal(status, 200, JSON.stringify(said));
  disk.flip('slotB', 1_000_000);
  const begun = Date.now();
  await machine.serial.sees('weir: slot B is given up: kernel-crc', 60_000);
  const back = await up((report) => report.running === 'A' && report.update === null);
  t.diagnostic(`back after ${Date.now() - begun} ms`);
  assert.match(back.slots[1].why, /kernel-crc/);
  await machine.login(PASSWORD, { isUp: true });
  assert.match(await machine.serial.asks('slots'), /kernel-crc/);
  const { BOOT_ORDER, BOOT_B_LEFT, WHY_B } = disk.state();
  assert.deepEqual([BOOT_ORDER, BOOT_B_LEFT, WHY_B], ['A B', '0', 'kernel-crc']);
});

test('a damaged copy of the boot state counts no more, and is repaired', async () => {
  await machine.cut();
  const whole = disk.read('state1', 0, 512);
  // A write of GRUB's that was cut off behind its beginning.
  const torn = Buffer.from(whole);
  torn.write('9', torn.indexOf('WRITE_BEGUN=') + 'WRITE_BEGUN='.length);
  torn.write('B A', torn.indexOf('BOOT_ORDER=') + 'BOOT_ORDER='.length);
  disk.write('state0', 0, torn);
  machine = await Machine.start(disk, UEFI);
  await machine.serial.sees('weir: the first copy of the state block is damaged', 60_000);
  assert.equal((await up(() => true)).running, 'A');
  await machine.cut();
  disk.write('state0', 0, Buffer.alloc(512, 0xff));
  machine = await Machine.start(disk, UEFI);
  await machine.serial.sees('weir: the first copy of the state block is damaged', 60_000);
  await until('it is repaired', UP_MS, () => disk.read('state0', 0, 512).includes('WHY_B=kernel-crc'));
});

test('a box whose slots have no tries left starts again', async () => {
  await machine.cut();
  for (const name of ['state0', 'state1']) {
    const text = disk.read(name, 0, 512).toString('latin1');
    disk.write(name, 0, Buffer.from(text.replaceAll(/_LEFT=\d/g, '_LEFT=0'), 'latin1'));
  }
  machine = await Machine.start(disk, UEFI);
  await machine.serial.sees('weir: no slot has tries left; both get three more', 60_000);
  assert.equal((await up(() => true)).running, 'A');
});
