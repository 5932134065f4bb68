// The operator of an emulated box: somebody with a token, who asks it over HTTP and sends it updates.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { until } from '../browser/weir.mjs';

const TOKEN = 'the-operators-token-of-this-test';
const HASH = createHash('sha256').update(TOKEN).digest('hex');

/** The password at the console of a box that has `BOX_FILE`. */
export const PASSWORD = 'console-of-porch';
export const BOX_FILE = `hostname = "porch"\npassword = "${PASSWORD}"\n`;

/** A weir.toml that lets the operator in, with cameras by name and URL. */
export function configuration(cameras = {}, more = '') {
  const sections = Object.entries(cameras).map(
    ([name, url]) => `[[camera]]\nname = "${name}"\nurl = "${url}"\n`,
  );
  return `config_version = 1
[http]
listen = "[::]:8117"
[https]
tls = "off"
${more}[[token]]
name = "fleet"
role = "operator"
hash = "sha256$${HASH}"
${sections.join('')}`;
}

const path = (name) => join(process.env.WEIR_BUNDLES, `${name}.weirbundle`);

/** One of $WEIR_BUNDLES. */
export const bundle = (name) => readFileSync(path(name));

/** A disk whose slots both hold `stoppable`, in which a program beside weir stops threads. */
export function makeStoppable(disk) {
  const slot = execFileSync('tar', ['xOf', path('stoppable'), 'slot.img'], { maxBuffer: 1 << 26 });
  disk.write('slotA', 0, slot);
  disk.write('slotB', 0, slot);
}

/** Asks that program of a box: stoppable.c has the words. */
export async function stop(address, word) {
  const socket = connect(9998, address);
  socket.write(`${word}\n`);
  assert.equal(await text(socket), 'stopped\n');
}

export class Operator {
  constructor(address) {
    this.origin = `http://${address}:8117`;
    this.headers = { Authorization: `Bearer ${TOKEN}` };
  }

  ask(path, options = {}) {
    const { headers } = this;
    return fetch(this.origin + path, { headers, signal: AbortSignal.timeout(60_000), ...options });
  }

  async json(path) {
    const answer = await this.ask(path, { signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  /** Waits until the box answers, and then that `is` is true of what it says of itself. */
  sees(what, is, limitMs = 120_000) {
    return until(what, limitMs, async () => {
      const report = await this.json('/api/box');
      return report.slots && is(report) && report;
    });
  }

  /** Sends an update; whether it was taken and what was said. */
  async sends(bytes) {
    const answer = await this.ask('/api/update', { method: 'PUT', body: bytes });
    return { status: answer.status, said: await answer.json() };
  }
}
