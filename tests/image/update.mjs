// Updates of a box: a good one is kept, and one that cannot do its work is left again by the box itself,
// with the reason at the console. What is not ours changes no byte of a slot.
//
// Run as `unshare -n node --test tests/image/update.mjs`. $WEIR_IMAGE is what scripts/image made,
// $WEIR_BUNDLES the folder that tests/image/bundles filled.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { sleep, until } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Disk, Machine } from './machine.mjs';

const ADDRESS = v4(254);
const TOKEN = 'the-operators-token-of-this-test';
const HASH = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;
const CONFIG = `config_version = 1
[http]
listen = "[::]:8117"
[https]
tls = "off"
[[token]]
name = "fleet"
role = "operator"
hash = "${HASH}"
[[camera]]
name = "gate"
url = "rtsp://10.0.2.2:PORT/gate"
`;
const bundle = (name) => readFileSync(join(process.env.WEIR_BUNDLES, `${name}.weirbundle`));
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

let lan, cameras, disk, machine;

before(async () => {
  lan = await Lan.open();
  cameras = await startCameras([{ path: '/gate' }]);
  disk = new Disk(process.env.WEIR_IMAGE);
  disk.preset('weir.toml', CONFIG.replace('PORT', new URL(cameras.url('/gate', '10.0.2.2')).port));
  machine = await Machine.start(disk, { address: ADDRESS });
  // A slot that has not shown yet that it is good is not left for another one.
  await up((report) => report.good);
});

after(async () => {
  await machine?.cut();
  await cameras?.kill();
  disk?.remove();
  lan?.close();
});

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  return fetch(`http://${ADDRESS}:8117${path}`, { headers, ...options });
}

const box = async () => (await ask('/api/box')).json();

/** Waits until the box answers, and then that `is` is true of it. */
const up = (is = () => true, limitMs = 240_000) =>
  until('the box is up', limitMs, async () => {
    const report = await box();
    return report.slots && is(report) && report;
  });

async function put(bytes) {
  const answer = await ask('/api/update', { method: 'PUT', body: bytes });
  return { status: answer.status, said: await answer.json() };
}

const slots = () => [digest(disk.whole('slotA')), digest(disk.whole('slotB'))];

test('what is not an update for this box changes no byte of a slot', async (t) => {
  const before = slots();
  const good = bundle('good');
  const cases = {
    stranger: [bundle('stranger'), /signature|key/],
    foreign: [bundle('foreign'), /board/],
    old: [bundle('old'), /0\.0\.9/],
    unsigned: [Buffer.concat([good.subarray(0, 1024), good.subarray(3072)]), /./],
    empty: [Buffer.alloc(1), /./],
  };
  for (const at of Array.from({ length: 20 }, (_, i) => Math.floor((good.length * i) / 20) + 1)) {
    cases[`cut at ${at}`] = [good.subarray(0, at), /./];
  }
  for (const [name, [bytes, why]] of Object.entries(cases)) {
    const { status, said } = await put(bytes);
    assert.equal(status, 422, `${name}: ${status} ${JSON.stringify(said)}`);
    assert.match(said.detail, why, name);
  }
  t.diagnostic(`${Object.keys(cases).length} refused`);
  assert.deepEqual(slots(), before);
  assert.equal((await box()).running, 'A');
});

test('a good update runs, and is made good once it has carried media', async (t) => {
  await up((report) => report.good);
  const { status, said } = await put(bundle('good'));
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

for (const [name, why] of [
  ['crashes', /crash|ended/],
  ['hangs', /ready|answer|sign|media/],
  ['idle', /media/],
]) {
  test(`an update that ${name} is left again, and the box says why`, async (t) => {
    const before = await up((report) => report.good);
    const other = before.running === 'A' ? 'B' : 'A';
    const begun = Date.now();
    const { status, said } = await put(bundle(name));
    assert.equal(status, 200, JSON.stringify(said));
    await sleep(5_000);
    const back = await up((report) => report.running === before.running, 400_000);
    t.diagnostic(`back after ${((Date.now() - begun) / 1000).toFixed(0)} s`);
    const given = back.slots.find(({ slot }) => slot === other);
    assert.equal(given.state, 'given up');
    assert.match(given.why, why);
    await machine.login({ isUp: true });
    assert.match(await machine.serial.asks('slots'), new RegExp(`${other} .*given up.*${given.why.slice(0, 10)}`));
    await machine.serial.asks('exit', 'password: ');
  });
}

test('an update whose kernel is damaged on the flash is not started', async () => {
  const before = await up((report) => report.good);
  const other = before.running === 'A' ? 'B' : 'A';
  const { status } = await put(bundle('good'));
  assert.equal(status, 200);
  disk.flip(`slot${other}`, 1_000_000);
  await sleep(3_000);
  const back = await up((report) => report.running === before.running && report.update === null);
  const given = back.slots.find(({ slot }) => slot === other);
  assert.match(given.why, /kernel-crc/);
});
