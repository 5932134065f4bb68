//! What is read of the system's own files, and names of cameras.

use super::KIB;

/// What is read of `/etc/passwd` and of `/etc/group`.
pub const USER_DATABASE_BYTES_MAX: u64 = 256 * KIB as u64;
/// Groups that a user's membership is kept in.
pub const USER_GROUPS_MAX: usize = 32;

/// Addresses that are tried of a camera's name.
pub const NAME_ADDRESSES_MAX: usize = 4;
/// DNS servers that are asked, and domains that a name is looked for in (resolv.conf(5)).
pub const NAME_SERVERS_MAX: usize = 3;
/// See [`NAME_SERVERS_MAX`].
pub const NAME_DOMAINS_MAX: usize = 6;
/// What is read of `/etc/hosts` and of `/etc/resolv.conf`.
pub const HOSTS_BYTES_MAX: u64 = 16 * KIB as u64;

/// Network interfaces that `/api/status` and the console show, and addresses of each.
pub const LINKS_MAX: usize = 16;
/// What is read of a table in `/proc/self/net`.
pub const NET_FILE_BYTES_MAX: u64 = 64 * KIB as u64;
