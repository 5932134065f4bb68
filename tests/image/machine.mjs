// An emulated box that starts from its disk, by U-Boot or UEFI as a board does: serial line, network, and a
// disk that tests look into, write into and cut the power of. A box that runs can be kept as it is, and
// gone on with again and again.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { until } from '../browser/weir.mjs';
import { Cable } from '../interop/cable.mjs';

const FIRMWARE = {
  'u-boot': '/usr/lib/u-boot/qemu_arm64/u-boot.bin',
  uefi: '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd',
};
const MIB = 1 << 20;

/** What a test that ends early would leave behind: folders, and emulators. */
const leftovers = new Set();
export function removeLeftovers() {
  for (const remove of leftovers) remove();
}
process.on('exit', removeLeftovers);

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
    leftovers.add((this.leftover = () => this.remove()));
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
      // Behind U-Boot's checksum, or the first line of GRUB's.
      const text = this.read(name, 0, 512).toString('latin1');
      const [, grub] = /^070701.*?# GRUB Environment Block\n([^#]*)#*$/s.exec(text) ?? [];
      const ours = grub ?? text.slice(4, text.indexOf('\0\0', 4)).replaceAll('\0', '\n');
      if (!ours) continue;
      const lines = ours.trimEnd().split('\n');
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
    }
    return {};
  }

  /** The sectors of each partition, by the disk's own table. */
  partitions() {
    const { partitions } = JSON.parse(run('sfdisk', '--json', this.path)).partitiontable;
    return Object.fromEntries(partitions.map(({ name, size }) => [name, size]));
  }

  /** How large the file system of `data` is, by its superblock. */
  dataMib() {
    const block = this.read('data', 1024, 64);
    return (block.readUInt32LE(4) * 2 ** (10 + block.readUInt32LE(24))) / MIB;
  }

  /** Puts a file onto the partition for presets, or another FAT. */
  preset(name, content, partition = 'weir') {
    const at = `${this.path}@@${PARTITIONS[partition][0]}M`;
    const { status, stderr } = spawnSync('mcopy', ['-o', '-i', at, '-', `::${name}`], { input: content });
    if (status !== 0) throw new Error(`mcopy: ${stderr}`);
  }

  /** Copies a file of the boot partition to this machine; where it is then. */
  bootFile(name) {
    const copy = join(this.folder, name);
    run('mcopy', '-n', '-i', `${this.path}@@${PARTITIONS.boot[0]}M`, `::${name}`, copy);
    return copy;
  }

  remove() {
    leftovers.delete(this.leftover);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function run(...command) {
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1));
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return stdout;
}

/**
 * QEMU's virt machine with its ports at `address` of this namespace. Its firmware is U-Boot, or Debian's
 * build of EDK II with `firmware: 'uefi'`.
 */
function virt(disk, { ramMib = 256, address = '127.0.0.1', firmware = 'u-boot' }) {
  const ports = ['tcp 8117', 'tcp 8443', 'udp 8118', 'tcp 9999', 'tcp 9998'].map((port) => {
    const [protocol, number] = port.split(' ');
    return `hostfwd=${protocol}:${address}:${number}-:${number}`;
  });
  return [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-m', String(ramMib)],
    ...['-bios', FIRMWARE[firmware], '-device', 'i6300esb'],
    ...['-drive', `file=${disk.path},format=raw,if=none,id=disk,cache=writethrough`],
    ...['-device', 'virtio-blk-pci,drive=disk,bootindex=0'],
    ...['-device', 'virtio-net-pci,netdev=lan,romfile='],
    ...['-netdev', ['user', 'id=lan', ...ports].join(',')],
  ];
}

/**
 * A Raspberry Pi 3 with `disk` as its card, from where its own loader has started U-Boot. QEMU does not
 * have its network. The serial line outside is its second one.
 */
