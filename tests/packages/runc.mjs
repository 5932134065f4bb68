#!/usr/bin/env node
// usage: runc.mjs BUNDLE PROGRAM run --config FILE
// Runs an unpacked image's entry point by runc, on this machine's network, with a configuration from
// outside: the folder of FILE is all of the machine that is to be seen in there.

import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [bundle, , , , config] = process.argv.slice(2);
const folder = dirname(config);
const path = join(bundle, 'config.json');
const spec = JSON.parse(readFileSync(path, 'utf8'));
// What the image says to run, with another configuration.
spec.process.args = spec.process.args.map((word) => (word.endsWith('.toml') ? config : word));
spec.process.terminal = false;
spec.root.readonly = true;
spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
spec.mounts.push({ destination: folder, type: 'bind', source: folder, options: ['bind', 'ro'] });
const state = { destination: '/var/lib/weir', type: 'tmpfs', source: 'tmpfs' };
const { uid, gid } = spec.process.user;
spec.mounts.push({ ...state, options: ['nosuid', 'nodev', `uid=${uid}`, `gid=${gid}`, 'mode=0700'] });
writeFileSync(path, JSON.stringify(spec));
// The image's user is nobody here.
chmodSync(folder, 0o755);
chmodSync(config, 0o644);

const child = spawn('runc', ['run', '--bundle', bundle, `weir-${process.pid}`], {
  stdio: 'inherit',
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
