//! Bounds of what is read from the system's own files and from DNS.

use super::{CAMERAS_DIALLED_MAX, HTTP_PLACELESS_SOCKETS_MAX, HTTP_SOCKETS_MAX, KIB, PROFILE};

/// Bytes that are read of `/etc/passwd` and of `/etc/group`.
pub const USER_DATABASE_BYTES_MAX: u64 = 256 * KIB as u64;
/// Groups of a user that are kept.
pub const USER_GROUPS_MAX: usize = 32;

/// Addresses of a camera's name that are tried.
pub const NAME_ADDRESSES_MAX: usize = 4;
/// DNS servers that are asked (resolv.conf(5)).
pub const NAME_SERVERS_MAX: usize = 3;
/// Domains that a name is looked up in (resolv.conf(5)).
pub const NAME_DOMAINS_MAX: usize = 6;
/// Bytes of an answer of a DNS server, by UDP without EDNS (RFC 1035 section 2.3.4): room for 20
/// addresses of one name and more. A truncated answer is not asked for again.
pub const NAME_ANSWER_BYTES_MAX: usize = 512;
/// Datagrams that are read per question to a server; the right one is among the first two.
pub const NAME_DATAGRAMS_MAX: usize = 16;
/// With addresses of one kind (IPv4 or IPv6), how long the answer about the other kind is waited
/// for; home routers omit the one about IPv6.
pub const NAME_OTHER_KIND_MS: u64 = 300;
/// The same wait once it is known that there are no addresses of one kind.
pub const NAME_ONLY_KIND_MS: u64 = 1_000;
/// How long one of a camera's addresses is tried before the next is tried too (RFC 8305 section 5).
pub const NAME_NEXT_ADDRESS_MS: u64 = 250;
/// Bytes that are read of `/etc/hosts` and of `/etc/resolv.conf`.
pub const HOSTS_BYTES_MAX: u64 = 16 * KIB as u64;

/// Network interfaces that `/api/status` and the console show, and the most addresses of each.
pub const LINKS_MAX: usize = 16;
/// Disks of which `/metrics`, `/api/status` and the console say what they were written.
pub const DISKS_MAX: usize = 8;
/// Networks of this box in which a client is counted by its whole IPv6 address; 8 bytes each. In
/// further networks all hosts of a /64 are counted together.
pub const OWN_NETWORKS_MAX: usize = 32;
/// Microseconds between two looks at those networks: one question to the kernel.
pub const OWN_NETWORKS_LOOK_US: u64 = 5_000_000;
/// Bytes that are read of a table in `/proc/self/net`.
pub const NET_FILE_BYTES_MAX: u64 = 64 * KIB as u64;

/// Files that are open at once, at most: five sockets of each camera by UDP with sound, the two
/// ends within weir and the connection of each encrypted or tunnelled one, those of dials, of HTTP,
/// and 64 for everything else: the media socket, listeners, consoles, DNS, files that are read.
pub const OPEN_FILES_MAX: u64 = (5 * PROFILE.cameras
    + 3 * PROFILE.bridged_cameras
    + 5 * CAMERAS_DIALLED_MAX
    + HTTP_SOCKETS_MAX
    + HTTP_PLACELESS_SOCKETS_MAX
    + 64) as u64;
