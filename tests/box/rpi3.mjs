// The program on an emulated Raspberry Pi 3, by its own device tree: all that there is to reach it by
// is the serial line on its pins.
//
// Run as `node --test tests/box/rpi3.mjs`. $WEIR_BOX is the folder that tests/box/make filled.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Box, rpi3 } from './qemu.mjs';

let box;

before(async () => {
  const folder = process.env.WEIR_BOX;
  box = await Box.start(folder, rpi3(folder));
});

after(() => box?.stop());

test('it starts, lets somebody in and tells of itself', async () => {
  const { serial } = box;
  const banner = await serial.sees('password: ', 120_000);
  assert.match(banner, /weir \d+\.\d+\.\d+ on .*: 0 of 0 cameras playing/);
  const [, password] = /the first password is ([^ ,]+),/.exec(banner);
  serial.types(password);
  await serial.sees('weir> ', 60_000);
  assert.match(await serial.asks('status'), /memory [\d.]+ of \d+\.\d MiB/);
  assert.match(await serial.asks('log'), /cpu: /);
});
