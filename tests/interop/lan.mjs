// A small network of namespaces for the tests: this process's own is the switch, with a bridge,
// and each host is a namespace with one cable to it. Run the test file under `unshare`.

import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { assertAlone, openNamespace, run } from './alone.mjs';

const PYTHON = '/usr/bin/python3';
const V4 = '10.81.18';
const V6 = 'fd81:18:';

/** The addresses of a host's number. */
export const v4 = (number) => `${V4}.${number}`;
export const v6 = (number) => `${V6}:${number}`;

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A namespace with the interface `eth0`. */
class Host {
  /** Runs a program in it and returns what it said. */
  run(...command) {
    return run(this.command[0], ...this.command.slice(1), ...command);
  }

  /** Gives it the addresses of one more number. */
  address(number) {
    this.run('ip', 'address', 'add', `${v4(number)}/24`, 'dev', 'eth0');
    this.run('ip', 'address', 'add', `${v6(number)}/64`, 'dev', 'eth0', 'nodad');
  }

  /** Takes the addresses of a number away, and with the last one the routes. */
  forget(number) {
    this.run('ip', 'address', 'del', `${v4(number)}/24`, 'dev', 'eth0');
    this.run('ip', 'address', 'del', `${v6(number)}/64`, 'dev', 'eth0');
  }

  /** The way to the world, by which browsers choose their address. */
  route() {
    this.run('ip', 'route', 'replace', 'default', 'via', v4(254));
    this.run('ip', '-6', 'route', 'replace', 'default', 'via', v6(254));
  }

  /** A program that starts another one in it: what Playwright takes for the browser. */
  launcher(program) {
    const path = join(this.folder, `${this.name}-launcher`);
    writeFileSync(path, `#!/bin/sh\nexec ${this.command.join(' ')} ${program} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Kills all that runs in it, without a goodbye. */
  kill() {
    const own = readlinkSync(`/proc/${this.keeper.pid}/ns/net`);
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const isHere = readlinkSync(`/proc/${pid}/ns/net`) === own;
        if (isHere && Number(pid) !== this.keeper.pid) process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It is gone already.
      }
    }
  }

  /** Starts one of our Python programs in it; its standard input and output are lines. */
  python(name, ...args) {
    const [program, ...rest] = [...this.command, PYTHON, script(name), ...args];
    return spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  }
}

export class Lan {
  static async open() {
    assertAlone();
    const lan = new Lan();
    lan.folder = mkdtempSync(join(tmpdir(), 'weir-lan-'));
    lan.hosts = [];
    process.on('exit', () => lan.close());
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', 'name', 'switch', 'type', 'bridge', 'mcast_snooping', '0');
    run('ip', 'address', 'add', `${v4(254)}/24`, 'dev', 'switch');
    run('ip', 'address', 'add', `${v6(254)}/64`, 'dev', 'switch', 'nodad');
    run('ip', 'link', 'set', 'switch', 'up');
    return lan;
  }

  /** Plugs a host in; the cable's end at the switch has its name. */
  async host(name, ...numbers) {
    const host = Object.assign(new Host(), { name, folder: this.folder }, await openNamespace());
    this.hosts.push(host);
    const peer = ['peer', 'name', 'eth0', 'netns', String(host.keeper.pid)];
    run('ip', 'link', 'add', 'name', name, 'type', 'veth', ...peer);
    run('ip', 'link', 'set', name, 'master', 'switch', 'up');
    host.run('ip', 'link', 'set', 'lo', 'up');
    host.run('ip', 'link', 'set', 'eth0', 'up');
    for (const number of numbers) host.address(number);
    host.route();
    return host;
  }

  /** Sends no larger packets to a host's number than its interface takes, once that is narrow. */
  narrow(number, bytes) {
    run('ip', 'route', 'replace', `${v4(number)}/32`, 'dev', 'switch', 'mtu', String(bytes));
  }

  close() {
    for (const host of this.hosts) host.keeper.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What goes over a host's cable from and to weir's media port. */
export class Sniffer {
  static async open(host, port) {
    const sniffer = new Sniffer();
    sniffer.packets = [];
    sniffer.child = spawn(PYTHON, [script('sniff.py'), host.name, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: sniffer.child.stdout });
    const begun = new Promise((done) => lines.once('line', done));
    lines.on('line', (line) => line.startsWith('{') && sniffer.packets.push(JSON.parse(line)));
    await begun;
    return sniffer;
  }

  /** Those that a test is true of, from the one at `from` on. */
  filter(test, from = 0) {
    return this.packets.slice(from).filter(test);
  }

  close() {
    this.child.kill('SIGKILL');
  }
}
