// scripts/rollout and the Ansible playbook against boxes that the test stands in for: who is asked, who is
// updated and when, and what they stop at. tests/image/fleet.mjs has boxes that start.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { sleep } from '../browser/weir.mjs';
import { assertAlone, run } from '../interop/alone.mjs';

const TOKEN = 'the operators of the test';
const WHY = 'carried no media';
const BUNDLE_BYTES = 3 << 20;
const repository = fileURLToPath(new URL('../..', import.meta.url));
const PLAYBOOK = process.env.ANSIBLE_PLAYBOOK ?? 'ansible-playbook';
const hasAnsible = spawnSync(PLAYBOOK, ['--version']).status === 0;

let folder;

/** A box as HTTP shows it; `ends` is what becomes of an update: good, back, stuck, refused. */
class Box {
  static async open(ends = 'good') {
    const box = new Box();
    Object.assign(box, { ends, received: 0, isAway: false, began: 0, ended: 0 });
    const slot = { version: '0.1.0', build: 'old', tries_left: 3, why: null };
    box.report = {
      board: 'rock64',
      running: 'A',
      slots: [
        { ...slot, slot: 'A', state: 'running' },
        { ...slot, slot: 'B', state: 'standby' },
      ],
      update: null,
      good: true,
    };
    box.server = createServer((request, response) => box.answer(request, response));
    await once(box.server.listen(0, '127.0.0.1'), 'listening');
    box.url = `http://127.0.0.1:${box.server.address().port}`;
    return box;
  }

  async answer(request, response) {
    if (this.isAway) return request.socket.destroy();
    const say = (status, body) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return say(401, { detail: 'the token is wrong' });
    if (request.method === 'GET') return say(200, this.report);
    this.began = Date.now();
    for await (const piece of request) this.received += piece.length;
    if (this.ends === 'refused') return say(422, { detail: 'not signed' });
    Object.assign(this.report.slots[1], { build: 'new', state: 'standby', why: null });
    this.report.update = { slot: 'B' };
    say(200, { done: null });
    this.restart();
  }

