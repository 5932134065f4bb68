// Emulated aarch64 boxes, with their serial line and, where they have one, a virtio console as
// sockets.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { until } from '../browser/weir.mjs';
import { Cable } from '../interop/cable.mjs';

async function plug(path) {
  return until('the emulator takes the cable', 5_000, async () => {
    const socket = connect(path);
    await new Promise((done, failed) => socket.on('connect', done).on('error', failed));
    return new Cable(socket, socket, () => socket.destroy());
  });
}

/** QEMU's virt machine of `ramMib`, with its ports at `address` of this one. */
export function virt(ramMib, address) {
  const forwards = [`tcp:${address}:8117-:8117`, `udp:${address}:8118-:8118`];
  const network = ['user', 'id=lan', ...forwards.map((forward) => `hostfwd=${forward}`)];
  return (serial, shell) => [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-m', String(ramMib), '-serial', serial],
    ...['-netdev', network.join(','), '-device', 'virtio-net-pci,netdev=lan,romfile='],
    ...['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=shell'],
    ...['-chardev', shell, '-device', 'i6300esb', '-append', 'quiet loglevel=1 panic=5'],
  ];
}

/** A Raspberry Pi 3, whose network QEMU does not have; its second serial line is the one outside. */
export function rpi3(folder) {
  const line = 'quiet loglevel=1 panic=5 serial=/dev/ttyS1,115200';
  return (serial) => [
    ...['-M', 'raspi3b', '-dtb', join(folder, 'rpi3.dtb'), '-append', line],
    ...['-serial', 'null', '-serial', serial],
  ];
}

export class Box {
  /** Switches a machine on; `folder` is what `make` filled. */
  static async start(folder, machine) {
    const box = new Box();
    box.folder = mkdtempSync(join(tmpdir(), 'weir-box-'));
    const [serial, shell] = ['serial', 'shell'].map((name) => join(box.folder, name));
    const wired = machine(
      `unix:${serial},server=on,wait=off`,
      `socket,id=shell,path=${shell},server=on,wait=off`,
    );
    box.log = '';
    box.child = spawn('qemu-system-aarch64', [
      ...['-nographic', '-no-reboot', '-monitor', 'none', ...wired],
      ...['-kernel', join(folder, 'kernel'), '-initrd', join(folder, 'initramfs')],
    ]);
    for (const stream of [box.child.stdout, box.child.stderr]) {
      stream.on('data', (bytes) => (box.log += bytes));
    }
    box.ended = new Promise((done) => box.child.on('exit', done));
    process.on('exit', () => box.child.kill('SIGKILL'));
    box.serial = await plug(serial);
    if (wired.includes('-chardev')) box.shell = await plug(shell);
    return box;
  }

  /** What a command says in the box itself. */
  async run(command, limitMs) {
    // The shell's echo of the line, which it may break, has the mark in two.
    this.shell.types(`${command}; echo the-''end`);
    return (await this.shell.sees('the-end', limitMs)).replace('the-end', '');
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.serial?.close();
    this.shell?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
