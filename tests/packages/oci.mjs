// The OCI image as others see it: skopeo reads its layout and its archive for docker, umoci unpacks
// it, runc runs it, and a browser shows its camera. Run as root, `unshare -n node --test tests/packages/oci.mjs`: it has a
// network of its own. $WEIR_BINARY is the static program that is put in.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
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

let lan, image, archive, bundle, cameras, weir, browser;

/** Makes the image of a version: the names of its archive for docker and of its layout. */
function make(version) {
  const words = ['--version', version, '--docker-archive', WEIR_BINARY];
  const [archive, layout] = run(script('../../scripts/oci'), ...words).trim().split('\n');
  return { archive, image: `${layout}:${version}-amd64` };
}

/** Makes the image of a version and unpacks it; its names and where it is. */
function unpack(version) {
  const { archive, image } = make(version);
  const bundle = join(folder, version);
  run('umoci', 'unpack', '--image', image, bundle);
  return { archive, image, bundle };
}

const tags = (archive) =>
  JSON.parse(run('skopeo', 'list-tags', `docker-archive:${archive}`)).Tags;

const inspected = (...args) => JSON.parse(run('skopeo', 'inspect', ...args));

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
  ({ image, archive, bundle } = unpack('1.2.3'));
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
  const about = inspected(`oci:${image}`);
  assert.equal(about.Architecture, 'amd64');
  assert.equal(about.Layers.length, 1);
  assert.equal(about.Labels['org.opencontainers.image.version'], '1.2.3');
  const { config } = inspected('--config', `oci:${image}`);
  assert.equal(config.User, '65532:65532');
  assert.ok(config.ExposedPorts['8118/udp']);
});

test('the archive for docker is the same image under its tag, with the ports of the deployment', (t) => {
  const name = `docker-archive:${archive}`;
  assert.deepEqual(tags(archive), ['weir:1.2.3']);
  const about = inspected(name);
  t.diagnostic(JSON.stringify(about));
  assert.equal(`${about.Os}/${about.Architecture}`, 'linux/amd64');
  const described = inspected('--config', name);
  assert.deepEqual(described, inspected('--config', `oci:${image}`));
  const ports = Object.keys(described.config.ExposedPorts).sort();
  assert.deepEqual(ports, ['8117/tcp', '8118/udp', '8443/tcp', '9999/tcp']);
  assert.deepEqual(about.Layers, described.rootfs.diff_ids, 'a layer that is not packed');
});

test('the files of its archive are those of the layout', () => {
  const copy = join(folder, 'copy');
  run('skopeo', 'copy', '--quiet', `docker-archive:${archive}`, `oci:${copy}:copy`);
  const bundle = join(folder, 'copied');
  run('umoci', 'unpack', '--image', `${copy}:copy`, bundle);
  const [files, expected] = [bundle, join(folder, '1.2.3')].map((unpacked) =>
    readdirSync(join(unpacked, 'rootfs'), { recursive: true, withFileTypes: true })
      .map((file) => join(file.parentPath ?? file.path, file.name))
      .map((path) => [path.slice(unpacked.length), statSync(path)])
      .map(([path, { mode, size, uid, gid }]) => [path, mode, size, uid, gid]),
  );
  assert.ok(expected.length > 6);
  assert.deepEqual(files, expected);
  assert.equal(statSync(join(bundle, 'rootfs', 'var', 'lib', 'weir')).uid, 65532);
  const program = ['usr', 'bin', 'weir'];
  assert.deepEqual(readFileSync(join(bundle, 'rootfs', ...program)), readFileSync(WEIR_BINARY));
});

test('an archive is the same bytes of the same program', () => {
  const bytes = readFileSync(archive);
  assert.deepEqual(readFileSync(make('1.2.3').archive), bytes);
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
  assert.deepEqual([archive, newer.archive].map(tags), [['weir:1.2.3'], ['weir:1.2.4']]);
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
