// The power is cut at random moments: of first boots, of configuration writes, and of an update from its
// first byte to its first boot. The box starts again each time, and has what it had before or after.
//
// Run as `unshare -n node --test tests/image/power_cut.mjs`. $WEIR_IMAGE is what scripts/image made,
// $WEIR_BUNDLES the folder that tests/image/bundles filled. $WEIR_POWER_CUTS says how often in all,
// $WEIR_SEED with which moments, as a run before has printed it.
//
// The emulator is killed: what the box has written by then is on its disk, and what it has not is lost.
// A disk that loses or tears what it has already taken is not imitated.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sleep } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Disk, Machine, removeLeftovers } from './machine.mjs';
import { BOX_FILE, Operator, PASSWORD, bundle, configuration } from './operator.mjs';

const CUTS = Number(process.env.WEIR_POWER_CUTS ?? 8);
const SEED = Number(process.env.WEIR_SEED ?? Date.now() % 1_000_000);
/** The addresses of the two boxes that run at a time. */
const [FIRST, SECOND] = [v4(254), '127.0.0.1'];
/** Of all cuts: first boots take the shortest time, updates the longest. */
const BOOTS = Math.ceil(CUTS * 0.35);
const UPDATES = Math.ceil(CUTS * 0.25);
const WRITES = Math.max(CUTS - BOOTS - UPDATES, 1);
const BOOT_MS = 15_000;
const WRITE_MS = 4_000;
/** From an update's first byte until its slot has run for some seconds. */
const UPDATE_MS = 22_000;
const KEPT = { gate: 'rtsp://10.0.2.2:1/gate', yard: 'rtsp://10.0.2.2:1/yard' };

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function moments(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Switches the box on again; its serial line, with somebody logged in. */
async function startsAgain(disk, address, what) {
  const machine = await Machine.start(disk, { address });
  try {
    const banner = await machine.banner();
    assert.match(banner, / on porch: .*configuration: good/, what);
    await machine.enters(PASSWORD);
    console.log(`up again after ${what}`);
    return machine;
  } catch (error) {
    await machine.cut();
    throw new Error(`after ${what}: ${error.message}\n${machine.serial.shown.slice(-3000)}`);
  }
}

/** The names of the cameras that are configured. */
async function cameras(machine) {
  const shown = await machine.serial.asks('config show');
  assert.match(shown, /name = "fleet"/, 'the token is there');
  const found = [...shown.matchAll(/^name = "(\w+)"/gm)].map(([, name]) => name);
  return found.filter((name) => name !== 'fleet').sort();
}

let lan;
before(async () => (lan = await Lan.open()));
after(() => {
  removeLeftovers();
  lan?.close();
});

describe('the power is cut', { concurrency: 2 }, () => {
  test('while a box starts for the first time', async (t) => {
    const random = moments(SEED);
    for (let cut = 0; cut < BOOTS; cut++) {
      const disk = new Disk(process.env.WEIR_IMAGE, { mib: 512 });
      disk.preset('weir.toml', configuration(KEPT));
      disk.preset('box.toml', BOX_FILE);
      const ms = Math.round(random() * BOOT_MS);
      const first = await Machine.start(disk, { address: FIRST });
      await sleep(ms);
      await first.cut();
      const machine = await startsAgain(disk, FIRST, `${ms} ms of a first boot, seed ${SEED}`);
      assert.deepEqual(await cameras(machine), ['gate', 'yard']);
      await machine.cut();
      disk.remove();
    }
    t.diagnostic(`${BOOTS} first boots, seed ${SEED}`);
  });

  test('during an update', async (t) => {
    const random = moments(SEED + 2);
    const disk = new Disk(process.env.WEIR_IMAGE);
    disk.preset('weir.toml', configuration(KEPT));
    disk.preset('box.toml', BOX_FILE);
    // Takes an update once it has run for a minute: it is waited for once, and not for each cut.
    const good = await Machine.start(disk, { address: SECOND });
    const operator = new Operator(SECOND);
    await operator.sees('the slot is good', (report) => report.good);
    const state = join(disk.folder, 'state');
    await good.keep(state);
    await good.cut();
    const slot = digest(disk.whole('slotA'));
    const update = bundle('good');
    const counts = {};
    let last;
    for (let cut = 0; cut < UPDATES; cut++) {
      last?.remove();
      last = new Disk(disk.path);
      // Rather early: the upload is the shorter part, and the one that writes.
      const ms = Math.round(random() ** 2 * UPDATE_MS);
      const updated = await Machine.start(last, { address: SECOND, from: state });
      await operator.sees('the box goes on', () => true);
      const sent = operator.sends(update).catch(() => ({ status: 'cut off' }));
      await sleep(ms);
      await updated.cut();
      const what = `${ms} ms of an update, seed ${SEED}`;
      const { status, said } = await sent;
      assert.ok(status === 'cut off' || status === 200, `${what}: ${status} ${JSON.stringify(said)}`);
      assert.equal(digest(last.whole('slotA')), slot, `${what}: slot A is as it was`);
      const machine = await startsAgain(last, SECOND, what);
      assert.deepEqual(await cameras(machine), ['gate', 'yard'], what);
      const { running, slots } = await operator.sees('the box is up', () => true);
      assert.ok(slots[0].tries_left > 0, `${what}: slot A can be started`);
      const is = `${running} runs, B: ${slots[1].build ?? slots[1].state} ${slots[1].why ?? ''}`;
      counts[is] = (counts[is] ?? 0) + 1;
      // Whatever was cut, the next update is taken and runs.
      if (cut === UPDATES - 1) {
        await operator.sees('the slot is good', (report) => report.good);
        const again = await operator.sends(update);
        assert.equal(again.status, 200, `${what}: ${JSON.stringify(again.said)}`);
        await operator.sees('the update runs', (report) => report.running !== running);
      }
      await machine.cut();
    }
    last?.remove();
    disk.remove();
    t.diagnostic(`${UPDATES} updates, seed ${SEED}: ${JSON.stringify(counts)}`);
  });

  test('while the configuration is written', async (t) => {
    const random = moments(SEED + 1);
    const disk = new Disk(process.env.WEIR_IMAGE);
    disk.preset('weir.toml', configuration(KEPT));
    disk.preset('box.toml', BOX_FILE);
    let machine = await startsAgain(disk, FIRST, 'nothing');
    let [writes, there] = [0, []];
    for (let cut = 0; cut < WRITES; cut++) {
      let [isOver, wanted] = [false, there];
      const ms = Math.round(500 + random() * WRITE_MS);
      const cutting = sleep(ms).then(async () => {
        isOver = true;
        await machine.cut();
      });
      while (!isOver) {
        there = wanted;
        wanted = there.length < 3 ? [...there, `c${(writes % 9) + 1}`] : there.slice(1);
        const [added] = wanted.filter((name) => !there.includes(name));
        const command = added ? `add ${added} rtsp://10.0.2.2:1/${added}` : `remove ${there[0]}`;
        const said = machine.serial.asks(`camera ${command}`).catch(() => null);
        const answer = await Promise.race([said, cutting]);
        if (!answer) break;
        assert.match(answer, /added|removed/);
        writes++;
      }
      await cutting;
      const what = `${ms} ms of configuration writes, seed ${SEED}`;
      machine = await startsAgain(disk, FIRST, what);
      const found = (await cameras(machine)).filter((name) => !KEPT[name]);
      const whole = [there, wanted].map((names) => [...names].sort().join());
      assert.ok(whole.includes(found.join()), `${what}: ${found} is neither of ${whole.join(' / ')}`);
      there = found;
    }
    await machine.cut();
    disk.remove();
    t.diagnostic(`${WRITES} cuts within ${writes} writes, seed ${SEED}`);
  });
});
