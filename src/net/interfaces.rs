//! The addresses of this machine, as candidates for browsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::CANDIDATES_MAX;

/// Up to [`CANDIDATES_MAX`] addresses of interfaces that are up, without loopback and without
/// IPv6 link-local ones; IPv4 first.
pub fn addresses() -> heapless::Vec<IpAddr, CANDIDATES_MAX> {
    let mut found = heapless::Vec::<IpAddr, CANDIDATES_MAX>::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call writes one pointer, which is freed below and not used after that.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return found;
    }
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is a node of the list that getifaddrs made and that is not yet freed.
        let node = unsafe { &*entry };
        if let Some(ip) = usable(node)
            && !found.contains(&ip)
        {
            // More than the table holds are not offered: the first ones are the likely ones.
            let _ = found.push(ip);
        }
        entry = node.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(list) };
    found.sort_unstable_by_key(IpAddr::is_ipv6);
    found
}

/// The node's address, when its interface is up and browsers elsewhere could reach it.
fn usable(node: &libc::ifaddrs) -> Option<IpAddr> {
    let flags = i32::try_from(node.ifa_flags).unwrap_or(0);
    if node.ifa_addr.is_null() || flags & libc::IFF_UP == 0 || flags & libc::IFF_LOOPBACK != 0 {
        return None;
    }
    // SAFETY: a non-null `ifa_addr` points at a sockaddr of the family it names, which lives as
    // long as the list.
    let ip = unsafe {
        match i32::from((*node.ifa_addr).sa_family) {
            libc::AF_INET => {
                let address = &*node.ifa_addr.cast::<libc::sockaddr_in>();
                IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
            }
            libc::AF_INET6 => {
                let address = &*node.ifa_addr.cast::<libc::sockaddr_in6>();
                IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr))
            }
            _ => return None,
        }
    };
    super::is_reachable(ip).then_some(ip)
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
}