  /** As a box does: it is there still, then away, then on trial or back. */
  async restart() {
    const { report } = this;
    await sleep(500);
    this.isAway = true;
    this.server.closeAllConnections();
    await sleep(2_500);
    if (this.ends === 'back') {
      report.update = null;
      Object.assign(report.slots[1], { state: 'given up', tries_left: 0, why: WHY });
    } else {
      Object.assign(report, { running: 'B', good: false });
    }
    this.isAway = false;
    if (this.ends !== 'good') return;
    await sleep(3_000);
    Object.assign(report, { good: true, update: null });
    this.ended = Date.now();
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Boxes that end so, for one test. */
async function boxesOf(t, ...ends) {
  const boxes = await Promise.all(ends.map((end) => Box.open(end)));
  t.after(() => boxes.forEach((box) => box.close()));
  return boxes;
}

before(() => {
  assertAlone();
  run('ip', 'link', 'set', 'lo', 'up');
  folder = mkdtempSync(join(tmpdir(), 'weir-rollout-'));
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const manifest = 'format = 1\nboard = "rock64"\nversion = "0.2.0"\nbuild = "new"\noldest = "0.1.0"\n';
  writeFileSync(join(folder, 'manifest.toml'), manifest);
  writeFileSync(join(folder, 'slot.img'), Buffer.alloc(BUNDLE_BYTES));
  const files = ['manifest.toml', 'slot.img'];
  spawnSync('tar', ['--create', '--format=ustar', '--file', 'new.weirbundle', ...files], { cwd: folder });
});

after(() => rmSync(folder, { recursive: true }));

/** Runs a program; its exit code and what it said. */
async function runs(t, program, args, env = {}) {
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
  const [code] = await once(child, 'close');
  t.diagnostic(said);
  return { code, said };
}

function rollout(t, boxes, ...options) {
  writeFileSync(join(folder, 'boxes'), `# all\n\n${boxes.map(({ url }) => `${url}  # one\n`).join('')}`);
  const script = join(repository, 'scripts/rollout');
  return runs(t, script, ['--token-file', 'token', ...options, 'new.weirbundle', 'boxes']);
}

function play(t, boxes, ...options) {
  const hosts = Object.fromEntries(boxes.map(({ url }, index) => [`box-${index}`, { weir_url: url }]));
  writeFileSync(join(folder, 'inventory.yml'), JSON.stringify({ all: { hosts } }));
  const playbook = join(repository, 'packaging/ansible/update.yml');
  const values = `bundle=${join(folder, 'new.weirbundle')} token_file=${join(folder, 'token')}`;
  return runs(t, PLAYBOOK, ['--inventory', 'inventory.yml', '--extra-vars', values, ...options, playbook], {
    ANSIBLE_NOCOLOR: '1',
    ANSIBLE_LOCAL_TEMP: join(folder, 'ansible'),
  });
}

test('the first is updated alone, then so many at once, and what runs it already not', async (t) => {
  const boxes = await boxesOf(t, 'good', 'good', 'good', 'good', 'good');
  boxes[4].report.slots[0].build = 'new';
  const { code, said } = await rollout(t, boxes, '--at-once', '2');
  assert.equal(code, 0, said);
  assert.match(said, /5 of 5 boxes run it/);
  const [first, second, third, fourth, last] = boxes;
  assert.ok(second.began > first.ended && third.began > first.ended, 'the first is proven before');
  assert.ok(third.began < second.ended, 'two at once');
  assert.ok(fourth.began > Math.min(second.ended, third.ended), 'and no third');
  assert.equal(last.began, 0);
  const again = await rollout(t, boxes);
  assert.equal(again.code, 0);
  assert.match(again.said, /5 of 5/);
});

for (const [ends, why, ...options] of [
  ['back', /went back to slot A, build old: carried no media/],
  ['refused', /422: not signed/],
  ['stuck', /not good within 0.1 minutes: it runs the build, which is not good yet/, '--minutes', '0.1'],
]) {
  test(`it stops at the first box that does not become good: ${ends}`, async (t) => {
    const boxes = await boxesOf(t, 'good', ends, 'good');
    const { code, said } = await rollout(t, boxes, ...options);
    assert.equal(code, 1, said);
    assert.match(said, why);
    assert.match(said, /1 of 3 boxes run it/);
    assert.match(said, new RegExp(`left as they were: ${new URL(boxes[2].url).host}`));
    assert.equal(boxes[2].received, 0);
  });
}

test('nothing begins unless every box can be updated, save absent ones that are left out', async (t) => {
  const cases = {
    'its slot B is on trial': ({ report }) => (report.update = { slot: 'B' }),
    'not become good yet': ({ report }) => (report.good = false),
    'a rpi4, and the bundle is for rock64': ({ report }) => (report.board = 'rpi4'),
    'no answer': (box) => (box.isAway = true),
    'leads to https://other/': (box) => {
      box.answer = (_, response) => response.writeHead(308, { Location: 'https://other/' }).end();
    },
    'no JSON': (box) => (box.answer = (_, response) => response.end('<html>')),
    "no box's": (box) => (box.report = {}),
  };
  for (const [why, change] of Object.entries(cases)) {
    const boxes = await boxesOf(t, 'good', 'good');
    change(boxes[1]);
    const { code, said } = await rollout(t, boxes);
    assert.equal(code, 1, said);
    assert.ok(said.includes(why), said);
    assert.match(said, /nothing was begun/);
    assert.equal(boxes[0].received, 0);
  }
  const boxes = await boxesOf(t, 'good', 'good');
  boxes[1].isAway = true;
  const dry = await rollout(t, boxes, '--skip-absent', '--dry-run');
  assert.equal(dry.code, 3, dry.said);
  assert.equal(boxes[0].received, 0);
  const { code, said } = await rollout(t, boxes, '--skip-absent');
  assert.equal(code, 3, said);
  assert.match(said, /1 of 2 boxes run it\nabsent: /);
});

test('what is wrong with the command line is said before a box is asked', async (t) => {
  const [box] = await boxesOf(t, 'good');
  const cases = [
    [[box, box], [], /names a box twice/],
    [[], [], /names no box/],
    [[{ url: 'ftp://porch' }], [], /no name of a box/],
    [[box], ['--at-once', '0'], /begin at 1/],
    [[box], ['--token-file', 'none'], /none/],
    [[box], ['--token-file', 'slot.img'], /slot.img has no token/],
  ];
  for (const [boxes, options, why] of cases) {
    const { code, said } = await rollout(t, boxes, ...options);
    assert.equal(code, 2, said);
    assert.match(said, why);
    assert.ok(!said.includes('Traceback'), said);
  }
});

test('the playbook does the same', { skip: hasAnsible ? false : 'ansible-playbook is not there' }, async (t) => {
  const boxes = await boxesOf(t, 'good', 'good', 'back', 'good');
  const dry = await play(t, boxes, '--check');
  assert.equal(dry.code, 0, dry.said);
  assert.ok(boxes.every(({ received }) => received === 0));
  const { code, said } = await play(t, boxes);
  assert.notEqual(code, 0);
  assert.match(said, /box-2: it went back to slot A: carried no media/);
  assert.ok(boxes[1].began > boxes[0].ended);
  assert.equal(boxes[3].received, 0);
  boxes[2].ends = 'good';
  const again = await play(t, boxes, '--extra-vars', 'at_once=2');
  assert.equal(again.code, 0, again.said);
  assert.ok(boxes.every(({ report }) => report.running === 'B' && report.good));
  boxes[3].report.good = false;
  const [fresh] = await boxesOf(t, 'good');
  const blocked = await play(t, [fresh, boxes[3]]);
  assert.notEqual(blocked.code, 0);
  assert.equal(fresh.received, 0, 'all are asked before');
});
