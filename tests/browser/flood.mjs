// Datagrams that mean nothing, at a steady rate. The sender is a thread of its own, so that
// neither the test nor Chromium waits for it.

import { createSocket } from 'node:dgram';
import { randomFillSync } from 'node:crypto';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { forgedCheck } from './stun.mjs';

const HOSTS = 8;
const FIRST_HOST = 200;
const BURST_MS = 2;
const LONGEST = 1400;

/** A flood under way. */
export class Flood {
  /** Begins to send `perS` datagrams a second to a port of 127.0.0.1. */
  static async begin(port, perS) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { port, perS } });
    await new Promise((done, fail) => worker.once('message', done).once('error', fail));
    return Object.assign(new Flood(), { worker });
  }

  /** Ends it; how many datagrams left a second. */
  async end() {
    const counted = new Promise((done) => this.worker.once('message', done));
    this.worker.postMessage('end');
    const perS = await counted;
    await this.worker.terminate();
    return perS;
  }
}

// What the first bytes say it is; the rest is random.
const HEADS = [
  [],
  // STUN, whose attributes are nonsense.
  [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42],
  // DTLS 1.2: a handshake record of epoch 0, and an alert.
  [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0],
  [21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0],
  // SRTCP and SRTP.
  [0x80, 201],
  [0x80, 96],
].map((bytes) => Buffer.from(bytes));

/** The kinds in turn; one in seven is a well-formed check with a wrong MAC for a likely slot. */
function garbage(random, number) {
  const kind = number % (HEADS.length + 1);
  if (kind === HEADS.length) return forgedCheck(number % 16);
  const from = (number * 7919) % (random.length - LONGEST);
  const length = 1 + ((number * 104729) % LONGEST);
  const bytes = Buffer.from(random.subarray(from, from + length));
  HEADS[kind].copy(bytes);
  return bytes;
}

async function pour({ port, perS }) {
  const sockets = Array.from({ length: HOSTS }, () => createSocket('udp4'));
  const bound = sockets.map(
    (socket, host) => new Promise((done) => socket.bind(0, `127.0.0.${FIRST_HOST + host}`, done)),
  );
  await Promise.all(bound);
  const random = randomFillSync(Buffer.alloc(1 << 20));
  let [number, sent] = [0, 0];
  const count = (error) => (sent += error ? 0 : 1);
  parentPort.postMessage('begun');
  const beganMs = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - beganMs) * perS) / 1000;
    for (; number < due; number += 1) {
      sockets[number % HOSTS].send(garbage(random, number), port, '127.0.0.1', count);
    }
  }, BURST_MS);
  parentPort.once('message', () => {
    clearInterval(timer);
    parentPort.postMessage((sent * 1000) / (performance.now() - beganMs));
  });
}

if (!isMainThread) pour(workerData);
