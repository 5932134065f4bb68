// weir from outside: the ports of the design are open and no others, and who may speak to each.
//
// Run as `unshare -n` (root) or `unshare -Urn` (anybody) `node --test tests/interop/ports.mjs`:
// this process is a stranger on the LAN, weir is another host of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { DEFAULT_PORTS, startWeir } from '../browser/weir.mjs';
import { run } from './alone.mjs';
import { LAN, WEIR, WeirHost } from './two_hosts.mjs';

const TOKEN = 'a-token-for-the-figures';
/** What else a camera gateway might be tempted to open. */
const OTHER_UDP = [53, 67, 68, 123, 161, 500, 554, 1900, 3478, 3702, 5353, 8117, 8443, 9999];

let host, weir;

/** weir beside the stranger, with these tables. */
function start(tables) {
  const camera = { name: 'gate', url: `rtsp://${LAN}:554/gate` };
  return startWeir({
    cameras: [camera],
    ports: DEFAULT_PORTS,
    host: WEIR,
    command: host.command,
    ...tables,
  });
}

before(async () => {
  host = await WeirHost.open();
  // One "port unreachable" a second is what a host says else; nmap takes silence for open.
  host.run('sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0');
});

after(async () => {
  await weir?.stop();
  host?.close();
});

/** The ports that listen, as the box itself says: `tcp *:8117`. The media port has two sockets. */
function listening() {
  const rows = host.run('ss', '-lntuH').trim().split('\n');
  const ports = rows.map((row) => row.split(/\s+/)).map(([kind, , , , at]) => `${kind} ${at}`);
  return [...new Set(ports)].sort();
}

/** Ports by their state, as nmap sees them from the LAN: `8117 open`. */
function scan(...args) {
  const rows = run('nmap', '-n', '-Pn', '--max-retries', '2', ...args, WEIR).split('\n');
  const found = rows.map((row) => /^(\d+)\/\w+\s+(\S+)/.exec(row)).filter(Boolean);
  return found.map(([, port, state]) => `${port} ${state}`);
}

test('without TLS: pages, media, and the figures on loopback', async () => {
  weir = await start({});
  assert.deepEqual(listening(), ['tcp *:8117', 'tcp 127.0.0.1:9999', 'udp *:8118']);
  assert.deepEqual(scan('-sT', '-p-'), ['8117 open']);
  await weir.stop();
});

test('with TLS: one port more, and nothing else', async (t) => {
  weir = await start({ https: { tls: 'self-signed' } });
  const expected = ['tcp *:8117', 'tcp *:8443', 'tcp 127.0.0.1:9999', 'udp *:8118'];
  assert.deepEqual(listening(), expected);
  const tcp = scan('-sT', '-p-');
  assert.deepEqual(tcp, ['8117 open', '8443 open']);
  t.diagnostic(`nmap -sT -p-: ${tcp.join(', ')}`);
});

test('the media port answers no stranger, and no other UDP port is there', () => {
  // nmap cannot tell silence from a filter; a closed port says so by ICMP.
  const ports = [...OTHER_UDP, DEFAULT_PORTS.media].sort((a, b) => a - b);
  const states = scan('-sU', '-p', ports.join(','), '--max-retries', '5');
  const expected = ports.map((port) =>
    port === DEFAULT_PORTS.media ? `${port} open|filtered` : `${port} closed`,
  );
  assert.deepEqual(states, expected);
});

test('nmap finds TLS 1.2 and 1.3 alone, of the best grade', () => {
  const shown = run('nmap', '-n', '-Pn', '-p', '8443', '--script', 'ssl-enum-ciphers', WEIR);
  const versions = [...shown.matchAll(/(SSLv\d|TLSv\d\.\d):/g)].map(([, version]) => version);
  assert.deepEqual(versions, ['TLSv1.2', 'TLSv1.3'], shown);
  assert.match(shown, /least strength: A/);
});

test('the figures are for loopback, and for others with the token alone', async () => {
  const url = `http://${WEIR}:${DEFAULT_PORTS.diagnostics}/metrics`;
  const ask = async (authorization) => {
    return (await fetch(url, { headers: authorization ? { authorization } : {} })).status;
  };
  await assert.rejects(ask(), 'nothing listens for others by default');
  await weir.stop();
  const listen = `[::]:${DEFAULT_PORTS.diagnostics}`;
  weir = await start({ diagnostics: { listen } });
  assert.equal(await ask(`Bearer ${TOKEN}`), 403);
  assert.match(weir.log, /`listen` in \[diagnostics\] is not loopback/);
  await weir.stop();
  const token_hash = `sha256$${createHash('sha256').update(TOKEN).digest('hex')}`;
  weir = await start({ diagnostics: { listen, token_hash } });
  for (const wrong of [undefined, 'Bearer ', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`]) {
    assert.equal(await ask(wrong), 401, wrong);
  }
  assert.equal(await ask(`bearer ${TOKEN}`), 200);
  const local = `http://127.0.0.1:${DEFAULT_PORTS.diagnostics}/metrics`;
  assert.match(host.run('curl', '-s', local), /weir_sessions 0/);
});
