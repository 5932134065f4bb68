#!/usr/bin/env node
// usage: runc.mjs BUNDLE PROGRAM run --config FILE
// Runs an unpacked image's entry point by runc, on this machine's network, with a configuration from
// outside: the folder of FILE and the volume $WEIR_STATE are all of the machine that is to be seen.

import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';

const [bundle, , , , config] = process.argv.slice(2);
const folder = dirname(config);
const [path, unpacked] = ['config.json', 'unpacked.json'].map((name) => join(bundle, name));
if (!fs.existsSync(unpacked)) fs.copyFileSync(path, unpacked);
const spec = JSON.parse(fs.readFileSync(unpacked, 'utf8'));
// What the image says to run, with another configuration.
spec.process.args = spec.process.args.map((word) => (word.endsWith('.toml') ? config : word));
spec.process.terminal = false;
spec.root.readonly = true;
spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
spec.mounts.push({ destination: folder, type: 'bind', source: folder, options: ['bind', 'ro'] });
const volume = { destination: '/var/lib/weir', type: 'bind', source: process.env.WEIR_STATE };
spec.mounts.push({ ...volume, options: ['bind', 'nosuid', 'nodev'] });
fs.writeFileSync(path, JSON.stringify(spec));
// The image's user is nobody here; the volume is his.
const { uid, gid } = spec.process.user;
fs.chownSync(process.env.WEIR_STATE, uid, gid);
fs.chmodSync(folder, 0o755);
fs.chmodSync(config, 0o644);

const child = spawn('runc', ['run', '--bundle', bundle, `weir-${process.pid}`], {
  stdio: 'inherit',
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
