// Users of a weir.toml, as `weir password` writes their passwords.

import { pbkdf2Sync, randomBytes } from 'node:crypto';

export function passwordHash(password) {
  const salt = randomBytes(16);
  const hash = pbkdf2Sync(password, salt, 600_000, 32, 'sha256');
  return ['pbkdf2-sha256', 600_000, salt.toString('base64'), hash.toString('base64')].join('$');
}

/** An operator and a viewer with the same password. */
export const twoUsers = (password) => [
  { name: 'anna', role: 'operator', password: passwordHash(password) },
  { name: 'bert', role: 'viewer', password: passwordHash(password) },
];
