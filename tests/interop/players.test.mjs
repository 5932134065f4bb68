// WHEP players that are no browsers: aiortc, and GStreamer's webrtcbin as whepsrc uses it. Both offer
// sound first, and read the transport from that section, be it declined or served. tshark reads which
// SRTP profiles they name in their ClientHello.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startCameras } from '../browser/cameras.mjs';
import { startWeir, until } from '../browser/weir.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TOOLS = `${process.env.CARGO_TARGET_DIR ?? here('../../target')}/tools`;
const FPS = 15;
const SECONDS = 4;
const SOUNDS = ['', 'alaw', 'opus'];
const NO_GCM = 'no AES-GCM: the player offers only other SRTP ciphers';
const TABLE = readFileSync(here('../../docs/api.md'), 'utf8');
/** SRTP profiles by their numbers: RFC 5764 section 4.1.2 and RFC 7714 section 14.2. */
const PROFILES = {
  '0x0001': 'AES128_CM_SHA1_80',
  '0x0002': 'AES128_CM_SHA1_32',
  '0x0007': 'AEAD_AES_128_GCM',
  '0x0008': 'AEAD_AES_256_GCM',
};

let cameras, weir;

before(async () => {
  const mounts = SOUNDS.map((sound) => {
    return { width: 320, height: 240, fps: FPS, gop: FPS, sound, path: `/${sound || 'mute'}` };
  });
  cameras = await startCameras(mounts);
  weir = await startWeir({
    cameras: mounts.map(({ path }) => ({ name: path.slice(1), url: cameras.url(path) })),
  });
});

after(async () => {
  await weir?.stop();
  await cameras?.kill();
});

/** What `action` returns, and the SRTP profiles that a ClientHello named to weir meanwhile. */
async function profilesNamed(action) {
  const { media } = weir.ports;
  const args = ['-l', '-n', '-i', 'lo', '-f', `udp dst port ${media}`, '-d', `udp.port==${media},dtls`];
  const fields = ['-T', 'fields', '-e', 'dtls.use_srtp.protection_profile'];
  const tshark = spawn('tshark', [...args, '-Y', 'dtls.handshake.type == 1', ...fields]);
  let [said, named] = ['', ''];
  tshark.stderr.on('data', (bytes) => (said += bytes));
  tshark.stdout.on('data', (bytes) => (named += bytes));
  try {
    await until('tshark captures', 10_000, () => /Capturing on/.test(said));
    const result = await action();
    // It reads in batches.
    const [first] = await until('a ClientHello', 5_000, () => named.match(/0x.*(?=\n)/));
    return [result, first.split(',').map((number) => PROFILES[number] ?? number)];
  } finally {
    tshark.kill('SIGINT');
    await once(tshark, 'exit');
  }
}

/** Plays a camera by one of the programs beside this file, and gives what it prints. */
async function play(program, camera, ...more) {
  await weir.ready(camera);
  const args = [here(program), `${weir.http}/${camera}/whep`, '--seconds', String(SECONDS), ...more];
  const env = { ...process.env, PYTHONPATH: program.includes('aiortc') ? TOOLS : '' };
  const { stdout } = await promisify(execFile)('/usr/bin/python3', args, { env, timeout: 60_000 });
  return JSON.parse(stdout);
}

function plays({ state, frames, ended }, sound) {
  assert.equal(state, 'connected');
  assert.equal(ended, null, 'it ends its session itself');
  // The handshake and the first key frame are within the time.
  assert.ok(frames.video > (FPS * SECONDS) / 2, JSON.stringify(frames));
  assert.equal((frames.audio ?? 0) > 10, sound !== '', JSON.stringify(frames));
}

for (const sound of SOUNDS) {
  const camera = sound || 'mute';
  test(`aiortc plays ${camera}`, async (t) => {
    const [said, profiles] = await profilesNamed(() => play('whep_aiortc.py', camera));
    t.diagnostic(`${profiles}: ${JSON.stringify(said.frames)}`);
    assert.ok(profiles.includes('AEAD_AES_256_GCM'), 'tshark sees what makes it play');
    assert.deepEqual(said.unoffered, []);
    plays(said, sound);
    assert.deepEqual(said.frames.size, [320, 240]);
    assert.ok(TABLE.includes(`| aiortc ${said.version} |`), `docs/api.md has aiortc ${said.version}`);
  });

  test(`webrtcbin takes the answer for ${camera}, and plays it where it has AES-GCM`, async (t) => {
    const [played, profiles] = await profilesNamed(() => play('whep_gstreamer.py', camera));
    const { refuses, ...said } = played;
    const hasGcm = profiles.some((name) => name.includes('GCM'));
    t.diagnostic(`${said.version}, ${profiles}: ${JSON.stringify(said.frames)}`);
    assert.equal(refuses, undefined);
    assert.deepEqual(said.unoffered, []);
    if (!hasGcm) assert.ok(TABLE.includes(`names ${profiles.join(', ')} alone`), 'docs/api.md');
    if (hasGcm) return plays(said, sound);
    assert.deepEqual([said.ended, said.frames], [NO_GCM, {}]);
  });
}

test('an aiortc without AES-GCM is told so in plain words', async () => {
  const said = await play('whep_aiortc.py', 'mute', '--old');
  assert.deepEqual([said.state, said.ended, said.frames], ['failed', NO_GCM, {}]);
  assert.ok(weir.log.includes(`of mute ended: ${NO_GCM}`), 'the log says so too');
  assert.ok(TABLE.includes(NO_GCM), 'docs/api.md says so');
});
