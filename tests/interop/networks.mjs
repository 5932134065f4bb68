// Networks as they are: weir, a viewer's Chromium and an attacker in namespaces on one switch.
// Two addresses of each family on weir's box, a viewer that changes its address or whose address
// translation does, one that is killed, and all that can be forged and replayed beside it.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/networks.mjs`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Relay } from '../browser/relay.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, sleep, startWeir, until } from '../browser/weir.mjs';
import { Lan, Sniffer, v4, v6 } from './lan.mjs';

const PORT = DEFAULT_PORTS.media;
const SWITCH = 254;
const WEIR = [1, 2];
const VIEWER = 11;
const MOVED = 12;
const ATTACKER = 66;
const ATTACK_S = 5;
const TOKEN = 'a-token-for-the-test';
const TOKEN_HASH = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;

let lan, box, home, stranger, cameras, weir, browser, sniffer;

before(async () => {
  lan = await Lan.open();
  [box, home, stranger] = [
    await lan.host('weir', ...WEIR),
    await lan.host('viewer', VIEWER),
    await lan.host('attacker', ATTACKER),
  ];
  cameras = await startCameras([{ path: '/gate' }], { address: v4(SWITCH) });
  [weir, sniffer, browser] = await Promise.all([
    startWeir({
      cameras: [{ name: 'gate', url: cameras.url('/gate', v4(SWITCH)) }],
      https: { tls: 'off' },
      tokens: [{ name: 'the test', role: 'operator', hash: TOKEN_HASH }],
      ports: DEFAULT_PORTS,
      host: v4(1),
      command: box.command,
    }),
    Sniffer.open(box, PORT),
    launchInside(),
  ]);
  weir.headers = { authorization: `Bearer ${TOKEN}` };
  await weir.ready('gate');
});

after(async () => {
  await browser?.close().catch(() => {}); // it may have been killed
  await weir?.stop();
  await cameras?.kill();
  sniffer?.close();
  lan?.close();
});

function launchInside() {
  process.env.CHROMIUM = home.launcher('/usr/bin/chromium');
  return launchChromium();
}

/** A page of another person, to whom weir has no candidate but this one. */
function openAt(ip, port = PORT) {
  return Viewer.open(browser, `${weir.http}/gate/?token=${TOKEN}`, (context) => {
    return context.addInitScript(onlyCandidate, { ip, port });
  });
}

