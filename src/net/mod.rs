//! The sockets. UDP with what no safe crate offers together (GSO, `sendmmsg`, `recvmmsg`,
//! `IP_PKTINFO`), the listening and dialling of TCP, and the serial line. With `mem` the only place
//! for `unsafe`.
//!
//! An IPv4 address that the kernel shows mapped into IPv6 is unmapped before anyone sees it.

mod dns;
pub(crate) mod ending;
pub mod interfaces;
pub mod links;
pub mod names;
pub mod reach;
pub mod serial;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

/// `address` as IPv4 where it is IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What the box is called, as far as that can stand in a certificate and a URL: its name, the
/// one it has by mDNS, and `localhost`, which is last and always there.
pub fn host_names() -> Vec<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let mut names = Vec::new();
    // 64 bytes are what Linux allows, and a certificate in its common name.
    if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && name != "localhost" {
        let label = name.split('.').next().unwrap_or(&name);
        names.push(format!("{label}.local"));
        names.insert(0, name);
    }
    names.push("localhost".to_owned());
    names
}

/// Whether a browser on another machine can send to `ip`.
pub fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_link_local(),
        // Link-local IPv6 needs a scope id, which a candidate cannot carry.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}
