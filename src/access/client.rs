//! Which addresses count as one client, wherever clients are counted: failed logins, passwords that
//! wait, connections, offers, sessions.
//!
//! A host on one of this box's own networks counts by its whole address, since all hosts of a LAN
//! share its /64. A host elsewhere may have a /64 to itself and as many addresses in it as it
//! likes, so it counts by the /64. An IPv4 address counts as it is, also one mapped into IPv6.
//!
//! The box's networks are read again every [`OWN_NETWORKS_LOOK_US`], since routers announce new
//! prefixes. At most [`OWN_NETWORKS_MAX`] of them are used.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::limits::{OWN_NETWORKS_LOOK_US, OWN_NETWORKS_MAX};
use crate::net::interfaces::{self, prefix};

/// The key that a client at `ip` is counted by; `now_us` is [`crate::clock::now_us`]. Two addresses
/// with the same key count as one client.
///
/// Keep the key with what is counted: a later call may give another, as networks come and go.
pub fn key(ip: IpAddr, now_us: u64) -> IpAddr {
    static OWN: Mutex<OwnNetworks> = Mutex::new(OwnNetworks::new());
    OWN.lock().unwrap_or_else(PoisonError::into_inner).key(ip, now_us)
}

/// The client that sent a request, as far as addresses tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Its address: the one that a proxy of `[http] proxies` names, else its connection's.
    pub ip: IpAddr,
    /// The [`key`] of that address.
    pub key: IpAddr,
    /// Distinguishes it from other clients on its connection's address, where a proxy of this
    /// machine passes it on that is not believed. The client may have made it up, and may have as
    /// many as it likes.
    forwarded: Option<IpAddr>,
}

impl Sender {
    /// The sender at this address, which has this [`key`].
    pub fn new(ip: IpAddr, key: IpAddr) -> Self {
        Self { ip, key, forwarded: None }
    }

    /// The same sender, passed on by a proxy that is not believed; `stand_in` distinguishes it from
    /// other clients of that proxy.
    #[must_use]
    pub fn forwarded(self, stand_in: Option<IpAddr>) -> Self {
        Self { forwarded: stand_in, ..self }
    }

    /// The address that its tries at a password or a token are counted by.
    pub(super) fn tries_key(&self) -> IpAddr {
        self.forwarded.unwrap_or(self.key)
    }

    /// Whether [`Sender::tries_key`] may be made up by the client.
    pub(super) fn is_forwarded(&self) -> bool {
        self.forwarded.is_some()
    }
}

/// The /64 of each IPv6 address of this box, as last read.
struct OwnNetworks {
    looked_us: Option<u64>,
    prefixes: heapless::Vec<u64, OWN_NETWORKS_MAX>,
}

impl OwnNetworks {
    const fn new() -> Self {
        Self { looked_us: None, prefixes: heapless::Vec::new() }
    }

    fn key(&mut self, ip: IpAddr, now_us: u64) -> IpAddr {
        let IpAddr::V6(ip) = ip.to_canonical() else { return ip.to_canonical() };
        let is_old =
            self.looked_us.is_none_or(|looked_us| now_us >= looked_us + OWN_NETWORKS_LOOK_US);
        if is_old {
            self.looked_us = Some(now_us);
            self.prefixes = interfaces::networks();
        }
        key_among(ip, &self.prefixes).into()
    }
}

/// The key of `ip` on a box that has the networks `own`.
fn key_among(ip: Ipv6Addr, own: &[u64]) -> Ipv6Addr {
    let is_on_link = ip.is_loopback() || ip.is_unicast_link_local() || own.contains(&prefix(ip));
    if is_on_link { ip } else { Ipv6Addr::from_bits(u128::from(prefix(ip)) << 64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn hosts_of_the_boxs_own_networks_count_one_by_one_and_others_by_their_64() {
        let own = [prefix(v6("fd00:1::7")), prefix(v6("2001:db8:0:5::7"))];
        for (ip, expected) in [
            ("fe80::1", "fe80::1"),
            ("fe80::2:3:4:5", "fe80::2:3:4:5"),
            ("fd00:1::9", "fd00:1::9"),
            ("2001:db8:0:5:a:b:c:d", "2001:db8:0:5:a:b:c:d"),
            ("::1", "::1"),
            ("2001:db8:0:6::1", "2001:db8:0:6::"),
            ("2001:db8:0:6:a:b:c:d", "2001:db8:0:6::"),
            ("fd00:2::1", "fd00:2::"),
            ("fec0::1", "fec0::"),
        ] {
            assert_eq!(key_among(v6(ip), &own), v6(expected), "{ip}");
        }
    }

    #[test]
    fn ipv4_counts_as_it_is_mapped_or_not() {
        for text in ["192.0.2.1", "::ffff:192.0.2.1"] {
            let ip: IpAddr = text.parse().expect("an address");
            assert_eq!(key(ip, 0), IpAddr::from([192, 0, 2, 1]));
        }
    }

    #[test]
    fn the_networks_are_looked_at_again() {
        let mut own = OwnNetworks::new();
        let far = IpAddr::from(v6("2001:db8:0:6::1"));
        own.key(far, 5);
        let planted = prefix(v6("2001:db8:0:6::7"));
        own.prefixes = heapless::Vec::from_slice(&[planted]).expect("room for one");
        assert_eq!(own.key(far, 4 + OWN_NETWORKS_LOOK_US), far, "what was found is used");
        let network = IpAddr::from(v6("2001:db8:0:6::"));
        assert_eq!(own.key(far, 5 + OWN_NETWORKS_LOOK_US), network, "and then looked for again");
    }
}
