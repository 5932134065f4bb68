// Cameras that cannot be shown say why: in /api/cameras and in the log. Digest and Basic logins.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { freeTcpPort, startWeir, until } from '../browser/weir.mjs';

const DIGEST = { method: 'digest', user: 'viewer', password: 'right:of "way" %41' };
const BASIC = { method: 'basic', user: 'viewer', password: 'back-door' };
const WRONG = 'not-the-password';

let guarded, basic, odd, weir;

before(async () => {
  guarded = await startCameras([{ path: '/gate' }], { auth: DIGEST });
  basic = await startCameras([{ path: '/gate' }], { auth: BASIC });
  odd = await startCameras([{ path: '/audio', codec: 'audio' }]);
  const nobody = await freeTcpPort();
  const login = ({ user, password }) => ({ user, password });
  weir = await startWeir({
    cameras: [
      { name: 'digest', url: guarded.url('/gate'), ...login(DIGEST) },
      { name: 'basic', url: basic.url('/gate'), ...login(BASIC) },
      { name: 'wrong', url: guarded.url('/gate'), user: DIGEST.user, password: WRONG },
      { name: 'nowhere', url: guarded.url('/no-such-stream'), ...login(DIGEST) },
      { name: 'refused', url: `rtsp://127.0.0.1:${nobody}/gate` },
      { name: 'audio', url: odd.url('/audio') },
    ],
  });
});

after(async () => {
  await weir?.stop();
  for (const camera of [guarded, basic, odd]) await camera?.kill();
});

test('a Digest login plays', () => weir.ready('digest'));

test('a Basic login plays', () => weir.ready('basic'));

/** Waits until a camera is not playing for a reason that matches. */
async function notPlaying(name, states, reason) {
  const camera = await until(`${name} says why it does not play`, 10_000, async () => {
    const status = await weir.camera(name);
    return states.includes(status.state) && reason.test(status.reason) && status;
  });
  assert.equal(camera.ready, false);
  await until(`${name} is in the log`, 2_000, () => {
    return weir.log.split('\n').some((line) => line.includes(name) && reason.test(line));
  });
}

const CASES = {
  wrong: [['failed'], /refuses user viewer: check the password/],
  // Without the path: it may be the password.
  nowhere: [['failed', 'waiting'], /^(?!.*no-such-stream).*404/],
  refused: [['waiting', 'connecting'], /refuses the connection/i],
  audio: [['failed'], /no video/],
};

for (const [name, [states, reason]] of Object.entries(CASES)) {
  test(`the state of camera "${name}" has its reason`, () => notPlaying(name, states, reason));
}

test('no password is in the log or in the answers', async () => {
  const seen = weir.log + JSON.stringify(await weir.json('/api/cameras'));
  for (const password of [DIGEST.password, BASIC.password, WRONG]) {
    assert.ok(!seen.includes(password), password);
  }
});
