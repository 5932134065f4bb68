// A serial cable in the tests' hands.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

import { until } from '../browser/weir.mjs';

/** A cable whose far end is the device `path`, a pty that socat makes. */
export async function layCable(path) {
  const child = spawn('socat', [`pty,rawer,link=${path}`, 'stdio'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await until('the cable has an end', 5_000, () => existsSync(path));
  return new Cable(child.stdout, child.stdin, () => child.kill());
}

/** What a person at one end sees and types. */
export class Cable {
  /** A stream that comes from the other end, one that goes there, and how to end both. */
  constructor(from, to, close) {
    this.to = to;
    this.close = close;
    this.shown = '';
    this.seen = 0;
    from.setEncoding('utf8');
    from.on('data', (text) => (this.shown += text));
  }

  types(line) {
    this.to.write(`${line}\r`);
  }

  /** Waits until `text` comes, behind what was waited for before; what came up to its end. */
  async sees(text, limitMs = 20_000) {
    try {
      await until(`"${text}" comes`, limitMs, () => this.shown.indexOf(text, this.seen) >= 0);
    } catch (error) {
      throw new Error(`${error.message} in:\n${this.shown.slice(this.seen)}`);
    }
    const end = this.shown.indexOf(text, this.seen) + text.length;
    const came = this.shown.slice(this.seen, end);
    this.seen = end;
    return came;
  }

  /** Types a command; its answer up to the next prompt. */
  async asks(command, prompt = 'weir> ', limitMs) {
    this.types(command);
    await this.sees('\n');
    return this.sees(prompt, limitMs);
  }
}
