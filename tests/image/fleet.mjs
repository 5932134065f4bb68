// A fleet of two boxes: an update is rolled out to both, and one that does no good stops at the first box,
// by scripts/rollout and by the Ansible playbook. Prometheus takes the example of its configuration.
//
// Run as `unshare -n node --test tests/image/fleet.mjs`. $WEIR_IMAGE is what scripts/image made, $WEIR_BUNDLES
// the folder that tests/image/bundles filled, $ANSIBLE_PLAYBOOK the program where it is not in the path.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startCameras } from '../browser/cameras.mjs';
import { until } from '../browser/weir.mjs';
import { Lan } from '../interop/lan.mjs';
import { Disk, Machine } from './machine.mjs';

/** Where this namespace has each box's ports. */
const BOXES = { porch: '127.0.0.1', yard: '127.0.0.2' };
const TOKEN = 'the-operators-token-of-this-test';
const DIAGNOSTICS_TOKEN = 'the-token-of-prometheus';
const hash = (token) => `sha256$${createHash('sha256').update(token).digest('hex')}`;
const CONFIG = `config_version = 1
[http]
listen = "[::]:8117"
[https]
tls = "off"
[diagnostics]
listen = "[::]:9999"
token_hash = "${hash(DIAGNOSTICS_TOKEN)}"
[[token]]
name = "fleet"
role = "operator"
hash = "${hash(TOKEN)}"
[[camera]]
name = "gate"
url = "rtsp://10.0.2.2:PORT/gate"
`;
const ROLLOUT_MS_MAX = 900_000;
const repository = fileURLToPath(new URL('../..', import.meta.url));
const bundle = (name) => join(process.env.WEIR_BUNDLES, `${name}.weirbundle`);
const PLAYBOOK = process.env.ANSIBLE_PLAYBOOK ?? 'ansible-playbook';
const hasAnsible = spawnSync(PLAYBOOK, ['--version']).status === 0;

let lan, cameras, folder;
const disks = {};
const machines = {};

before(async () => {
  lan = await Lan.open();
  cameras = await startCameras([{ path: '/gate' }]);
  folder = mkdtempSync(join(tmpdir(), 'weir-fleet-'));
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const urls = Object.entries(BOXES).map(([name, address]) => [name, `http://${address}:8117`]);
  writeFileSync(join(folder, 'boxes'), `# both\n${urls.map(([, url]) => url).join('\n')}\n`);
  writeFileSync(join(folder, 'first'), `${urls[0][1]}  # alone\n`);
  const hosts = Object.fromEntries(urls.map(([name, url]) => [name, { weir_url: url }]));
  writeFileSync(join(folder, 'inventory.yml'), JSON.stringify({ all: { hosts } }));
  const port = new URL(cameras.url('/gate', '10.0.2.2')).port;
  for (const [name, address] of Object.entries(BOXES)) {
    disks[name] = new Disk(process.env.WEIR_IMAGE);
    disks[name].preset('weir.toml', CONFIG.replace('PORT', port));
    disks[name].preset('box.toml', `hostname = "${name}"\n`);
    machines[name] = await Machine.start(disks[name], { address });
  }
  await Promise.all(Object.keys(BOXES).map((name) => good(name)));
});

after(async () => {
  for (const machine of Object.values(machines)) await machine.cut();
  await cameras?.kill();
  for (const disk of Object.values(disks)) disk.remove();
  if (folder) rmSync(folder, { recursive: true });
  lan?.close();
});

async function report(name) {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  return (await fetch(`http://${BOXES[name]}:8117/api/box`, { headers })).json();
}

/** Waits until a box is good; the build that it runs. */
async function good(name) {
  const { running, slots } = await until(`${name} is good`, 300_000, async () => {
    const said = await report(name);
    return said.good && said.update === null && said;
  });
  return slots.find(({ slot }) => slot === running).build;
}

/** Both slots of a box and which it starts, byte by byte. */
const slots = (name) =>
  ['slotA', 'slotB', 'state0', 'state1'].map((part) => {
    return createHash('sha256').update(disks[name].whole(part)).digest('hex');
  });

/** Runs a program; its exit code and what it said. */
async function run(t, program, args, options = {}) {
  const begun = Date.now();
  const child = spawn(program, args, { cwd: folder, timeout: ROLLOUT_MS_MAX, ...options });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
  const code = await new Promise((done) => child.on('close', done));
  t.diagnostic(`${((Date.now() - begun) / 1000).toFixed(0)} s, exit code ${code}\n${said}`);
  return { code, said };
}

