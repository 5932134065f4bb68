// Cameras by the dozen: each plays a clip over and over, which ffmpeg made once. All that they cost
// is to send. RTSP with TCP interleaved, as much of it as weir asks for.

import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

const MTU = 1400;
const CLOCK_HZ = 90_000;

/** Encodes `source`, a graph of ffmpeg's, as H.264 with a key frame each second; access units. */
async function encode({ source, seconds, fps, kbps }) {
  const { stdout } = await promisify(execFile)(
    'ffmpeg',
    ['-loglevel', 'error', '-f', 'lavfi', '-i', source, '-t', String(seconds), '-r', String(fps)].concat(
      ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'veryfast'],
      ['-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps / 2}k`, '-threads', '1'],
      ['-x264-params', `keyint=${fps}:min-keyint=${fps}:scenecut=0:slices=1:aud=1:repeat-headers=1`],
      ['-f', 'h264', 'pipe:1'],
    ),
    { encoding: 'buffer', maxBuffer: 64 << 20 },
  );
  return unitsOf(stdout);
}

/** Cuts Annex B at its access unit delimiters; NAL units, without these and without SEI. */
function unitsOf(annexB) {
  const units = [];
  let start = annexB.indexOf('000001', 0, 'hex') + 3;
  while (start > 2) {
    const found = annexB.indexOf('000001', start, 'hex');
    const end = found < 0 ? annexB.length : found - (annexB[found - 1] === 0 ? 1 : 0);
    const nal = annexB.subarray(start, end);
    const type = nal[0] & 0x1f;
    if (type === 9) units.push([]);
    else if (type !== 6) units.at(-1).push(nal);
    start = found + 3;
  }
  return units;
}

/** RTP payloads of a NAL unit (RFC 6184): itself, or FU-A. */
function payloadsOf(nal) {
  if (nal.length <= MTU) return [nal];
  const parts = [];
  for (let at = 1; at < nal.length; at += MTU) {
    const part = nal.subarray(at, at + MTU);
    const isLast = at + MTU >= nal.length;
    const sign = (at === 1 ? 0x80 : 0) | (isLast ? 0x40 : 0) | (nal[0] & 0x1f);
    parts.push(Buffer.concat([Buffer.from([(nal[0] & 0xe0) | 28, sign]), part]));
  }
  return parts;
}

/** A clip as it is sent: its SDP, and each frame's payloads. */
async function clipOf(options) {
  const units = await encode(options);
  const ofType = (type) => units.flat().find((nal) => (nal[0] & 0x1f) === type);
  const [sps, pps] = [ofType(7), ofType(8)];
  const sets = [sps, pps].map((nal) => nal.toString('base64')).join(',');
  const profile = sps.subarray(1, 4).toString('hex');
  const sdp = [
    'v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=-', 't=0 0', 'm=video 0 RTP/AVP 96', 'c=IN IP4 0.0.0.0',
    'a=rtpmap:96 H264/90000', 'a=control:track',
    `a=fmtp:96 packetization-mode=1;profile-level-id=${profile};sprop-parameter-sets=${sets}`, '',
  ].join('\r\n');
  const { fps, stampedFps = fps } = options;
  return { sdp, frames: units.map((nals) => nals.flatMap(payloadsOf)), fps, stampedFps };
}

/** One connection: answers requests, then sends the clip from somewhere in it. */
class Connection {
  constructor(socket, clips, begin) {
    Object.assign(this, { socket, clips, frame: begin, sequence: 0, text: Buffer.alloc(0) });
    this.timestamp = begin * 1000;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.read(Buffer.concat([this.text, bytes])));
    socket.on('error', () => {});
    socket.on('close', () => clearInterval(this.timer));
  }

  read(bytes) {
    for (;;) {
      if (bytes[0] === 0x24 && bytes.length >= 4) {
        const end = 4 + bytes.readUInt16BE(2);
        if (bytes.length < end) break;
        bytes = bytes.subarray(end);
        continue;
      }
      const end = bytes[0] === 0x24 ? -1 : bytes.indexOf('\r\n\r\n');
      if (end < 0) break;
      this.answer(bytes.toString('latin1', 0, end));
      bytes = bytes.subarray(end + 4);
    }
    this.text = bytes;
  }

  answer(head) {
    const [method, url] = head.split(' ');
    const cseq = /^CSeq: *(\d+)/im.exec(head)?.[1];
    const clip = this.clips.get(new URL(url).pathname.split('/')[1]);
    const say = (status, headers = [], body = '') =>
      this.socket.write([`RTSP/1.0 ${status}`, `CSeq: ${cseq}`, ...headers, '', body].join('\r\n'));
    if (!clip) return say('404 Not Found');
    if (method === 'DESCRIBE') {
      const headers = [`Content-Base: ${url}/`, 'Content-Type: application/sdp'];
      return say('200 OK', [...headers, `Content-Length: ${clip.sdp.length}`], clip.sdp);
    }
    if (method === 'SETUP') {
      return say('200 OK', ['Session: 1', 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1']);
    }
    say('200 OK', ['Session: 1', 'Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN']);
    if (method === 'PLAY') this.timer ??= setInterval(() => this.send(clip), 1000 / clip.fps);
  }

  send({ frames, stampedFps }) {
    const payloads = frames[this.frame % frames.length];
    const packets = payloads.flatMap((payload, index) => {
      const head = Buffer.alloc(16);
      head.writeUInt8(0x24, 0);
      head.writeUInt16BE(12 + payload.length, 2);
      head.writeUInt8(0x80, 4);
      head.writeUInt8(96 | (index === payloads.length - 1 ? 0x80 : 0), 5);
      head.writeUInt16BE((this.sequence += 1) & 0xffff, 6);
      head.writeUInt32BE(this.timestamp >>> 0, 8);
      head.writeUInt32BE(0x77656972, 12);
      return [head, payload];
    });
    this.frame += 1;
    this.timestamp += CLOCK_HZ / stampedFps;
    this.socket.write(Buffer.concat(packets));
  }
}

/**
 * Serves clips, each by its name with `source`, `seconds`, `fps` and `kbps`, to as many as connect; no
 * two of them send their key frames at the same moment. `stampedFps` is what the timestamps say, where
 * that is not how often frames come.
 */
export async function startClips(clips) {
  const made = Object.entries(clips).map(async ([name, options]) => [name, await clipOf(options)]);
  const served = new Map(await Promise.all(made));
  const sockets = new Set();
  let begin = 0;
  const server = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)));
    new Connection(socket, served, (begin += 7));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address();
  return {
    url: (name) => `rtsp://127.0.0.1:${port}/${name}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
