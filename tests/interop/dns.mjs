// DNS for the tests: dnsmasq at port 53 of this namespace's loopback, and a program that asks there.

import { spawn } from 'node:child_process';

/** Knows these hosts, each with its addresses, and no other name of `.lan`. */
export function startDns(hosts) {
  const records = Object.entries(hosts).flatMap(([name, addresses]) =>
    addresses.map((address) => `--host-record=${name},${address}`),
  );
  return spawn(
    'dnsmasq',
    ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--user=root',
      '--pid-file', '--listen-address=127.0.0.1', '--bind-interfaces', '--local=/lan/', ...records],
    { stdio: 'inherit' },
  );
}

/** Runs a program, and no other, with this file as its /etc/resolv.conf. */
export function underResolver(resolvConf) {
  const mounted = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$0" "$@"`;
  return ['unshare', '-m', 'sh', '-c', mounted];
}