export function raspberryPi3(disk) {
  return [
    ...['-M', 'raspi3b', '-kernel', disk.bootFile('u-boot.bin')],
    ...['-dtb', disk.bootFile('bcm2837-rpi-3-b.dtb'), '-serial', 'null'],
    ...['-drive', `file=${disk.path},format=raw,if=sd,cache=writethrough`],
  ];
}

export class Machine {
  /**
   * Switches a box on that has `disk`, of QEMU's virt or other `hardware`. `from` is a file of `keep`: the
   * box goes on from there. With `debugs` its CPU can be held by a debugger.
   */
  static async start(disk, options = {}) {
    const { hardware = virt, reboots = true, from, debugs } = options;
    const machine = new Machine();
    machine.folder = mkdtempSync(join(tmpdir(), 'weir-machine-'));
    machine.log = '';
    machine.child = spawn('qemu-system-aarch64', [
      ...['-nographic', ...hardware(disk, options), ...(reboots ? [] : ['-no-reboot'])],
      ...['-monitor', machine.socket('monitor'), '-serial', machine.socket('serial')],
      ...(debugs ? ['-gdb', machine.socket('debugger')] : []),
      ...(from ? ['-incoming', `exec:cat ${from}`] : []),
    ]);
    for (const stream of [machine.child.stdout, machine.child.stderr]) {
      stream.on('data', (bytes) => (machine.log += bytes));
    }
    machine.ended = new Promise((done) => machine.child.on('exit', done));
    leftovers.add((machine.leftover = () => machine.child.kill('SIGKILL')));
    machine.serial = await until('the emulator takes the cable', 5_000, async () => {
      const socket = await machine.connect('serial');
      return new Cable(socket, socket, () => socket.destroy());
    });
    if (from) {
      await until('the box is as it was kept', 30_000, async () => {
        return /paused(?! \(inmigrate)/.test(await machine.tell('info status'));
      });
      await machine.tell('cont');
    }
    return machine;
  }

  socket(name) {
    return `unix:${join(this.folder, name)},server=on,wait=off`;
  }

  /** One of the emulator's own sockets. */
  async connect(name) {
    const socket = connect(join(this.folder, name));
    await new Promise((done, failed) => socket.on('connect', done).on('error', failed));
    return socket;
  }

  /** Has the emulator do something; what it says. */
  async tell(command, limitMs = 60_000) {
    const socket = await this.connect('monitor');
    const monitor = new Cable(socket, socket, () => socket.destroy());
    await monitor.sees('(qemu) ', limitMs);
    // It shows what is typed with a prompt for each letter, up to the end of the line.
    monitor.types(command);
    await monitor.sees('\r\n', limitMs);
    const said = await monitor.sees('(qemu) ', limitMs);
    monitor.close();
    return said;
  }

  /** Halts the box, and writes to a file all that it is but its disk. */
  async keep(file) {
    await this.tell('stop');
    await this.tell(`migrate "exec:cat > ${file}"`);
    const said = await this.tell('info migrate');
    if (!said.includes('completed')) throw new Error(said);
  }

  /** Waits for the console's banner and its question for the password; the banner. */
  banner(limitMs = 120_000) {
    return this.serial.sees('password: ', limitMs);
  }

  /** Logs in at the serial line; the banner has the first password unless one is given. A box that
   * is up may have shown several banners, so it is asked for another one. */
  async login(password, { isUp = false } = {}) {
    if (isUp) {
      this.serial.seen = this.serial.shown.length;
      this.serial.types('');
    }
    const banner = await this.banner();
    const word = password ?? /the first password is ([^ ,]+),/.exec(banner)[1];
    await this.enters(word);
    return word;
  }

  /** Answers the question for the password. */
  async enters(password) {
    this.serial.types(password);
    await this.serial.sees('weir> ', 60_000);
  }

  /** The power is cut. */
  async cut() {
    this.child.kill('SIGKILL');
    await this.ended;
    leftovers.delete(this.leftover);
    this.serial?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
