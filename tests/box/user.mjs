// The aarch64 program by itself, under qemu-user: its sizes against the memory table, and its demo
// in a browser.
//
// Run as `unshare -n node --test tests/box/user.mjs`: the demo has the default ports. $WEIR_BINARY
// is the program.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { WEIR_BINARY, startDemo } from '../browser/weir.mjs';
import { Lan } from '../interop/lan.mjs';

const EMULATOR = 'qemu-aarch64-static';
const run = (program, ...args) =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
const readme = fileURLToPath(new URL('../../README.md', import.meta.url));

let lan, weir, browser;

after(async () => {
  await browser?.close();
  await weir?.stop();
  lan?.close();
});

test('its memory table is the README\'s', () => {
  const table = run(EMULATOR, WEIR_BINARY, 'memory');
  assert.ok(readFileSync(readme, 'utf8').includes(table.trim()), table);
});

test('what is loaded of it is what the table says', (t) => {
  const table = run(EMULATOR, WEIR_BINARY, 'memory');
  const rows = [...table.matchAll(/^\| ([a-z ]+) \| ([^|]+) \|.*\| ([\d.]+) \|$/gm)];
  const sumKib = (...tiers) =>
    rows.filter(([, tier]) => tiers.includes(tier)).reduce((sum, row) => sum + Number(row[3]), 0);
  // Sections with an address are loaded; those without contents are our arenas and the heap.
  const sections = [...run('size', '--format=sysv', WEIR_BINARY).matchAll(/^(\S+) +(\d+) +(\d+)$/gm)]
    .map(([, name, bytes, address]) => ({ name, kib: bytes / 1024, address: Number(address) }))
    .filter(({ name, address }) => address > 0 && name !== '.tbss');
  const kib = (test) => sections.filter(test).reduce((sum, section) => sum + section.kib, 0);
  const [empty, full] = [kib(({ name }) => name === '.bss'), kib(({ name }) => name !== '.bss')];
  const [statics, program] = [sumKib('arena', 'library heap'), sumKib('program')];
  t.diagnostic(`loaded ${full.toFixed(0)} KiB of ${program}, without contents ${empty.toFixed(0)} of ${statics}`);
  assert.ok(full < program, `${full} KiB are loaded, the table has ${program}`);
  // Buffers of the C library and of the logger are in there too.
  assert.ok(empty < statics + 64, `${empty} KiB without contents, the table has ${statics}`);
  assert.ok(empty > statics - 64, `${empty} KiB without contents, the table has ${statics}`);
});

test('symbols are kept, and no path of this machine', () => {
  assert.ok(run('nm', '--demangle', WEIR_BINARY).includes('weir::media::'));
  const text = readFileSync(WEIR_BINARY, 'latin1');
  assert.ok(!text.includes(fileURLToPath(new URL('../..', import.meta.url))));
});

test('its demo is seen in a browser, frame after frame', async (t) => {
  lan = await Lan.open();
  weir = await startDemo([EMULATOR]);
  browser = await launchChromium();
  const [{ name }] = (await weir.json('/api/cameras')).cameras;
  await weir.ready(name);
  const viewer = await Viewer.open(browser, `${weir.http}/${name}/`);
  await viewer.picture(15_000);
  const { framesPerS, after: last } = await viewer.watch(5);
  const { frames_per_s: sent } = await weir.camera(name);
  t.diagnostic(`${framesPerS.toFixed(1)} frames/s decoded of ${sent.toFixed(1)}`);
  assert.ok(framesPerS > 0.9 * sent);
  assert.equal(last.packetsLost, 0);
});
