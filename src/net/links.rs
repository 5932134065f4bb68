//! The network interfaces of this process's namespace: cable state, addresses, and counters with
//! the packets that the kernel dropped. Read from `getifaddrs` and `/proc/self/net`. At most
//! [`LINKS_MAX`] interfaces.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

use super::interfaces;
use crate::limits::{LINKS_MAX, NET_FILE_BYTES_MAX};

/// A network interface, as the status report shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Link {
    /// Its name, for example `eth0`.
    pub name: String,
    /// `up`, `no carrier` (no cable, or the other end is off) or `down` (disabled).
    pub state: &'static str,
    /// Its addresses, including link-local ones.
    pub addresses: Vec<IpAddr>,
    /// Traffic received since the interface exists.
    pub received: Traffic,
    /// Traffic sent since the interface exists.
    pub sent: Traffic,
}

/// Counters of one direction, as in `/proc/self/net/dev`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Bytes that were transferred.
    pub bytes: u64,
    /// Packets that were transferred.
    pub packets: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets that the kernel dropped.
    pub dropped: u64,
}

/// All interfaces in the kernel's order, including loopback.
pub fn all() -> Vec<Link> {
    let counters = text("dev");
    let mut links: Vec<Link> = Vec::new();
    interfaces::each(|interface| {
        let index = links.iter().position(|link| link.name == interface.name);
        let index = index.unwrap_or_else(|| {
            if links.len() < LINKS_MAX {
                let (received, sent) = traffic(&counters, &interface.name).unwrap_or_default();
                let (name, state) = (interface.name.clone(), interface.state);
                links.push(Link { name, state, addresses: Vec::new(), received, sent });
            }
            links.len() - 1
        });
        // An interface beyond the bound has no entry.
        if let Some(link) = links.get_mut(index).filter(|link| link.name == interface.name)
            && let Some(address) = interface.address
            && link.addresses.len() < LINKS_MAX
        {
            link.addresses.push(address);
        }
    });
    links
}

/// Datagrams that the kernel dropped because the receive buffers of this port's sockets were full.
pub fn udp_dropped(port: u16) -> u64 {
    ["udp", "udp6"].iter().map(|file| dropped(&text(file), port)).sum()
}

fn traffic(table: &str, name: &str) -> Option<(Traffic, Traffic)> {
    let columns = table.lines().find_map(|line| {
        let (interface, columns) = line.split_once(':')?;
        (interface.trim() == name).then_some(columns)
    })?;
    let numbers: Vec<u64> = columns.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let direction = |at: usize| {
        let [bytes, packets, errors, dropped] = *numbers.get(at..at + 4)? else { return None };
        Some(Traffic { bytes, packets, errors, dropped })
    };
    Some((direction(0)?, direction(8)?))
}

fn dropped(table: &str, port: u16) -> u64 {
    let local = format!(":{port:04X}");
    let rows = table.lines().filter_map(|line| {
        let mut columns = line.split_whitespace();
        columns.nth(1).filter(|address| address.ends_with(&local))?;
        columns.next_back()?.parse::<u64>().ok()
    });
    rows.sum()
}

/// A kernel table below `/proc/self/net`, up to the bound; empty if it cannot be read.
fn text(name: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(format!("/proc/self/net/{name}")) {
        // On an error, use what was read before it.
        let _ = file.take(NET_FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 4520 52 0 0 0 0 0 0 4520 52 0 0 0 0 0 0
  eth0:12345678 9000 1 2 0 0 0 0 87654321 8000 3 4 0 0 0 0
";

    #[test]
    fn counters_are_those_of_the_interface() {
        let (received, sent) = traffic(DEV, "eth0").expect("a row");
        let expected = Traffic { bytes: 12_345_678, packets: 9000, errors: 1, dropped: 2 };
        assert_eq!(received, expected);
        assert_eq!(sent, Traffic { bytes: 87_654_321, packets: 8000, errors: 3, dropped: 4 });
        assert_eq!(traffic(DEV, "eth1"), None);
        assert_eq!(traffic("eth0: 1 2", "eth0"), None);
    }

    #[test]
    fn drops_are_those_of_the_port() {
        let table = "  sl  local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode ref pointer drops
  12: 00000000:1FB6 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 999 2 0000000000000000 17
  13: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 998 2 0000000000000000 5
";
        assert_eq!((dropped(table, 8118), dropped(table, 53), dropped(table, 1)), (17, 5, 0));
    }

    #[test]
    fn loopback_is_there_with_its_address() {
        let links = all();
        let loopback = links.iter().find(|link| link.name == "lo").expect("every namespace has it");
        assert!(loopback.state != "up" || loopback.addresses.iter().any(IpAddr::is_loopback));
        assert!(links.len() <= LINKS_MAX);
    }
}
