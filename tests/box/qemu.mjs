// An emulated aarch64 box: QEMU's virt machine with its serial line and its virtio console as
// sockets, and weir's ports forwarded to those of this machine.

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

export class Box {
  /** Switches one on; `folder` is what `make` filled, `address` where its ports are to be had. */
  static async start(folder, ramMib, address) {
    const box = new Box();
    box.folder = mkdtempSync(join(tmpdir(), 'weir-box-'));
    const [serial, shell] = ['serial', 'shell'].map((name) => join(box.folder, name));
    const forwards = [`tcp:${address}:8117-:8117`, `udp:${address}:8118-:8118`];
    const network = ['user', 'id=lan', ...forwards.map((forward) => `hostfwd=${forward}`)];
    box.log = '';
    box.child = spawn('qemu-system-aarch64', [
      ...['-M', 'virt', '-cpu', 'cortex-a72', '-m', String(ramMib), '-nographic', '-no-reboot'],
      ...['-monitor', 'none', '-serial', `unix:${serial},server=on,wait=off`],
      ...['-kernel', join(folder, 'kernel'), '-initrd', join(folder, 'initramfs')],
      ...['-append', 'quiet loglevel=1 panic=5'],
      ...['-netdev', network.join(','), '-device', 'virtio-net-pci,netdev=lan,romfile='],
      ...['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=shell'],
      ...['-chardev', `socket,id=shell,path=${shell},server=on,wait=off`],
      ...['-device', 'i6300esb'],
    ]);
    for (const stream of [box.child.stdout, box.child.stderr]) {
      stream.on('data', (bytes) => (box.log += bytes));
    }
    box.ended = new Promise((done) => box.child.on('exit', done));
    process.on('exit', () => box.child.kill('SIGKILL'));
    box.serial = await plug(serial);
    box.shell = await plug(shell);
    return box;
  }

  /** What a command says in the box itself. */
  async run(command) {
    // The shell's echo of the line, which it may break, has the mark in two.
    this.shell.types(`${command}; echo the-''end`);
    return (await this.shell.sees('the-end')).replace('the-end', '');
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.serial?.close();
    this.shell?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
