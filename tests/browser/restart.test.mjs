// An ICE restart in Chromium by what browsers have for it, and by nothing of weir's pages: the
// picture goes on, the session moves to the new port, and the old credentials are over.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { startWeir, until } from './weir.mjs';

const FPS = 25;
let cameras, weir, browser;

before(async () => {
  cameras = await startCameras([{ path: '/gate', fps: FPS, gop: 25 }]);
  weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url('/gate') }] });
  browser = await launchChromium();
  await weir.ready('gate');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

/** Runs in the page. */
async function play(url) {
  const connection = new RTCPeerConnection();
  const video = document.body.appendChild(document.createElement('video'));
  Object.assign(video, { muted: true, autoplay: true });
  connection.ontrack = ({ track }) => (video.srcObject = new MediaStream([track]));
  const answer = await offerVideo(connection, url);
  const session = new URL(answer.headers.get('Location'), url).href;
  window.watched = { connection, session, etag: answer.headers.get('ETag') };
  return connection.remoteDescription.sdp;
}

/** Runs in the page: restarts ICE; what weir answered. */
async function restart() {
  const { connection, session, etag } = window.watched;
  connection.restartIce();
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  const line = (sdp, name) => sdp.match(new RegExp(`^${name}.*$`, 'm'))[0].trim();
  const offer = connection.localDescription.sdp;
  const names = ['a=ice-ufrag:', 'a=ice-pwd:', 'm=video', 'a=mid:'];
  const answer = await fetch(session, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag },
    body: names.map((name) => `${line(offer, name)}\r\n`).join(''),
  });
  const fragment = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${fragment}`);
  let sdp = connection.currentRemoteDescription.sdp;
  for (const name of ['a=ice-ufrag:', 'a=ice-pwd:']) {
    sdp = sdp.replace(line(sdp, name), line(fragment, name));
  }
  await connection.setRemoteDescription({ type: 'answer', sdp });
  window.watched.etag = answer.headers.get('ETag');
  return { sdp, isNewEtag: window.watched.etag !== etag };
}

/** Whether weir answers a binding request (RFC 8489) with an answer's credentials. */
async function answers(sdp) {
  const value = (name) => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(sdp)[1];
  const attribute = (type, bytes) => {
    const padded = Buffer.alloc(4 + Math.ceil(bytes.length / 4) * 4);
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(bytes.length, 2);
    bytes.copy(padded, 4);
    return padded;
  };
  const username = attribute(0x0006, Buffer.from(`${value('ice-ufrag')}:them`));
  const body = Buffer.concat([username, attribute(0x0024, Buffer.alloc(4, 1))]);
  const head = Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)]);
  head.writeUInt16BE(body.length + 24, 2);
  const key = createHmac('sha1', value('ice-pwd')).update(head).update(body);
  const request = Buffer.concat([head, body, attribute(0x0008, key.digest())]);
  const socket = createSocket('udp4');
  const answered = new Promise((done) => {
    socket.on('message', () => done(true));
    setTimeout(() => done(false), 500);
  });
  socket.send(request, weir.ports.media, '127.0.0.1');
  return answered.finally(() => socket.close());
}

const live = async () => (await weir.sessions()).filter(({ state }) => state === 'live');

test('the picture goes on over ICE restarts, in the same session', async () => {
  const viewer = await Viewer.open(browser, `${weir.http}/?table`);
  let sdp = await viewer.page.evaluate(play, `${weir.http}/gate/whep`);
  await viewer.picture(5_000);
  const [session] = await live();
  for (const _ of [1, 2]) {
    const [{ address }] = await live();
    assert.ok(await answers(sdp), 'in use');
    const watching = viewer.watchEachFrame(6, { weir, name: 'gate' }, FPS);
    const restarted = await viewer.page.evaluate(restart);
    assert.ok(restarted.isNewEtag);
    const { before, after } = await watching;
    assert.equal(after.packetsLost, before.packetsLost);
    await until('the old credentials are over', 2_000, async () => !(await answers(sdp)));
    assert.ok(await answers(restarted.sdp), 'the new ones are in use');
    const [moved, ...others] = await live();
    assert.deepEqual([moved.id, others.length], [session.id, 0]);
    assert.notEqual(moved.address, address, 'Chromium restarts on a new port');
    sdp = restarted.sdp;
  }
  await viewer.close();
});
