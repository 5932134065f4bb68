//! This machine's network interfaces and addresses, for ICE candidates.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::{CANDIDATES_MAX, OWN_NETWORKS_MAX};

/// An interface with one of its addresses, or without an IP address.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) name: String,
    /// One of `up`, `no carrier` and `down`.
    pub(super) state: &'static str,
    pub(super) is_loopback: bool,
    pub(super) address: Option<IpAddr>,
}

/// Up to [`CANDIDATES_MAX`] addresses of interfaces that are up, IPv4 first. Loopback and
/// link-local addresses are left out.
pub fn addresses() -> heapless::Vec<IpAddr, CANDIDATES_MAX> {
    let mut found = heapless::Vec::<IpAddr, CANDIDATES_MAX>::new();
    each(|interface| {
        let is_usable = interface.state != "down" && !interface.is_loopback;
        if let Some(ip) = interface.address.filter(|ip| is_usable && super::is_reachable(*ip))
            && !found.contains(&ip)
        {
            // Further addresses are not offered; the first ones are the most likely to work.
            let _ = found.push(ip);
        }
    });
    found.sort_unstable_by_key(IpAddr::is_ipv6);
    found
}

/// The /64 prefix ([`prefix`]) of each IPv6 address of an interface, up to [`OWN_NETWORKS_MAX`] of
/// them. Hosts on the same link share it if they form their own addresses (RFC 4862). Loopback is
/// left out, and so are link-local addresses, which are on a link by definition.
pub fn networks() -> heapless::Vec<u64, OWN_NETWORKS_MAX> {
    let mut found = heapless::Vec::<u64, OWN_NETWORKS_MAX>::new();
    each(|interface| {
        if let Some(IpAddr::V6(ip)) = interface.address
            && !interface.is_loopback
            && !ip.is_unicast_link_local()
            && !found.contains(&prefix(ip))
        {
            // The hosts of a network beyond the bound count together, as those of foreign networks
            // do.
            let _ = found.push(prefix(ip));
        }
    });
    found
}

/// The first 64 bits of an IPv6 address.
pub fn prefix(ip: Ipv6Addr) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = ip.octets();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The index of the interface with this name.
pub(super) fn index(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the call reads a string that ends, and keeps nothing of it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index > 0).then_some(index)
}

/// Calls `show` for every interface, once per IP address and once without one.
pub(super) fn each(mut show: impl FnMut(&Interface)) {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call writes one pointer, which is freed below and not used after that.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return;
    }
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is a node of the list that getifaddrs made and that is not yet freed.
        let node = unsafe { &*entry };
        show(&interface(node));
        entry = node.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(list) };
}

fn interface(node: &libc::ifaddrs) -> Interface {
    let flags = i32::try_from(node.ifa_flags).unwrap_or(0);
    let has = |flag: libc::c_int| flags & flag != 0;
    let state = match (has(libc::IFF_UP), has(libc::IFF_RUNNING)) {
        (true, true) => "up",
        (true, false) => "no carrier",
        (false, _) => "down",
    };
    // SAFETY: the name ends with a zero and lives as long as the list.
    let name = unsafe { CStr::from_ptr(node.ifa_name) };
    Interface {
        name: name.to_string_lossy().into_owned(),
        state,
        is_loopback: has(libc::IFF_LOOPBACK),
        address: address(node),
    }
}

fn address(node: &libc::ifaddrs) -> Option<IpAddr> {
    if node.ifa_addr.is_null() {
        return None;
    }
    // SAFETY: a non-null `ifa_addr` points at a sockaddr of the family it names, which lives as
    // long as the list.
    unsafe {
        match i32::from((*node.ifa_addr).sa_family) {
            libc::AF_INET => {
                let address = &*node.ifa_addr.cast::<libc::sockaddr_in>();
                Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))))
            }
            libc::AF_INET6 => {
                let address = &*node.ifa_addr.cast::<libc::sockaddr_in6>();
                Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loopback_and_no_duplicates() {
        let found = addresses();
        for (index, ip) in found.iter().enumerate() {
            assert!(!ip.is_loopback());
            assert!(!found[..index].contains(ip));
        }
    }

    #[test]
    fn each_address_of_ours_is_in_a_network_of_ours() {
        let networks = networks();
        for (index, network) in networks.iter().enumerate() {
            assert!(!networks[..index].contains(network));
        }
        for ip in addresses() {
            let IpAddr::V6(ip) = ip else { continue };
            assert!(networks.contains(&prefix(ip)) || networks.is_full(), "{ip}");
        }
    }

    #[test]
    fn a_prefix_is_the_first_half() {
        let ip: Ipv6Addr = "2001:db8:1:2:3:4:5:6".parse().expect("an address");
        assert_eq!(prefix(ip), 0x2001_0db8_0001_0002);
    }
}
