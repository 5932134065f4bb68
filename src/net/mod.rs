//! The sockets. UDP with what no safe crate offers together (GSO, `sendmmsg`, `recvmmsg`,
//! `IP_PKTINFO`), and the listening and dialling of TCP. With `mem` the only place for `unsafe`.
//!
//! An IPv4 address that the kernel shows mapped into IPv6 is unmapped before anyone sees it.

pub mod interfaces;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

/// `address` as IPv4 where it is IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a browser on another machine can send to `ip`.
pub fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_link_local(),
        // Link-local IPv6 needs a scope id, which a candidate cannot carry.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}
