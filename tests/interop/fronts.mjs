// Reverse proxies in front of a weir, each as a process of its own with a configuration of its own.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { freeTcpPort, until } from '../browser/weir.mjs';

/** A certificate for this machine, and what HAProxy wants: certificate and key in one file. */
async function certificate(folder) {
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const { stdout } = await promisify(execFile)('openssl', [
    ...made, '-days', '30', ...subject, '-keyout', key, '-out', cert,
  ]);
  await promisify(execFile)('sh', ['-c', `cat ${cert} ${key} > ${join(folder, 'both.pem')}`]);
  return { cert, key, stdout };
}

// What each is told: `to` is weir's address, `headers` whether it says for whom it asks.
const FRONTS = {
  nginx({ folder, port, to, tls, headers, path = '/', below = '', upstream = 'http' }) {
    const listen = tls
      ? `listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;`
      : `listen 127.0.0.1:${port};`;
    const told = `proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;`;
    const text = `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  server {
    ${listen}
    location ${path} { proxy_pass ${upstream}://${to}${below}; ${headers ? told : ''} }
  }
}`;
    return { file: 'nginx.conf', text, command: ['nginx', '-c', `${folder}/nginx.conf`, '-e', `${folder}/error.log`] };
  },

  haproxy({ folder, port, to, tls, headers }) {
    const bind = `bind 127.0.0.1:${port}${tls ? ` ssl crt ${folder}/both.pem` : ''}`;
    const told = `option forwardfor
  http-request set-header X-Forwarded-Proto ${tls ? 'https' : 'http'}`;
    const text = `defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend web
  ${bind}
  ${headers ? told : ''}
  default_backend weir
backend weir
  server weir ${to}
`;
    return { file: 'haproxy.cfg', text, command: ['haproxy', '-db', '-f', `${folder}/haproxy.cfg`] };
  },

  // It says for whom it asks whether it is told to or not.
  caddy({ folder, port, to, tls }) {
    const site = `${tls ? 'https' : 'http'}://localhost:${port}, ${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const text = `{
  admin off
  auto_https disable_redirects
}
${site} {
  bind 127.0.0.1
  ${tls ? `tls ${folder}/cert.pem ${folder}/key.pem` : ''}
  reverse_proxy ${to}
}
`;
    return { file: 'Caddyfile', text, command: ['caddy', 'run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'] };
  },
};

/** Starts `name` in front of the weir at `to`; `url` is where it is asked. */
export async function startFront(name, options) {
  const folder = mkdtempSync(join(tmpdir(), `weir-${name}-`));
  mkdirSync(join(folder, 'home'));
  await certificate(folder);
  const port = await freeTcpPort();
  const { file, text, command } = FRONTS[name]({ folder, port, ...options });
  writeFileSync(join(folder, file), text);
  const env = { ...process.env, HOME: join(folder, 'home'), XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const child = spawn(command[0], command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (log += bytes));
  const ended = new Promise((done) => child.on('exit', done));
  const killer = () => child.kill('SIGKILL');
  process.on('exit', killer);
  const listens = () =>
    new Promise((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      socket.unref();
      setTimeout(() => socket.destroy(), 100);
    });
  await until(`${name} listens`, 15_000, listens).catch((error) => {
    child.kill('SIGKILL');
    throw new Error(`${error}\n${text}\n${log}`);
  });
  return {
    url: `${options.tls ? 'https' : 'http'}://localhost:${port}`,
    port,
    async stop() {
      child.kill('SIGTERM');
      const killed = setTimeout(killer, 5_000);
      await ended;
      clearTimeout(killed);
      process.off('exit', killer);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
