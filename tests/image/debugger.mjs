// A debugger at the CPU of an emulated box, by the protocol of GDB's remote targets: as much of it as it
// takes to hang a kernel.

import { sleep, until } from '../browser/weir.mjs';

/** Numbers of registers, of QEMU's aarch64-core.xml. */
const [PC, CPSR] = [0x20, 0x21];
const IS_MASKED = 0x3c0;
/** `b .`, which goes to itself. */
const LOOP = '00000014';

class Debugger {
  /** The box stands still from here on. */
  static async attach(machine) {
    const at = new Debugger();
    at.text = '';
    at.socket = await machine.connect('debugger');
    at.socket.setEncoding('latin1');
    at.socket.on('data', (text) => (at.text += text));
    // Single registers are for those who know their numbers.
    await at.ask('qXfer:features:read:target.xml:0,ffb');
    return at;
  }

  /** Sends a request; its answer. */
  async ask(request) {
    this.text = '';
    const sum = [...request].reduce((sum, letter) => (sum + letter.charCodeAt(0)) & 0xff, 0);
    this.socket.write(`$${request}#${sum.toString(16).padStart(2, '0')}`);
    return this.answer(request);
  }

  async answer(what) {
    const packet = /\$([^#]*)#[0-9a-f]{2}/;
    await until(`an answer to ${what}`, 10_000, () => packet.test(this.text));
    this.socket.write('+');
    return packet.exec(this.text)[1];
  }

  async register(number) {
    const digits = await this.ask(`p${number.toString(16)}`);
    return Buffer.from(digits, 'hex').reverse().toString('hex');
  }

  /** Lets the box go on for a moment. */
  async step() {
    this.socket.write('$c#63');
    await sleep(7);
    this.text = '';
    this.socket.write('\x03');
    return this.answer('the interruption');
  }
}

/** Lets the kernel's CPU go to where it is, again and again, without interrupts. */
export async function hangKernel(machine) {
  const debug = await Debugger.attach(machine);
  let mode = Number.parseInt(await debug.register(CPSR), 16);
  // In the kernel, and not in a program.
  while ((mode & 0xc) !== 4) {
    await debug.step();
    mode = Number.parseInt(await debug.register(CPSR), 16);
  }
  const written = await debug.ask(`M${await debug.register(PC)},4:${LOOP}`);
  const bits = Buffer.alloc(4);
  bits.writeUInt32LE((mode | IS_MASKED) >>> 0);
  const masked = await debug.ask(`P${CPSR.toString(16)}=${bits.toString('hex')}`);
  if (written !== 'OK' || masked !== 'OK') throw new Error(`${written}, ${masked}`);
  await debug.ask('D');
  debug.socket.destroy();
}
