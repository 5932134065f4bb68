// The server under test, as a child process with a configuration of its own on free ports.
// $WEIR_BINARY says which; its log is printed when the test file fails.

import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const WEIR_BINARY =
  process.env.WEIR_BINARY ??
  fileURLToPath(new URL('../../target/testing/weir', import.meta.url));

/** Asks `probe` until it answers with something true, which is returned. */
export async function until(what, limitMs, probe) {
  const deadline = Date.now() + limitMs;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what} (last: ${last})`);
    await sleep(50);
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * A port that nobody listens on, below those that the kernel gives to connections: between the look
 * and its use, a browser's connection cannot take it. Each is for one caller, and test processes that
 * run at once look in places of their own.
 */
const [FIRST_PORT, PORTS] = [10_000, 22_000];
let nextPort = (process.pid * 677) % PORTS;
async function freePort(listen) {
  for (;;) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    if (await new Promise((done) => listen(port, done))) return port;
  }
}

export const freeTcpPort = () =>
  freePort((port, done) => {
    const server = createServer().on('error', () => done(false));
    server.listen(port, () => server.close(() => done(true)));
  });

export const freeUdpPort = () =>
  freePort((port, done) => {
    const socket = createSocket('udp6').on('error', () => done(false));
    socket.bind(port, () => socket.close(() => done(true)));
  });

// A JSON string is a TOML basic string; so are its numbers, booleans and arrays of strings.
const assignments = (table) =>
  Object.entries(table)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');

const sections = (name, tables) =>
  tables.map((table) => `[[${name}]]\n${assignments(table)}`).join('');

function configText(config, ports) {
  const { cameras, http = {}, webrtc = {}, https, diagnostics = {} } = config;
  const { console: cable, users = [], tokens = [] } = config;
  const figures = { listen: `127.0.0.1:${ports.diagnostics}`, ...diagnostics };
  const encrypted = { listen: `[::]:${ports.https}`, ...https };
  return (
    'config_version = 1\n' +
    `[http]\n${assignments({ listen: `[::]:${ports.http}`, ...http })}` +
    (https ? `[https]\n${assignments(encrypted)}` : '') +
    `[webrtc]\n${assignments({ listen: `[::]:${ports.media}`, ...webrtc })}` +
    `[diagnostics]\n${assignments(figures)}` +
    (cable ? `[console]\n${assignments(cable)}` : '') +
    sections('user', users) +
    sections('token', tokens) +
    sections('camera', cameras)
  );
}

class Weir {
  constructor(args, { ports, host = '127.0.0.1', command = [], folder }) {
    Object.assign(this, { args, ports, command, folder, log: '' });
    this.http = `http://${host}:${ports.http}`;
    this.https = `https://${host}:${ports.https}`;
    process.on('exit', (code) => {
      this.child?.kill('SIGKILL');
      if (code !== 0) console.error(`--- weir's log\n${this.log.slice(-8000)}---`);
    });
  }

  /** Starts the process and waits for its /healthz; again after a kill. */
  async start() {
    const [program, ...args] = [...this.command, WEIR_BINARY, ...this.args];
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (bytes) => (this.log += bytes));
    }
    this.ended = new Promise((done) => {
      this.child.on('exit', (code, signal) => done(signal ?? code));
      this.child.on('error', (error) => done(error.message));
    });
    const healthy = until('weir answers /healthz', 15_000, async () => {
      return (await fetch(`${this.http}/healthz`)).ok;
    });
    const early = this.ended.then((how) => {
      throw new Error(`weir ended at its start (${how}): ${this.log}`);
    });
    await Promise.race([healthy, early]);
    return this;
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    return this.ended;
  }

  async stop() {
    const killer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.kill('SIGTERM');
    clearTimeout(killer);
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }

  async json(path) {
    const answer = await fetch(this.http + path, { headers: this.headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  /** One camera as /api/cameras has it. */
  async camera(name) {
    const { cameras } = await this.json('/api/cameras');
    return cameras.find((camera) => camera.name === name);
  }

  /** Waits for a camera that viewers may join. */
  ready(name, limitMs = 15_000) {
    return until(`camera ${name} is ready`, limitMs, async () => {
      const camera = await this.camera(name);
      return camera?.state === 'playing' && camera.ready && camera;
    });
  }

  async sessions() {
    const { said } = await this.console('sessions', '--json');
    return JSON.parse(said).sessions;
  }

  /** Asks the console of this machine for one thing: whether it was done, and what it says. */
  async console(...words) {
    const socket = connect(join(this.folder, 'weir-console'));
    socket.write(`${JSON.stringify(words)}\n`);
    const [said, sign] = (await text(socket)).split('\0');
    return { isDone: sign === '0', said };
  }

  /** Access units that weir received of a camera. */
  frames(camera) {
    return this.metric(`weir_camera_frames_total{camera="${camera}"}`);
  }

  /** The text of /metrics; of a weir in another namespace by somebody in there. */
  async metrics() {
    const url = `http://127.0.0.1:${this.ports.diagnostics}/metrics`;
    if (this.command.length === 0) return (await fetch(url)).text();
    const get = `fetch('${url}').then((answer) => answer.text()).then((text) => console.log(text))`;
    const [program, ...args] = [...this.command, process.execPath, '-e', get];
    return (await promisify(execFile)(program, args)).stdout;
  }

  /** A gauge or counter, with its labels if it has some, from the diagnostics port. */
  async metric(name) {
    const page = await this.metrics();
    const line = page.split('\n').find((text) => text.startsWith(`${name} `));
    if (!line) throw new Error(`no metric ${name}`);
    return Number(line.slice(name.length));
  }
}

/** `weir run` with these cameras, users and tokens, and these further tables. */
export async function startWeir({ ports, host, command, ...config }) {
  ports ??= {
    http: await freeTcpPort(),
    https: await freeTcpPort(),
    media: await freeUdpPort(),
    diagnostics: await freeTcpPort(),
  };
  const folder = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const path = join(folder, 'weir.toml');
  writeFileSync(path, configText(config, ports));
  return new Weir(['run', '--config', path], { ports, host, command, folder }).start();
}

/** The ports that `weir demo` always has. */
export const DEFAULT_PORTS = { http: 8117, https: 8443, media: 8118, diagnostics: 9999 };

/** `weir demo`, by another program where one is named. */
export async function startDemo(command) {
  return new Weir(['demo'], { ports: DEFAULT_PORTS, command }).start();
}
