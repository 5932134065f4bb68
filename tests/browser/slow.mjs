// HTTP clients that take their time: 200 connections that never come to their end.

import { request } from 'node:http';
import { connect } from 'node:net';

import { UFRAG } from './stun.mjs';
import { sleep } from './weir.mjs';

const FINGERPRINT = Array.from({ length: 32 }, (_, at) => at.toString(16).padStart(2, '0')).join(':');

/** An offer to receive one video, as Chromium words it; `media` is what it has beside that. */
export const offer = (more = '') =>
  [
    'v=0',
    'o=- 7 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${UFRAG}`,
    'a=ice-pwd:a-password-of-22-chars',
    `a=fingerprint:sha-256 ${FINGERPRINT.toUpperCase()}`,
    'a=setup:actpass',
    'a=mid:0',
    'a=recvonly',
    'a=rtcp-mux',
    'a=rtpmap:96 H264/90000',
    'a=rtcp-fb:96 nack pli',
    'a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    '',
  ].join('\r\n') + more;

/** An offer of so many bytes, most of them in lines that mean nothing. */
export function offerOfBytes(bytes) {
  const plain = offer();
  return offer(`a=x-${'y'.repeat(bytes - plain.length - 6)}\r\n`);
}

/** Posts an offer from an address; status, text and how long it took. */
export function post(weir, body, { from = '127.0.0.1', camera = 'gate', timeoutMs = 15_000 } = {}) {
  const beganMs = performance.now();
  return new Promise((done, fail) => {
    const options = {
      method: 'POST',
      localAddress: from,
      agent: false,
      timeout: timeoutMs,
      headers: { 'Content-Type': 'application/sdp', 'Content-Length': Buffer.byteLength(body) },
    };
    const asked = request(`${weir.http}/${camera}/whep`, options, (answer) => {
      let text = '';
      answer.on('data', (bytes) => (text += bytes));
      answer.on('end', () => {
        done({ status: answer.statusCode, text, tookMs: performance.now() - beganMs });
      });
    });
    asked.on('error', fail).on('timeout', () => asked.destroy(new Error('no answer')));
    asked.end(body);
  });
}

const HEAD = 'GET /api/cameras HTTP/1.1\r\nHost: weir\r\nX-Slow: ';
const POST =
  'POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n' +
  'Content-Length: 16000\r\n\r\n';

const BEAT_MS = 4;
/** Beats between two bytes of those who are slow. */
const BEATS = 25;

/** How long somebody who was closed stays away. */
const RETURN_MS = 1_000;

// What each kind writes at once, and then byte by byte.
const KINDS = {
  heads: { begin: HEAD, more: 'x' },
  bodies: { begin: POST, more: 'v' },
  // A body in segments of one byte, one at every beat.
  dribbles: { begin: POST, more: 'v', beats: 1 },
  // Answers that nobody reads.
  deaf: { begin: 'GET /-/style.css HTTP/1.1\r\nHost: weir\r\n\r\n'.repeat(50), more: '', deaf: true },
};

/** Slow clients of all kinds at once. Each that is closed comes back. */
export class Slow {
  constructor(weir, count, addresses) {
    Object.assign(this, { port: weir.ports.http, addresses, sockets: new Map(), opened: 0 });
    const kinds = Object.values(KINDS);
    for (let number = 0; number < count; number += 1) this.open(number, kinds[number % kinds.length]);
    let beat = 0;
    this.timer = setInterval(() => {
      beat += 1;
      for (const { socket, kind } of this.sockets.values()) {
        const isDue = beat % (kind.beats ?? BEATS) === 0;
        if (kind.more && isDue && socket.readyState === 'open') socket.write(kind.more);
      }
    }, BEAT_MS);
  }

  open(number, kind) {
    const localAddress = this.addresses[number % this.addresses.length];
    const socket = connect({ host: '127.0.0.1', port: this.port, localAddress, noDelay: true });
    this.sockets.set(number, { socket, kind });
    this.opened += 1;
    if (kind.deaf) socket.pause();
    else socket.resume();
    socket.on('connect', () => socket.write(kind.begin));
    socket.on('error', () => {});
    socket.on('close', async () => {
      await sleep(RETURN_MS);
      if (this.timer) this.open(number, kind);
    });
  }

  end() {
    clearInterval(this.timer);
    this.timer = undefined;
    for (const { socket } of this.sockets.values()) socket.destroy();
  }
}
