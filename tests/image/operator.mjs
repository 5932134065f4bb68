// An operator of an emulated box, who asks it by HTTP with a token, and the configuration that lets
// that token in.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from '../browser/weir.mjs';

const TOKEN = 'the-operators-token-of-this-test';
const HASH = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;

/** A whole weir.toml with one camera, at the path `/gate` of `cameras` on this machine. */
export const configuration = (cameras) => `config_version = 1
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
url = "${cameras.url('/gate', '10.0.2.2')}"
`;

/** An update that tests/image/bundles made. */
export const bundle = (name) => readFileSync(join(process.env.WEIR_BUNDLES, `${name}.weirbundle`));

export class Operator {
  /** Of the box whose ports are at `address`. */
  constructor(address) {
    this.address = address;
  }

  ask(path, options = {}) {
    const headers = { Authorization: `Bearer ${TOKEN}` };
    return fetch(`http://${this.address}:8117${path}`, { headers, ...options });
  }

  /** Waits until the box answers, and then that `is` is true of what it says of itself. */
  up(is = () => true, limitMs = 400_000) {
    return until('the box is up', limitMs, async () => {
      const report = await (await this.ask('/api/box')).json();
      return report.slots && is(report) && report;
    });
  }

  async put(bytes) {
    const answer = await this.ask('/api/update', { method: 'PUT', body: bytes });
    return { status: answer.status, said: await answer.json() };
  }
}