const rollout = (t, name, boxes, ...options) =>
  run(t, join(repository, 'scripts/rollout'), ['--token-file', 'token', ...options, bundle(name), boxes]);

const play = (t, name, ...options) =>
  run(
    t,
    PLAYBOOK,
    [
      ...['--inventory', 'inventory.yml', ...options, join(repository, 'packaging/ansible/update.yml')],
      ...['--extra-vars', `bundle=${bundle(name)} token_file=${join(folder, 'token')}`],
    ],
    { env: { ...process.env, ANSIBLE_NOCOLOR: '1', ANSIBLE_LOCAL_TEMP: join(folder, 'ansible') } },
  );

test('Prometheus takes the configuration, and a box answers its token alone', async () => {
  const prometheus = join(folder, 'prometheus');
  cpSync(join(repository, 'packaging/prometheus'), prometheus, { recursive: true });
  writeFileSync(join(prometheus, 'weir-diagnostics.token'), DIAGNOSTICS_TOKEN);
  mkdirSync(join(prometheus, 'boxes'));
  const targets = Object.values(BOXES).map((address) => `${address}:9999`);
  const group = [{ targets, labels: { site: 'here', board: 'qemu-virt' } }];
  writeFileSync(join(prometheus, 'boxes/here.yml'), JSON.stringify(group));
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', 'prometheus.yml'], {
    cwd: prometheus,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
  for (const target of targets) {
    const url = `http://${target}/metrics`;
    assert.equal((await fetch(url)).status, 401);
    const headers = { Authorization: `Bearer ${DIAGNOSTICS_TOKEN}` };
    assert.match(await (await fetch(url, { headers })).text(), /^weir_build_info\{/m);
  }
});

test('a dry run, a foreign bundle and a wrong token change nothing', async (t) => {
  const before = Object.keys(BOXES).map(slots);
  const { code, said } = await rollout(t, 'good', 'boxes', '--dry-run');
  assert.equal(code, 0);
  assert.match(said, /2 would be updated/);
  const foreign = await rollout(t, 'foreign', 'boxes');
  assert.equal(foreign.code, 1);
  assert.match(foreign.said, /a qemu-virt, and the bundle is for rock64/);
  writeFileSync(join(folder, 'other'), 'no token of these boxes\n');
  const stranger = await rollout(t, 'good', 'boxes', '--token-file', 'other');
  assert.equal(stranger.code, 1);
  assert.match(stranger.said, /401/);
  assert.match(stranger.said, /nothing was begun/);
  assert.deepEqual(Object.keys(BOXES).map(slots), before);
});

test('an update is rolled out to the first box, then to the one that does not have it', async (t) => {
  const first = await rollout(t, 'good', 'first');
  assert.equal(first.code, 0, first.said);
  assert.equal(await good('porch'), 'good');
  assert.notEqual(await good('yard'), 'good');
  const had = slots('porch');
  const both = hasAnsible ? await play(t, 'good') : await rollout(t, 'good', 'boxes');
  assert.equal(both.code, 0, both.said);
  assert.equal(await good('yard'), 'good');
  assert.deepEqual(slots('porch'), had, 'it had the update');
  const again = await rollout(t, 'good', 'boxes');
  assert.equal(again.code, 0, again.said);
  assert.match(again.said, /2 of 2 boxes run it/);
});

for (const [by, roll, isThere] of [
  ['scripts/rollout', (t) => rollout(t, 'crashes', 'boxes', '--at-once', '2'), true],
  ['the playbook', (t) => play(t, 'crashes'), hasAnsible],
]) {
  const skip = isThere ? false : 'ansible-playbook is not there';
  test(`an update that crashes stops at the first box, by ${by}`, { skip }, async (t) => {
    const spared = slots('yard');
    const { code, said } = await roll(t);
    assert.notEqual(code, 0);
    assert.match(said, /went back to slot \w/);
    assert.match(said, /crash|ended/, 'it says why');
    assert.deepEqual(slots('yard'), spared, 'no byte of the second was changed');
    assert.equal(await good('porch'), 'good');
    assert.equal(await good('yard'), 'good');
  });
}
