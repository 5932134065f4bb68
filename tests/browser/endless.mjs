// Cameras that never come to an end: RTSP servers that begin well and then send for ever, each
// something else that has no last byte. One process, paced, so that the test still has a CPU.

import { createServer } from 'node:net';

const BEAT_MS = 20;
const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n' +
  'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n' +
  'a=fmtp:96 packetization-mode=1;profile-level-id=42C01F;' +
  'sprop-parameter-sets=Z0LAH9oBQBbpUgAAAwACAAADAGTAgAA=,aM48gA==\r\na=control:video\r\n';

function rtp(state, payload, { marker = false, step = 0 } = {}) {
  state.sequence = (state.sequence + 1) & 0xffff;
  state.timestamp = (state.timestamp + step) >>> 0;
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = 96 | (marker ? 0x80 : 0);
  header.writeUInt16BE(state.sequence, 2);
  header.writeUInt32BE(state.timestamp, 4);
  header.writeUInt32BE(0x77656972, 8);
  return Buffer.concat([header, payload]);
}

function interleaved(packet, length = packet.length) {
  const head = Buffer.from([0x24, 0, length >> 8, length & 0xff]);
  return Buffer.concat([head, packet]);
}

const filled = (head, bytes) => Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 0x5a)]);

/** What a camera sends behind its PLAY answer, `beat` by `beat`; the first has the number 0. */
const AFTER_PLAY = {
  // An IDR in fragments whose last one never comes.
  fragments: (state, beat) =>
    interleaved(rtp(state, filled([0x7c, beat === 0 ? 0x85 : 0x05], 8_000))),
  // A slice of 64 KiB in one packet, again and again in one picture.
  'huge-units': (state, beat) => (beat % 8 === 0 ? interleaved(rtp(state, filled([0x65], 65_000))) : ''),
  // Pictures without a marker and without a new timestamp.
  'no-marker': (state) => interleaved(rtp(state, filled([0x41], 4_000))),
  // A length that reaches far into the next packets.
  'long-lengths': (state) => interleaved(rtp(state, filled([0x41], 900)), 65_535),
  // A length shorter than the packet.
  'short-lengths': (state) => interleaved(rtp(state, filled([0x41], 4_000)), 30),
  // Nothing but what is no frame, between frames that are whole.
  garbage: (state) =>
    Buffer.concat([
      Buffer.alloc(3_000, 0x24),
      interleaved(rtp(state, filled([0x41], 500), { marker: true, step: 3_600 })),
      Buffer.from('RTSP/1.0 200 OK\r\nX: '),
    ]),
  // An answer whose head does not end.
  'endless-head': (state, beat) => (beat === 0 ? 'RTSP/1.0 200 OK\r\nX: ' : 'y'.repeat(4_000)),
  // Frames that never have any payload, by the thousand.
  empty: (state) => Buffer.alloc(4_000, Buffer.from([0x24, 0, 0, 0])),
};

/** What it sends instead of a DESCRIBE answer. */
const AT_DESCRIBE = {
  'endless-sdp-head': (beat) => (beat === 0 ? 'RTSP/1.0 200 OK\r\nCSeq: 2\r\nX: ' : 'y'.repeat(4_000)),
  'endless-sdp': (beat) =>
    beat === 0
      ? 'RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\n' +
        `Content-Length: 4000000000\r\n\r\n${SDP}`
      : 'a=x-nothing\r\n'.repeat(300),
  // Blank lines, which may stand before any message.
  'endless-blank': () => '\r\n'.repeat(2_000),
};

export const ENDLESS = [...Object.keys(AFTER_PLAY), ...Object.keys(AT_DESCRIBE)];

export class EndlessCameras {
  static async open() {
    const cameras = new EndlessCameras();
    cameras.sent = Object.fromEntries(ENDLESS.map((name) => [name, 0]));
    cameras.sockets = new Set();
    cameras.server = createServer((socket) => cameras.talk(socket));
    await new Promise((done) => cameras.server.listen(0, '127.0.0.1', done));
    return cameras;
  }

  /** The cameras as weir's configuration has them. */
  tables() {
    const { port } = this.server.address();
    return ENDLESS.map((name) => ({ name, url: `rtsp://127.0.0.1:${port}/${name}` }));
  }

  talk(socket) {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        const found = /(OPTIONS|DESCRIBE|SETUP|PLAY|TEARDOWN|\w+) \S*?:\d+\/([\w-]+)/.exec(request);
        if (found) this.answer(socket, found[1], found[2], /CSeq: *(\d+)/i.exec(request)?.[1]);
      }
    });
  }

  answer(socket, method, name, sequence) {
    const head = `RTSP/1.0 200 OK\r\nCSeq: ${sequence}\r\nSession: 7\r\n`;
    const endless = AT_DESCRIBE[name];
    if (method === 'DESCRIBE' && endless) return this.forEver(socket, name, endless);
    if (method === 'DESCRIBE') {
      const body = `Content-Type: application/sdp\r\nContent-Length: ${SDP.length}\r\n\r\n${SDP}`;
      return socket.write(head + body);
    }
    if (method === 'SETUP') {
      return socket.write(`${head}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`);
    }
    socket.write(`${head}\r\n`);
    if (method === 'PLAY') {
      const state = { sequence: 0, timestamp: 0 };
      this.forEver(socket, name, (beat) => AFTER_PLAY[name](state, beat));
    }
  }

  forEver(socket, name, next) {
    let beat = 0;
    const timer = setInterval(() => {
      const bytes = Buffer.from(next(beat));
      beat += 1;
      // What weir does not take is not kept here either.
      if (socket.writableLength < 1 << 20) this.sent[name] += bytes.length;
      if (socket.writableLength < 1 << 20 && bytes.length > 0) socket.write(bytes);
    }, BEAT_MS);
    socket.on('close', () => clearInterval(timer));
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
