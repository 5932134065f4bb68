// An emulated box that starts from its disk, by U-Boot as a board does: serial line, network, and a
// disk that tests look into, write into and cut the power of.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { until } from '../browser/weir.mjs';
import { Cable } from '../interop/cable.mjs';

const FIRMWARE = '/usr/lib/u-boot/qemu_arm64/u-boot.bin';
const MIB = 1 << 20;

/** Where partitions lie, in MiB: as scripts/image makes them. */
const PARTITIONS = {
  boot: [16, 16],
  state0: [32, 1],
  state1: [36, 1],
  slotA: [40, 32],
  slotB: [72, 32],
  weir: [104, 64],
  data: [168, 87],
};

/** A disk: a copy of an image that holds only what differs from it, as a sparse file. */
export class Disk {
  constructor(image, { mib } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'weir-disk-'));
    this.path = join(this.folder, 'disk.img');
    run('cp', '--sparse=always', image, this.path);
    if (mib) run('truncate', `--size=${mib}M`, this.path);
    process.on('exit', () => this.remove());
  }

  read(name, offset, length) {
    const bytes = Buffer.alloc(length);
    const file = openSync(this.path, 'r');
    readSync(file, bytes, 0, length, PARTITIONS[name][0] * MIB + offset);
    closeSync(file);
    return bytes;
  }

  write(name, offset, bytes) {
    const file = openSync(this.path, 'r+');
    writeSync(file, bytes, 0, bytes.length, PARTITIONS[name][0] * MIB + offset);
    closeSync(file);
  }

  /** Flips one bit of a byte. */
  flip(name, offset) {
    const [byte] = this.read(name, offset, 1);
    this.write(name, offset, Buffer.from([byte ^ 0x10]));
  }

  whole(name) {
    return this.read(name, 0, PARTITIONS[name][1] * MIB);
  }

  /** The variables of the state block, of its first copy that is right. */
  state() {
    for (const name of ['state0', 'state1']) {
      const text = this.read(name, 4, 508).toString('latin1');
      if (text[0] === '\0') continue;
      const lines = text.slice(0, text.indexOf('\0\0')).split('\0');
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
    }
    return {};
  }

  /** Puts a file onto the partition for presets. */
  preset(name, content) {
    const at = `${this.path}@@${PARTITIONS.weir[0]}M`;
    const { status, stderr } = spawnSync('mcopy', ['-o', '-i', at, '-', `::${name}`], { input: content });
    if (status !== 0) throw new Error(`mcopy: ${stderr}`);
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function run(...command) {
  const { status, stderr } = spawnSync(command[0], command.slice(1));
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
}

export class Machine {
  /** Switches a box on that has `disk`; its ports are at `address` of this namespace. */
  static async start(disk, { ramMib = 256, address = '127.0.0.1', reboots = true } = {}) {
    const machine = new Machine();
    machine.folder = mkdtempSync(join(tmpdir(), 'weir-machine-'));
    const serial = join(machine.folder, 'serial');
    const ports = ['tcp::8117', 'tcp::8443', 'udp::8118', 'tcp::9999'].map((port) => {
      const [protocol, , number] = port.split(':');
      return `hostfwd=${protocol}:${address}:${number}-:${number}`;
    });
    machine.log = '';
    machine.child = spawn('qemu-system-aarch64', [
      ...['-M', 'virt', '-cpu', 'cortex-a72', '-m', String(ramMib), '-nographic'],
      ...['-monitor', 'none', '-serial', `unix:${serial},server=on,wait=off`],
      ...['-bios', FIRMWARE, '-device', 'i6300esb', ...(reboots ? [] : ['-no-reboot'])],
      ...['-drive', `file=${disk.path},format=raw,if=none,id=disk,cache=writethrough`],
      ...['-device', 'virtio-blk-pci,drive=disk', '-device', 'virtio-net-pci,netdev=lan,romfile='],
      ...['-netdev', ['user', 'id=lan', ...ports].join(',')],
    ]);
    for (const stream of [machine.child.stdout, machine.child.stderr]) {
      stream.on('data', (bytes) => (machine.log += bytes));
    }
    machine.ended = new Promise((done) => machine.child.on('exit', done));
    process.on('exit', () => machine.child.kill('SIGKILL'));
    machine.serial = await until('the emulator takes the cable', 5_000, async () => {
      const socket = connect(serial);
      await new Promise((done, failed) => socket.on('connect', done).on('error', failed));
      return new Cable(socket, socket, () => socket.destroy());
    });
    return machine;
  }

  /** Waits for the console's banner and its question for the password; the banner. */
  banner(limitMs = 120_000) {
    return this.serial.sees('password: ', limitMs);
  }

  /** Logs in at the serial line; the banner has the first password unless one is given. A box that
   * is up may have shown several banners, so it is asked for another one. */
  async login({ password, isUp = false } = {}) {
    if (isUp) {
      this.serial.seen = this.serial.shown.length;
      this.serial.types('');
    }
    const banner = await this.banner();
    const word = password ?? /the first password is ([^ ,]+),/.exec(banner)[1];
    this.serial.types(word);
    await this.serial.sees('weir> ', 60_000);
    return word;
  }

  /** The power is cut. */
  async cut() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.serial?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
