// A UDP relay between Chromium and weir's media port, for a server that announces the relay's
// address. Each browser address gets an upstream socket of its own, as behind a NAT. It loses
// what it is told to of the RTP packets that weir sends for the first time, and is as long and as
// narrow as the links that people have.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { startWeir } from './weir.mjs';

/** SSRC and sequence number of an RTP packet; null for RTCP, STUN and DTLS (RFC 7983, RFC 5761). */
function rtpName(datagram) {
  if (datagram.length < 12 || datagram[0] >> 6 !== 2) return null;
  const payloadType = datagram[1] & 0x7f;
  if (payloadType >= 64 && payloadType < 96) return null;
  return `${datagram.readUInt32BE(8)}/${datagram.readUInt16BE(2)}`;
}

/**
 * What a datagram meets on its way to the browser: it is lost by chance (`loss`, a share), or waits
 * in a queue of `queueBytes` for a wire of `bitsPerS`, which loses what does not fit, and takes
 * `delayMs`. What is lost by chance is the same each time.
 */
class Link {
  constructor({ loss = 0, delayMs = 0, bitsPerS = Infinity, queueBytes = Infinity }) {
    Object.assign(this, { loss, delayMs, bitsPerS, queueBytes });
    Object.assign(this, { seed: 1, queue: [], queued: 0, freeAt: 0, overflows: 0, byChance: 0 });
  }

  carry(datagram, send) {
    if (this.random() < this.loss) {
      this.byChance += 1;
      return;
    }
    if (this.queued + datagram.length > this.queueBytes) {
      this.overflows += 1;
      return;
    }
    const now = performance.now();
    this.freeAt = Math.max(this.freeAt, now) + (datagram.length * 8000) / this.bitsPerS;
    this.queued += datagram.length;
    this.queue.push({ datagram, send, at: this.freeAt + this.delayMs });
    if (this.queue.length === 1) this.deliver();
  }

  /** Sends what has come through, and looks again when the next should have. */
  deliver() {
    const now = performance.now();
    while (this.queue.length > 0 && this.queue[0].at <= now) {
      const { datagram, send } = this.queue.shift();
      this.queued -= datagram.length;
      send(datagram);
    }
    if (this.queue.length > 0) setTimeout(() => this.deliver(), 1);
  }

  close() {
    this.queue = [];
  }

  /** A linear congruential generator (Numerical Recipes), in 0..1. */
  random() {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 2 ** 32;
  }
}

/** The last packet of a frame (RFC 6184: the marker bit). */
const endsFrame = (datagram) => (datagram[1] & 0x80) !== 0;

export class Relay {
  /**
   * Listens on a free port. `every: 100` drops each 100th first transmission; `link` says what is
   * between weir and the browser, see `Link`; `recvBufferSize` is its queue in the kernel. `arrange`
   * makes of each datagram from the browser those that are sent on.
   */
  static async open({ every = 0, address = '127.0.0.1', link, recvBufferSize = 4 << 20, arrange } = {}) {
    const relay = new Relay();
    relay.arrange = arrange ?? ((datagram) => [datagram]);
    Object.assign(relay, { every, first: 0, dropped: [], dropNext: 0, framesLeft: Infinity });
    Object.assign(relay, { repeated: 0, old: [], link: link && new Link(link), recvBufferSize });
    relay.seen = new Set();
    relay.upstreams = new Map();
    relay.front = createSocket('udp4').bind(0, address);
    await once(relay.front, 'listening');
    relay.port = relay.front.address().port;
    relay.front.on('message', (datagram, from) => relay.fromBrowser(datagram, from));
    return relay;
  }

  /** Where weir's media port is; datagrams before this call are lost. */
  forwardTo(port, address = '127.0.0.1') {
    this.target = { port, address };
  }

  /** Goes on from other ports, as a NAT that was restarted; what comes to the old ones is lost. */
  rebind() {
    const upstreams = [...this.upstreams.values()];
    this.upstreams.clear();
    for (const upstream of upstreams) upstream.removeAllListeners('message');
    this.old.push(...upstreams);
    return upstreams.map((upstream) => upstream.address().port);
  }

  fromBrowser(datagram, from) {
    const address = `${from.address}:${from.port}`;
    let upstream = this.upstreams.get(address);
    if (!upstream) {
      // The kernel's own when none is said: less than a key frame at once.
      const options = this.recvBufferSize ? { recvBufferSize: this.recvBufferSize } : {};
      upstream = createSocket({ type: 'udp4', ...options });
      const send = (answer) => this.front.send(answer, from.port, from.address);
      upstream.on('message', (answer) => {
        if (this.loses(answer)) return;
        if (this.link) this.link.carry(answer, send);
        else send(answer);
      });
      upstream.on('error', () => {}); // weir is down: ECONNREFUSED, as a network would lose it
      this.upstreams.set(address, upstream);
    }
    if (!this.target) return;
    for (const each of this.arrange(datagram)) {
      upstream.send(each, this.target.port, this.target.address);
    }
  }

  loses(datagram) {
    const name = rtpName(datagram);
    if (!name) return false;
    if (this.seen.has(name)) {
      this.repeated += 1;
      return false;
    }
    this.seen.add(name);
    this.first += 1;
    const isBehind = this.framesLeft === 0;
    if (this.framesLeft > 0 && endsFrame(datagram)) this.framesLeft -= 1;
    const hit = isBehind || this.dropNext > 0 || (this.every > 0 && this.first % this.every === 0);
    if (!hit) return false;
    if (this.dropNext > 0) this.dropNext -= 1;
    this.dropped.push(name);
    return true;
  }

  /** Drops the next packet that is sent for the first time. */
  dropOne() {
    this.dropNext = 1;
  }

  /** Lets so many frames through, and what comes behind them only from the next call on. */
  dropBehind(frames) {
    this.framesLeft = frames;
  }

  /** A server that browsers reach through this relay alone. */
  async startWeir({ webrtc, ...options }) {
    const announce = [`127.0.0.1:${this.port}`];
    const weir = await startWeir({ ...options, webrtc: { announce, ...webrtc } });
    this.forwardTo(weir.ports.media);
    return weir;
  }

  close() {
    this.link?.close();
    this.front.close();
    for (const upstream of [...this.upstreams.values(), ...this.old]) upstream.close();
  }
}

/**
 * A camera on a server that browsers reach through a relay of these options; both are closed after
 * the test `t`.
 */
export async function behindRelay(t, camera, { webrtc, ...options } = {}) {
  const relay = await Relay.open(options);
  t.after(() => relay.close());
  const weir = await relay.startWeir({ cameras: [camera], webrtc });
  t.after(() => weir.stop());
  await weir.ready(camera.name);
  return { relay, weir };
}
