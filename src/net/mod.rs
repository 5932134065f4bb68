//! Sockets: UDP with features that no single safe crate offers (GSO, `sendmmsg`, `recvmmsg`,
//! `IP_PKTINFO`), listening and connecting with TCP, the serial line, and a box's own addresses and
//! routes. Apart from `mem` and `process`, this is the only module with `unsafe`.
//!
//! IPv4 addresses that the kernel reports mapped into IPv6 are unmapped here, so no other module
//! sees them.

mod dns;
pub(crate) mod ending;
pub mod interfaces;
pub mod links;
pub mod names;
pub mod netlink;
pub mod reach;
pub mod serial;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

/// `address` as IPv4, if it is IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The names of this machine that are valid in a certificate and a URL: its host name, its mDNS
/// name, and `localhost`, which is always there and last.
pub fn host_names() -> Vec<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let mut names = Vec::new();
    // Linux allows at most 64 bytes, and so does a certificate's common name.
    if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && name != "localhost" {
        let label = name.split('.').next().unwrap_or(&name);
        names.push(format!("{label}.local"));
        names.insert(0, name);
    }
    names.push("localhost".to_owned());
    names
}

/// Whether a browser on another machine can send to `ip`: it is not unspecified, multicast or
/// link-local.
pub fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_link_local(),
        // Link-local IPv6 needs a scope ID, which an ICE candidate cannot contain.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}
