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
/// An answer of a DNS server, by UDP and without EDNS (RFC 1035 section 2.3.4): 20 addresses of one
/// name and more. What is cut off is not asked for again.
pub const NAME_ANSWER_BYTES_MAX: usize = 512;
/// Datagrams read while one server is asked; a right one is among the first two.
pub const NAME_DATAGRAMS_MAX: usize = 16;
/// How long the answer about the other kind of address is waited for once there are some of one
/// kind; home routers leave the one about IPv6 out.
pub const NAME_OTHER_KIND_MS: u64 = 300;
/// The same once it is known that there are none of one kind.
pub const NAME_ONLY_KIND_MS: u64 = 1_000;
/// How long one of a camera's addresses is tried before the next is tried too (RFC 8305 section 5).
pub const NAME_NEXT_ADDRESS_MS: u64 = 250;
/// What is read of `/etc/hosts` and of `/etc/resolv.conf`.
pub const HOSTS_BYTES_MAX: u64 = 16 * KIB as u64;

/// Network interfaces that `/api/status` and the console show, and addresses of each.
pub const LINKS_MAX: usize = 16;
/// Networks of this box in which a client counts by its whole IPv6 address; 8 bytes each. In
/// further ones hosts count by their /64, together.
pub const OWN_NETWORKS_MAX: usize = 32;
/// Between two looks at them: one question to the kernel.
pub const OWN_NETWORKS_LOOK_US: u64 = 5_000_000;
/// What is read of a table in `/proc/self/net`.
pub const NET_FILE_BYTES_MAX: u64 = 64 * KIB as u64;
