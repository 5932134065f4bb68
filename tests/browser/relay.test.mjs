// The relay itself: it loses what it is told to lose, and nothing else.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';

import { Relay } from './relay.mjs';
import { sleep } from './weir.mjs';

function rtp(sequence, payloadType = 96) {
  const packet = Buffer.alloc(40);
  packet[0] = 0x80;
  packet[1] = payloadType;
  packet.writeUInt16BE(sequence, 2);
  packet.writeUInt32BE(0x1234, 8);
  return packet;
}

/** A server behind the relay that sends these packets to whoever greets it; what arrives. */
async function carried(t, relay, packets) {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  relay.forwardTo(server.address().port);
  const browser = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => [relay, server, browser].forEach((end) => end.close()));
  const arrived = [];
  browser.on('message', (datagram) => arrived.push(datagram));
  browser.send('hello', relay.port, '127.0.0.1');
  const [, from] = await once(server, 'message');
  for (const [index, packet] of packets.entries()) {
    server.send(packet, from.port, from.address);
    if (index % 50 === 0) await sleep(10); // a socket's buffer is no longer than that
  }
  await sleep(200);
  return arrived;
}

test('each 100th packet is lost once, its repetition and RTCP are not', async (t) => {
  const relay = await Relay.open({ every: 100 });
  const media = Array.from({ length: 300 }, (_, i) => rtp(65_400 + i - (i > 135 ? 65_536 : 0)));
  const reports = Array.from({ length: 10 }, (_, i) => rtp(i, 200));
  const again = [media[99], media[199], media[299]];
  const arrived = await carried(t, relay, [...media, ...reports, ...again]);
  assert.equal(relay.dropped.length, 3);
  assert.equal(relay.repeated, 3);
  assert.equal(arrived.length, 300 - 3 + 10 + 3);
});

test('one packet is lost when asked for', async (t) => {
  const relay = await Relay.open();
  relay.dropOne();
  const arrived = await carried(t, relay, [rtp(7, 200), rtp(1), rtp(2), rtp(3)]);
  assert.deepEqual(relay.dropped, [`${0x1234}/1`]);
  assert.equal(arrived.length, 3);
});

test('what comes behind a frame is lost when asked for', async (t) => {
  const relay = await Relay.open();
  relay.dropBehind(1);
  const [end, next] = [rtp(2), rtp(4)];
  for (const packet of [end, next]) packet[1] |= 0x80;
  const arrived = await carried(t, relay, [rtp(1), end, rtp(3), next, rtp(7, 200)]);
  assert.deepEqual(relay.dropped, [`${0x1234}/3`, `${0x1234}/4`]);
  assert.equal(arrived.length, 3);
});
