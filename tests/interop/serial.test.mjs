// The serial line as the system sees it: a pty by socat, weir under strace, and others who want the
// line too.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startWeir } from '../browser/weir.mjs';
import { layCable } from './cable.mjs';

const folder = mkdtempSync(join(tmpdir(), 'weir-serial-'));
const device = join(folder, 'tty');
const trace = join(folder, 'trace');
let cable, weir;

before(async () => {
  cable = await layCable(device);
  chmodSync(device, 0o666);
  // -D: weir itself is the child, and gets the signal that ends it.
  const strace = ['strace', '-D', '-f', '-o', trace, '-e', 'trace=open,openat,ioctl,fcntl,flock,close'];
  weir = await startWeir({ cameras: [], console: { device, baud: 250_000 }, command: strace });
});

after(async () => {
  await weir?.stop();
  cable?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What a shell that is not root says when it opens the line. */
function openedByAnother() {
  const shell = ['sh', '-c', `exec 3<>${device}`];
  const user = process.getuid() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups'] : [];
  const [program, ...args] = [...user, ...shell];
  // The folder is its owner's alone.
  if (user.length) chmodSync(folder, 0o755);
  return spawnSync(program, args, { encoding: 'utf8' }).stderr;
}

const lockedByAnother = () => spawnSync('flock', ['--nonblock', device, 'true']).status !== 0;

test('weir takes the line for itself, sets it, and reads the settings back', async () => {
  await cable.sees('password: ');
  const lines = readFileSync(trace, 'utf8').split('\n');
  const opened = lines.findIndex((line) => line.includes(`"${device}"`));
  const [, flags, descriptor] = /, (O_[A-Z_|]+)\) = (\d+)$/.exec(lines[opened]);
  assert.match(flags, /O_NOCTTY/);
  assert.match(flags, /O_CLOEXEC/);
  const calls = lines
    .slice(opened + 1)
    .map((line) => new RegExp(`(ioctl|fcntl|flock|close)\\(${descriptor}[,)].*`).exec(line)?.[0])
    .filter(Boolean)
    .join('\n');
  const order = [
    'TIOCEXCL\\)\\s+= 0', // nobody else opens it
    'LOCK_EX\\|LOCK_NB\\)\\s+= 0', // nor root
    'TCGETS, .*',
    'TCSETS, .*',
    'TCGETS, .*', // what it was set to is what it is
    'TCSETS2, .*', // with the speed, which no constant has
    'FIONBIO, \\[1\\]\\)\\s+= 0', // only the reactor waits
  ];
  assert.match(calls, new RegExp(order.join('[\\s\\S]*?')));
});

test('others are refused while weir has it, and not after', async () => {
  assert.match(openedByAnother(), /busy/i);
  assert.ok(lockedByAnother());
  await weir.stop();
  assert.equal(openedByAnother(), '');
  assert.ok(!lockedByAnother());
});
