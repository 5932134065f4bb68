// Updates that cannot do their work: each is left again by the box itself, with the reason at the
// console. A box each, as a box has to be good for a minute before it takes an update.
//
// Run as `unshare -n node --test tests/image/rollback.mjs`, with what update.mjs needs.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { sleep } from '../browser/weir.mjs';
import { assertAlone, run } from '../interop/alone.mjs';
import { Disk, Machine } from './machine.mjs';
import { Operator, bundle, configuration } from './operator.mjs';

/** A start takes half a minute beside other work, a trial longer. */
const UP_MS = 400_000;

let cameras;

before(async () => {
  assertAlone();
  run('ip', 'link', 'set', 'lo', 'up');
  cameras = await startCameras([{ path: '/gate' }]);
});

after(() => cameras?.kill());

/** A box that takes the update `name`, and leaves it again because of `why`. */
async function leaves(t, number, name, why) {
  const address = `127.0.0.${number}`;
  const disk = new Disk(process.env.WEIR_IMAGE);
  t.after(() => disk.remove());
  disk.preset('weir.toml', configuration({ gate: cameras.url('/gate', '10.0.2.2') }));
  const machine = await Machine.start(disk, { address });
  t.after(() => machine.cut());
  const operator = new Operator(address);
  const up = (is) => operator.sees('the box is as it should be', is, UP_MS);
  const before = await up((report) => report.good);
  assert.equal(before.running, 'A');
  const begun = Date.now();
  const { status, said } = await operator.sends(bundle(name));
  assert.equal(status, 200, JSON.stringify(said));
  await sleep(5_000);
  const back = await up((report) => report.running === 'A');
  t.diagnostic(`back after ${((Date.now() - begun) / 1000).toFixed(0)} s`);
  const [, given] = back.slots;
  assert.equal(given.state, 'given up');
  assert.match(given.why, why);
  await machine.login(undefined, { isUp: true });
  const shown = await machine.serial.asks('slots');
  assert.ok(shown.includes(given.why.slice(0, 20)), shown);
}

describe('an update', { concurrency: 3 }, () => {
  it('that crashes is left again', (t) => leaves(t, 2, 'crashes', /crash|ended/));
  it('that hangs is left again', (t) => leaves(t, 3, 'hangs', /ready|answer|sign|media/));
  it('that plays nothing is left again', (t) => leaves(t, 4, 'idle', /media/));
});
