// Network namespaces: the one that `scripts/test` runs the tests of networks in, and others beside it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

import { until } from '../browser/weir.mjs';

/** Runs a program here and returns what it said. */
export const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' });

/** Fails where there is a network: it is not to be changed by a test. */
export function assertAlone() {
  const others = Object.keys(networkInterfaces()).filter((name) => name !== 'lo');
  assert.deepEqual(others, [], 'run this under unshare -n (root) or -Urn (anybody)');
}

/** One more namespace: the process that keeps it, and what runs a command in it. */
export async function openNamespace() {
  const keeper = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
  await until('the namespace is there', 5_000, () => {
    const [ours, theirs] = ['self', keeper.pid].map((id) => readlinkSync(`/proc/${id}/ns/net`));
    return ours !== theirs;
  });
  return { keeper, command: ['nsenter', '-t', String(keeper.pid), '-n', '--'] };
}
