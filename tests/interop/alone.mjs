// A network namespace that has nothing but loopback, as `scripts/test` runs the tests of networks in.

import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';

/** Fails where there is a network: it is not to be changed by a test. */
export function assertAlone() {
  const others = Object.keys(networkInterfaces()).filter((name) => name !== 'lo');
  assert.deepEqual(others, [], 'run this under unshare -n (root) or -Urn (anybody)');
}
