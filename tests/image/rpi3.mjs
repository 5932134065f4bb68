// A Raspberry Pi 3 from its own card: U-Boot starts a slot, and somebody is let in at the serial line on
// its pins, which is all that there is to reach it by, as QEMU does not have its network.
//
// Run as `unshare -n node --test tests/image/rpi3.mjs`. $WEIR_IMAGE is what `scripts/image rpi3` made.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { run } from '../interop/alone.mjs';
import { Disk, Machine, raspberryPi3 } from './machine.mjs';
import { BOX_FILE, PASSWORD } from './operator.mjs';

/** Its card is read at 1 MB/s. */
const UP_MS = 240_000;

let disk, machine;

before(async () => {
  // Of a card QEMU takes powers of two alone.
  disk = new Disk(process.env.WEIR_IMAGE, { mib: 512 });
  disk.preset('box.toml', BOX_FILE);
  leaveWatchdogOut();
  machine = await Machine.start(disk, { hardware: raspberryPi3 });
});

after(async () => {
  await machine?.cut();
  disk?.remove();
});

/** QEMU resets the Pi when its watchdog is started, and not when its time is over. */
function leaveWatchdogOut() {
  const script = readFileSync(disk.bootFile('boot.scr')).subarray(72).toString();
  const changed = script.replace('panic=1 quiet', '$& module_blacklist=bcm2835_wdt');
  assert.notEqual(changed, script);
  const [text, packed] = ['boot.cmd', 'boot.new'].map((name) => join(disk.folder, name));
  writeFileSync(text, changed);
  run('mkimage', '-A', 'arm64', '-T', 'script', '-C', 'none', '-d', text, packed);
  disk.preset('boot.scr', readFileSync(packed), 'boot');
}

test('it starts from its card, and lets somebody in at its serial line', async (t) => {
  const { serial } = machine;
  const begun = Date.now();
  await serial.sees('weir rpi3', UP_MS);
  t.diagnostic(`from power-on to U-Boot's script ${Date.now() - begun} ms`);
  await machine.banner(UP_MS);
  t.diagnostic(`from power-on to the console ${Date.now() - begun} ms`);
  await machine.enters(PASSWORD);
  assert.match(serial.shown, /weir \d+\.\d+\.\d+ on porch: 0 of 0 cameras playing/);
  assert.match(await serial.asks('slots'), /board rpi3; slot A is started next/);
  assert.equal(disk.state().BOOT_A_LEFT, '2', 'U-Boot counted a try');
});
