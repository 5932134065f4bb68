// STUN binding requests (RFC 8489, RFC 8445), and the one DTLS record with which a handshake
// begins: as much of ICE as somebody needs who never means to finish.

import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { crc32 } from 'node:zlib';

const COOKIE = 0x2112a442;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const PRIORITY = 0x0024;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLING = 0x802a;
const FINGERPRINT_XOR = 0x5354554e;

/** The ufrag that offers of ours have. */
export const UFRAG = 'hand';

function attribute(type, value) {
  const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  padded.writeUInt16BE(type, 0);
  padded.writeUInt16BE(value.length, 2);
  value.copy(padded, 4);
  return padded;
}

/** The message with an attribute whose value depends on the bytes before it. */
function sealed(message, type, bytes, value) {
  // The length counts what is about to be appended (RFC 8489 section 14.5).
  message.writeUInt16BE(message.length - 20 + 4 + bytes, 2);
  return Buffer.concat([message, attribute(type, value(message))]);
}

/** A check that nominates. */
export function check(username, password) {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(0x0001, 0);
  header.writeUInt32BE(COOKIE, 4);
  randomBytes(12).copy(header, 8);
  const message = Buffer.concat([
    header,
    attribute(USERNAME, Buffer.from(username)),
    attribute(ICE_CONTROLLING, randomBytes(8)),
    attribute(PRIORITY, Buffer.from([0, 0, 0, 7])),
    attribute(USE_CANDIDATE, Buffer.alloc(0)),
  ]);
  const authentic = sealed(message, MESSAGE_INTEGRITY, 20, (bytes) =>
    createHmac('sha1', password).update(bytes).digest(),
  );
  return sealed(authentic, FINGERPRINT, 4, (bytes) => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE((crc32(bytes) ^ FINGERPRINT_XOR) >>> 0);
    return sum;
  });
}

/** A check for one of weir's slots by somebody who knows neither its ufrag nor its password. */
export function forgedCheck(slot) {
  const ufrag = `${slot.toString(16).padStart(4, '0')}abcdefgh`;
  return check(`${ufrag}:${UFRAG}`, 'a password that nobody has');
}

/** A ClientHello of DTLS 1.2 that weir would go on with. */
export function clientHello() {
  const suites = Buffer.from('c02bc02fc02cc030', 'hex');
  const extensions = Buffer.concat(
    [
      [0x000a, '0004001d0017'], // groups: X25519 and P-256
      [0x000b, '0100'], // uncompressed points
      [0x000d, '000404030401'], // signatures: ECDSA and RSA with SHA-256
      [0x000e, '00040008000700'], // use_srtp: AES-256-GCM and AES-128-GCM
      [0x0017, ''], // extended_master_secret
      [0xff01, '00'],
    ].map(([type, hex]) => {
      const head = Buffer.alloc(4);
      head.writeUInt16BE(type, 0);
      head.writeUInt16BE(hex.length / 2, 2);
      return Buffer.concat([head, Buffer.from(hex, 'hex')]);
    }),
  );
  const length = (bytes, size) => {
    const head = Buffer.alloc(size);
    head.writeUIntBE(bytes.length, 0, size);
    return Buffer.concat([head, bytes]);
  };
  const body = Buffer.concat([
    Buffer.from('fefd', 'hex'),
    randomBytes(32),
    Buffer.from([0, 0]), // no session, no cookie
    length(suites, 2),
    Buffer.from([1, 0]), // no compression
    length(extensions, 2),
  ]);
  const size = Buffer.alloc(3);
  size.writeUIntBE(body.length, 0, 3);
  // Message 0, whole: its fragment's offset is 0 and its length its own.
  const message = Buffer.concat([Buffer.from([1]), size, Buffer.alloc(5), size, body]);
  const record = Buffer.from('16fefd0000000000000000', 'hex');
  return Buffer.concat([record, length(message, 2)]);
}

/** Somebody with an answer in hand: sends what it is told, and counts what comes back. */
export class Peer {
  static async open(answer, address) {
    const socket = createSocket('udp4');
    await new Promise((done) => socket.bind(0, address, done));
    const value = (name) => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(answer)[1];
    const [, host, port] = /^a=candidate:\S+ 1 \S+ \d+ (\S+) (\d+)/m.exec(answer);
    const peer = new Peer();
    Object.assign(peer, { socket, host, port: Number(port), stun: 0, dtls: 0 });
    Object.assign(peer, { username: `${value('ice-ufrag')}:${UFRAG}`, key: value('ice-pwd') });
    socket.on('message', (bytes) => (bytes[0] < 4 ? (peer.stun += 1) : (peer.dtls += 1)));
    return peer;
  }

  check() {
    this.socket.send(check(this.username, this.key), this.port, this.host);
  }

  hello() {
    this.socket.send(clientHello(), this.port, this.host);
  }

  close() {
    this.socket.close();
  }
}
