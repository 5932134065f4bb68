// Updates of a box: what is not for it changes no byte of a slot, a good one is kept, and one whose
// kernel is damaged on the flash is not started.
//
// Run as `unshare -n node --test tests/image/update.mjs`. $WEIR_IMAGE is what scripts/image made,
// $WEIR_BUNDLES the folder that tests/image/bundles filled.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { sleep } from '../browser/weir.mjs';
import { assertAlone, run } from '../interop/alone.mjs';
import { Disk, Machine } from './machine.mjs';
import { Operator, bundle, configuration } from './operator.mjs';

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
const operator = new Operator('127.0.0.1');

/** A start takes half a minute beside other work, a trial longer. */
const UP_MS = 400_000;

let cameras, disk, machine;

const up = (is) => operator.sees('the box is as it should be', is, UP_MS);

before(async () => {
  assertAlone();
  run('ip', 'link', 'set', 'lo', 'up');
  cameras = await startCameras([{ path: '/gate' }]);
  disk = new Disk(process.env.WEIR_IMAGE);
  disk.preset('weir.toml', configuration({ gate: cameras.url('/gate', '10.0.2.2') }));
  machine = await Machine.start(disk);
  // A slot that has not shown yet that it is good is not left for another one.
  await up((report) => report.good);
});

after(async () => {
  await machine?.cut();
  await cameras?.kill();
  disk?.remove();
});

const slots = () => [digest(disk.whole('slotA')), digest(disk.whole('slotB'))];

test('what is not an update for this box changes no byte of a slot', async (t) => {
  const before = slots();
  const good = bundle('good');
  const cases = {
    stranger: [bundle('stranger'), /key/],
    foreign: [bundle('foreign'), /board/],
    old: [bundle('old'), /0\.0\.9/],
    unsigned: [Buffer.concat([good.subarray(0, 1024), good.subarray(3072)]), /./],
    empty: [Buffer.alloc(1), /./],
  };
  for (const at of Array.from({ length: 20 }, (_, i) => Math.floor((good.length * i) / 20) + 1)) {
    cases[`cut at ${at}`] = [good.subarray(0, at), /./];
  }
  for (const [name, [bytes, why]] of Object.entries(cases)) {
    const { status, said } = await operator.sends(bytes);
    assert.equal(status, 422, `${name}: ${status} ${JSON.stringify(said)}`);
    assert.match(said.detail, why, name);
  }
  t.diagnostic(`${Object.keys(cases).length} refused`);
  assert.deepEqual(slots(), before);
  assert.equal((await up(() => true)).running, 'A');
});

test('a good update runs, and is made good once it has carried media', async (t) => {
  const { status, said } = await operator.sends(bundle('good'));
  assert.equal(status, 200, JSON.stringify(said));
  const trial = await up((report) => report.running === 'B');
  assert.equal(trial.slots[1].build, 'good');
  const begun = Date.now();
  const good = await up((report) => report.running === 'B' && report.good);
  t.diagnostic(`good after ${Date.now() - begun} ms more`);
  assert.equal(good.update, null);
  assert.equal(disk.state().BOOT_ORDER, 'B A');
  assert.equal(disk.state().BOOT_B_LEFT, '3');
});

test('an update whose kernel is damaged on the flash is not started', async () => {
  const { status } = await operator.sends(bundle('good'));
  assert.equal(status, 200);
  disk.flip('slotA', 1_000_000);
  await sleep(3_000);
  const back = await up((report) => report.running === 'B' && report.update === null);
  assert.match(back.slots[0].why, /kernel-crc/);
});
