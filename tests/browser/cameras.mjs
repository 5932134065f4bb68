// Cameras for the tests: GStreamer's RTSP server as a child process (../interop/camera.py).

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../interop/camera.py', import.meta.url));

/** A mount of 8 Mbit/s with a key frame of 650 KB each second. */
export const HEAVY = {
  width: 1280,
  height: 720,
  noise: '176x128',
  quantizer: 26,
  preset: 'ultrafast',
};

class CameraServer {
  /** Receiver reports that came, as GStreamer read them: their path, track, losses, and more. */
  reports = [];

  constructor(args) {
    this.args = args;
    this.port = 0;
    process.on('exit', () => this.child?.kill('SIGKILL'));
  }

  /** Starts the server and waits until it listens; on the same port after a kill. */
  async start() {
    const args = [SCRIPT, '--reports', '--port', String(this.port), ...this.args];
    this.child = spawn('/usr/bin/python3', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((done) => this.child.on('exit', done));
    let errors = '';
    this.child.stderr.on('data', (bytes) => (errors += bytes));
    const ready = new Promise((done) => {
      let text = '';
      this.child.stdout.on('data', (bytes) => {
        const lines = (text += bytes).split('\n');
        text = lines.pop();
        for (const line of lines) {
          const [, what, value] = /^(\w+) (.*)$/.exec(line) ?? [];
          if (what === 'ready') done(Number(value));
          if (what === 'report') this.reports.push(JSON.parse(value));
        }
      });
    });
    const port = await Promise.race([ready, this.ended]);
    if (this.child.exitCode !== null) throw new Error(`camera.py ended: ${errors}`);
    this.port = port;
    return this;
  }

  url(path, host = '127.0.0.1', scheme = 'rtsp') {
    return `${scheme}://${host}:${this.port}${path}`;
  }

  /** Without a goodbye, as a camera that loses its power. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/**
 * Serves mounts, each an object of camera.py's keys (path, profile, width, fps, gop, mtu, ...).
 * `auth` is `{ method: 'basic' | 'digest', user, password }`; `address` defaults to loopback. `tls` is
 * `{ certificate, key }`, two files, with which everything is encrypted.
 */
export function startCameras(mounts, { auth, address, tls } = {}) {
  const args = mounts.flatMap((mount) => [
    '--mount',
    Object.entries(mount)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  ]);
  if (auth) {
    args.push('--auth', auth.method, '--user', auth.user, '--password', auth.password);
  }
  if (tls) args.push('--certificate', tls.certificate, '--key', tls.key);
  if (address) args.push('--address', address);
  return new CameraServer(args).start();
}