/** In the page: asks weir for new ICE credentials; weir's new ufrag. */
async function restartIce() {
  const connection = window.connectionsMade.at(-1);
  const line = (text, name) => new RegExp(`^a=${name}:.*$`, 'm').exec(text)[0].trim();
  const answered = connection.remoteDescription.sdp;
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  const offer = connection.localDescription.sdp;
  const section = ['m=video 9 UDP/TLS/RTP/SAVPF 96', line(offer, 'mid')];
  const body = [line(offer, 'ice-ufrag'), line(offer, 'ice-pwd'), ...section, ''].join('\r\n');
  const answer = await fetch(window.sessionUrl, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
    body,
  });
  const fragment = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${fragment}`);
  const renewed = ['ice-ufrag', 'ice-pwd'].reduce((sdp, name) => {
    return sdp.replace(line(sdp, name), line(fragment, name));
  }, answered);
  await connection.setRemoteDescription({ type: 'answer', sdp: renewed });
  return line(fragment, 'ice-ufrag').split(':')[1];
}

/**
 * In the page: answers have one candidate, and the session's address and the longest time between
 * two frames are kept.
 */
function onlyCandidate({ ip, port }) {
  const native = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const lines = description.sdp.split('\r\n').filter((line) => !/^a=candidate:/.test(line));
    const at = lines.findIndex((line) => line.startsWith('m='));
    lines.splice(at + 2, 0, `a=candidate:1 1 udp 2130706431 ${ip} ${port} typ host`);
    return native.call(this, { type: description.type, sdp: lines.join('\r\n') });
  };
  const nativeFetch = window.fetch;
  window.fetch = async (...request) => {
    const answer = await nativeFetch(...request);
    const location = answer.status === 201 && answer.headers.get('Location');
    if (location) window.sessionUrl = new URL(location, answer.url).href;
    return answer;
  };
  window.gapMs = 0;
  let last = null;
  const each = (now) => {
    if (last !== null) window.gapMs = Math.max(window.gapMs, now - last);
    last = now;
    document.querySelector('video').requestVideoFrameCallback(each);
  };
  document.addEventListener('DOMContentLoaded', () => {
    document.querySelector('video')?.requestVideoFrameCallback(each);
  });
}

/** The session that lives, as weir has it. */
async function session(test = () => true) {
  const living = (await weir.sessions()).filter(({ state }) => state === 'live');
  return living.find(test);
}

const isMedia = ({ kind }) => kind === 'rtp';
const fromWeir = ({ fromPort }) => fromPort === PORT;
const text = (ip, port) => (ip.includes(':') ? `[${ip}]` : ip) + `:${port}`;

/** Waits for the viewer's end; the reason, and how long it took. */
async function end(id, limitMs) {
  const began = performance.now();
  const ended = await until('the session has ended', limitMs, async () => {
    return (await weir.sessions()).find((each) => each.id === id && each.state === 'ended');
  });
  return { reason: ended.reason, ms: performance.now() - began };
}

describe('a box with two addresses of each family', () => {
  for (const ip of [v4(1), v4(2), v6(1), v6(2)]) {
    test(`${ip} answers from itself: checks, handshake and media`, async (t) => {
      const begin = sniffer.packets.length;
      const viewer = await openAt(ip);
      t.after(() => viewer.close());
      await viewer.picture();
      await sleep(500);
      const { address } = await session();
      const sent = sniffer.filter((p) => fromWeir(p) && text(p.to, p.toPort) === address, begin);
      for (const kind of ['stun-reply', 'dtls', 'rtp']) {
        assert.ok(sent.some((packet) => packet.kind === kind), `weir has sent ${kind}`);
      }
      assert.deepEqual([...new Set(sent.map(({ from }) => from))], [ip]);
    });
  }
});

test('an interface with frames smaller than a packet: they leave as fragments', async (t) => {
  const resize = (bytes) => box.run('ip', 'link', 'set', 'eth0', 'mtu', bytes);
  t.after(() => resize('1500'));
  lan.narrow(WEIR[0], 1280); // the camera's
  resize('1280'); // as a tunnel's: with IPv6 ours have 1284
  const viewer = await openAt(v6(1));
  t.after(() => viewer.close());
  await viewer.picture();
  await viewer.playing(2_000);
  assert.equal(await weir.metric('weir_udp_gso'), 1, 'others have GSO as before');
  assert.equal(await weir.metric('weir_udp_refused_total'), 0, 'nothing was dropped');
});

describe('somebody on the same network', () => {
  /** The attack, and what the viewer shows meanwhile. */
  async function attack(order, viewer) {
    const attacker = stranger.python('attack.py');
    attacker.stdin.write(`${JSON.stringify(order)}\n`);
    let told = '';
    attacker.stdout.on('data', (bytes) => (told += bytes));
    const exited = once(attacker, 'exit');
    const watched = await viewer.watch(ATTACK_S);
    await exited;
    return { ...JSON.parse(told), watched };
  }

  for (const ip of [v4(1), v6(1)]) {
    test(`what is forged and replayed at ${ip} changes nothing`, async (t) => {
      const begin = sniffer.packets.length;
      const viewer = await openAt(ip);
      t.after(() => viewer.close());
      await viewer.picture();
      const heard = (kind) =>
        until(`${kind} of the viewer`, 5_000, () => {
          return sniffer.filter((p) => !fromWeir(p) && p.kind === kind, begin).at(-1);
        });
      const [check, report] = [await heard('stun'), await heard('rtcp')];
      const icmpErrors = () => weir.metric('weir_icmp_errors_total');
      const before = { session: await session(), errors: await icmpErrors() };
      assert.equal(before.session.address, text(report.from, report.fromPort));
      const order = { weir: [ip, PORT], viewer: [report.from, report.fromPort], seconds: ATTACK_S };
      let attacked = await attack({ ...order, check: check.hex, report: report.hex }, viewer);
      // On a busy machine the decoder may stand still as well: not twice.
      if (attacked.watched.freezes > 0) {
        attacked = await attack({ ...order, check: check.hex, report: report.hex }, viewer);
      }
      const { sent, received, watched } = attacked;
      t.diagnostic(`sent ${JSON.stringify(sent)}, received ${JSON.stringify(received)}`);
      assert.ok(Object.values(sent).every((count) => count > 100), 'each kind was sent');
      // A replayed check is answered where it came from; nothing else is.
      assert.deepEqual(Object.keys(received), ['stun-reply']);
      assert.equal(watched.freezes, 0);
      assert.ok(watched.framesPerS > 20, `${watched.framesPerS} frames/s`);
      const lost = watched.after.packetsLost - watched.before.packetsLost;
      assert.deepEqual([lost, watched.after.nackCount - watched.before.nackCount], [0, 0]);
      const now = await session();
      assert.deepEqual([now.id, now.address], [before.session.id, before.session.address]);
      const errors = (await icmpErrors()) - before.errors;
      assert.ok(errors > sent['icmp errors'] / 4, `${errors} of the errors reached weir`);
      assert.equal(await weir.metric('weir_udp_refused_total'), 0, 'nothing was dropped');
      assert.equal(await weir.metric('weir_media_thread_allocations_total'), 0);
      const media = sniffer.filter((p) => fromWeir(p) && isMedia(p) && p.to !== report.from, begin);
      assert.deepEqual(media, []);
    });
  }
});

describe('a viewer that moves', () => {
  /** Waits for a second of frames; the longest time without one on the way. */
  async function goesOn(viewer, before, t) {
    const after = await until('frames are decoded', 6_000, async () => {
      const now = await viewer.sample();
      return now.decoded > before.decoded + 25 && now;
    });
    const gapMs = await viewer.page.evaluate(() => window.gapMs);
    t.diagnostic(`longest time without a frame: ${gapMs.toFixed(0)} ms`);
    return { after, gapMs };
  }

  /** Packets since `begin`: the first media to an address comes behind the first report from it. */
  function assertProven(begin, isNew) {
    const since = sniffer.packets.slice(begin);
    const proof = since.findIndex((packet) => packet.kind === 'rtcp' && isNew(packet, 'from'));
    const media = since.findIndex((packet) => isMedia(packet) && isNew(packet, 'to'));
    assert.ok(proof >= 0, 'a report came from the new address');
    assert.ok(media > proof, `media at ${media}, behind the report at ${proof}`);
  }

  /** The viewer's host gets other addresses while it watches; `meanwhile` is run on its page. */
  async function move(t, from, to, meanwhile = () => {}) {
    const viewer = await openAt(v4(1));
    t.after(() => viewer.close());
    await viewer.picture();
    await sleep(1_000);
    const [before, begin] = [await viewer.sample(), sniffer.packets.length];
    const old = await session();
    await viewer.page.evaluate(() => (window.gapMs = 0));
    home.forget(from);
    home.address(to);
    home.route();
    await meanwhile(viewer);
    await until('weir has followed', 8_000, () => {
      return sniffer.filter(isMedia, begin).at(-1)?.to === v4(to);
    });
    const { after, gapMs } = await goesOn(viewer, before, t);
    assert.equal((await session()).id, old.id);
    assert.equal(after.connection, before.connection, 'it is one connection');
    // A check every 2.66 s teaches the address, and the next report proves it; then an IDR.
    assert.ok(gapMs < 4_500, `${gapMs} ms`);
    assertProven(begin, (packet, end) => packet[end] === v4(to));
    return sniffer.packets.slice(begin);
  }

  test('a new address: the picture goes on, in the same session', async (t) => {
    await move(t, VIEWER, MOVED);
  });

  test('an ICE restart across a new address', async (t) => {
    let ufrag;
    const packets = await move(t, MOVED, VIEWER, async ({ page }) => {
      ufrag = await page.evaluate(restartIce);
    });
    const name = Buffer.from(ufrag).toString('hex');
    // weir's own question, whether the viewer is where its reports come from, has the name too.
    const isCheck = ({ kind, hex, from }) => kind === 'stun' && from !== v4(1) && hex.includes(name);
    const checks = packets.filter(isCheck);
    assert.ok(checks.length > 0, 'checks came with the new credentials');
    assert.deepEqual([...new Set(checks.map(({ from }) => from))], [v4(VIEWER)]);
  });

  test('an address translation that was restarted', async (t) => {
    const relay = await Relay.open({ address: v4(SWITCH) });
    relay.forwardTo(PORT, v4(1));
    t.after(() => relay.close());
    const viewer = await openAt(v4(SWITCH), relay.port);
    t.after(() => viewer.close());
    await viewer.picture();
    await sleep(1_000);
    const [before, begin] = [await viewer.sample(), sniffer.packets.length];
    const old = await session();
    await viewer.page.evaluate(() => (window.gapMs = 0));
    const ports = relay.rebind();
    const isNew = (packet, end) => {
      return packet[end] === v4(SWITCH) && !ports.includes(packet[`${end}Port`]);
    };
    await until('weir has followed', 8_000, () => {
      const media = sniffer.filter(isMedia, begin).at(-1);
      return media && isNew(media, 'to');
    });
    const { after, gapMs } = await goesOn(viewer, before, t);
    assert.equal((await session()).id, old.id);
    assert.equal(after.connection, before.connection, 'it is one connection');
    // A check every 2.66 s teaches the address, and the next report proves it; then an IDR.
    assert.ok(gapMs < 4_500, `${gapMs} ms`);
    assertProven(begin, isNew);
  });
});

test('who closes or is killed is gone in 4 to 5.5 s, by an alert or an ICMP error', async (t) => {
  const [closing, dying] = [await openAt(v4(1)), await openAt(v4(2))];
  await closing.picture();
  await dying.picture();
  const living = (await weir.sessions()).filter(({ state }) => state === 'live');
  assert.equal(living.length, 2);
  const [first, second] = living.map(({ id }) => id).sort((a, b) => a - b);
  await closing.page.evaluate(() => window.connectionsMade.at(-1).close());
  const closed = end(first, 6_000);
  home.kill();
  const [left, died] = await Promise.all([closed, end(second, 6_000)]);
  t.diagnostic(`closed: ${left.ms.toFixed(0)} ms, killed: ${died.ms.toFixed(0)} ms`);
  assert.equal(left.reason, 'the player left');
  assert.equal(died.reason, 'the player is unreachable');
  for (const { ms } of [left, died]) assert.ok(ms > 3_000 && ms < 5_500, `${ms} ms`);
});
