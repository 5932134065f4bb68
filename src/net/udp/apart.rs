//! Peers that must not use up the media socket's send buffer.
//!
//! While Linux resolves a neighbour's hardware address, it queues the packets for it: up to 208 KB
//! per neighbour for up to 3 s. They count against the socket's send buffer. A few viewers that do
//! not answer fill it, and a full socket stops every stream. So datagrams to an address that the
//! local kernel found unreachable are sent by a second socket with the same port, until some time
//! after the last such error. When that socket is full, its datagrams are lost.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::limits::{APART_PEERS_MAX, APART_US};

/// The low bits of an entry hold part of the address's hash. The 40 bits above hold the time in ms
/// until which it applies; they last for 34 years.
const HASH_BITS: u32 = 24;
const HASH: u64 = (1 << HASH_BITS) - 1;

/// The table of those addresses, read by every sender and written by the media thread.
///
/// Only a hash of the address is stored. Another address with the same hash is sent to by the
/// second socket too, which does no harm as long as that has room.
#[derive(Debug)]
pub(super) struct Apart {
    entries: [AtomicU64; APART_PEERS_MAX],
    /// Until when any entry applies, in ms.
    until_ms: AtomicU64,
    hasher: RandomState,
}

impl Apart {
    pub(super) fn new() -> Self {
        Self {
            entries: [const { AtomicU64::new(0) }; APART_PEERS_MAX],
            until_ms: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// Whether any entry may apply now; nearly always there is none.
    pub(super) fn is_any(&self, now_us: impl FnOnce() -> u64) -> bool {
        let until_ms = self.until_ms.load(Relaxed);
        until_ms != 0 && now_us() / 1000 < until_ms
    }

    pub(super) fn has(&self, address: IpAddr, now_us: u64) -> bool {
        let hash = self.hash(address);
        self.entries
            .iter()
            .map(|entry| entry.load(Relaxed))
            .any(|entry| entry & HASH == hash && now_us / 1000 < entry >> HASH_BITS)
    }

    /// Adds an address. In a full table it replaces the entry that would expire first.
    pub(super) fn add(&self, address: IpAddr, now_us: u64) {
        let hash = self.hash(address);
        let until_ms = (now_us + APART_US) / 1000;
        let order = |entry: &&AtomicU64| {
            let entry = entry.load(Relaxed);
            if entry & HASH == hash { 0 } else { 1 + (entry >> HASH_BITS) }
        };
        if let Some(entry) = self.entries.iter().min_by_key(order) {
            entry.store(until_ms << HASH_BITS | hash, Relaxed);
            self.until_ms.fetch_max(until_ms, Relaxed);
        }
    }

    fn hash(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(address.to_canonical()) & HASH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn an_address_is_apart_for_a_while_from_its_last_error_on() {
        let apart = Apart::new();
        assert!(!apart.is_any(|| 5_000_000) && !apart.has(address(1), 5_000_000));
        apart.add(address(1), 5_000_000);
        apart.add(address(1), 7_000_000);
        let last_us = 7_000_000 + APART_US - 1000;
        assert!(apart.is_any(|| last_us) && apart.has(address(1), last_us));
        assert!(apart.has("::ffff:0.0.0.1".parse().unwrap(), last_us), "mapped is the same");
        assert!(!apart.has(address(2), last_us));
        assert!(
            !apart.is_any(|| 7_000_000 + APART_US) && !apart.has(address(1), 7_000_000 + APART_US)
        );
    }

    #[test]
    fn it_goes_on_after_years() {
        let apart = Apart::new();
        for days in [49, 50, 100, 10_000] {
            let now_us = days * 86_400 * 1_000_000;
            apart.add(address(1), now_us);
            assert!(apart.is_any(|| now_us) && apart.has(address(1), now_us + 1), "{days} days");
            assert!(!apart.has(address(1), now_us + APART_US), "{days} days");
        }
    }

    #[test]
    fn a_full_table_has_the_newest() {
        let apart = Apart::new();
        let count = u32::try_from(APART_PEERS_MAX).unwrap();
        for number in 0..2 * count {
            apart.add(address(number), 1_000_000 + u64::from(number) * 1000);
        }
        let now_us = 2_000_000;
        assert!((count..2 * count).all(|number| apart.has(address(number), now_us)));
        assert!((0..count).filter(|number| apart.has(address(*number), now_us)).count() <= 1);
    }
}
