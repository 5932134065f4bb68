// Two hosts on one cable: this process's own namespace, and one for weir. Run the test file under
// `unshare`.

import { assertAlone, openNamespace, run } from './alone.mjs';

/** This host's address, and weir's. */
export const LAN = '10.81.18.2';
export const WEIR = '10.81.18.1';

/** The host that weir runs on, at the end `eth0` of the cable. */
export class WeirHost {
  static async open() {
    assertAlone();
    const host = Object.assign(new WeirHost(), await openNamespace());
    const { pid } = host.keeper;
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
    run('ip', 'address', 'add', `${LAN}/24`, 'dev', 'lan');
    run('ip', 'link', 'set', 'lan', 'up');
    host.run('ip', 'link', 'set', 'lo', 'up');
    host.run('ip', 'address', 'add', `${WEIR}/24`, 'dev', 'eth0');
    host.run('ip', 'link', 'set', 'eth0', 'up');
    return host;
  }

  /** Runs a program there and returns what it said. */
  run(...command) {
    return run(...this.command, ...command);
  }

  close() {
    this.keeper.kill();
  }
}

/** Chromium picks its address by the route to the world; groups are sent there too. */
export function routeByWeir() {
  run('ip', 'route', 'add', 'default', 'via', WEIR);
}
