// The OCI image as others see it: skopeo reads its layout, umoci unpacks it, runc runs it, and a
// browser shows its camera. Run as root, `unshare -n node --test tests/packages/oci.mjs`: it has a
// network of its own. $WEIR_BINARY is the static program that is put in.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { DEFAULT_PORTS, WEIR_BINARY, startWeir } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';

const script = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' });
const folder = mkdtempSync(join(tmpdir(), 'weir-oci-'));
process.env.WEIR_STATE = join(folder, 'state');
/** An address of this machine that is not loopback's: whoever asks it is a stranger. */
const ADDRESS = v4(254);

let lan, image, bundle, cameras, weir, browser;

/** Makes the image of a version and unpacks it; its name and where it is. */
function unpack(version) {
  const said = run(script('../../scripts/oci'), '--version', version, WEIR_BINARY).trim();
  const image = `${said.split('\n').at(-1)}:${version}-amd64`;
  const bundle = join(folder, version);
  run('umoci', 'unpack', '--image', image, bundle);
  return { image, bundle };
}

/** The fingerprint of the certificate that is shown at a port. */
const fingerprint = (port) =>
  new Promise((done, failed) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    }).on('error', failed);
  });

before(async () => {
  lan = await Lan.open();
  mkdirSync(process.env.WEIR_STATE);
  ({ image, bundle } = unpack('1.2.3'));
  cameras = await startCameras([{ path: '/gate' }]);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
  lan?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('skopeo finds in it what a registry wants to know', () => {
  const about = JSON.parse(run('skopeo', 'inspect', `oci:${image}`));
  assert.equal(about.Architecture, 'amd64');
  assert.equal(about.Layers.length, 1);
  assert.equal(about.Labels['org.opencontainers.image.version'], '1.2.3');
  const { config } = JSON.parse(run('skopeo', 'inspect', '--config', `oci:${image}`));
  assert.equal(config.User, '65532:65532');
  assert.ok(config.ExposedPorts['8118/udp']);
});

test('there is nothing in it but weir', () => {
  const files = readdirSync(join(bundle, 'rootfs'), { recursive: true, withFileTypes: true });
  const names = files.filter((file) => file.isFile()).map((file) => file.name);
  assert.deepEqual(names.sort(), ['weir', 'weir.toml']);
});

test('it plays, as nobody, and its figures are for those who have the token', async (t) => {
  const printed = run(WEIR_BINARY, 'token');
  const [, token] = /: (\S+)\n/.exec(printed);
  const [, tokenHash] = /hash = "(.+)"/.exec(printed);
  weir = await startWeir({
    cameras: [{ name: 'gate', url: cameras.url('/gate') }],
    ports: DEFAULT_PORTS,
    diagnostics: { listen: `[::]:${DEFAULT_PORTS.diagnostics}`, token_hash: tokenHash },
    command: [script('runc.mjs'), bundle],
  });
  await weir.ready('gate');
  const viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  t.after(() => viewer.close());
  await viewer.picture(5_000);
  await viewer.playing(5_000);
  const figures = `http://${ADDRESS}:${DEFAULT_PORTS.diagnostics}/metrics`;
  assert.equal((await fetch(figures)).status, 401);
  const known = await fetch(figures, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(known.status, 200);
});

test('an upgrade and a rollback keep what is in the volume', async () => {
  await weir.stop();
  const newer = unpack('1.2.4');
  const seen = [];
  for (const version of [bundle, newer.bundle, bundle]) {
    weir = await startWeir({
      cameras: [{ name: 'gate', url: cameras.url('/gate') }],
      ports: DEFAULT_PORTS,
      https: { tls: 'self-signed' },
      command: [script('runc.mjs'), version],
    });
    seen.push(await fingerprint(DEFAULT_PORTS.https));
    await weir.stop();
  }
  assert.match(seen[0], /^([0-9A-F]{2}:){31}/);
  assert.deepEqual(seen, [seen[0], seen[0], seen[0]]);
});
