//! Which session a DTLS or SRTCP datagram belongs to. It carries no ufrag, so the session is looked
//! up by the source address, which an earlier verified check came from.
//!
//! An address belongs to the session of the newest verified check from it. A check does not prove
//! where it came from, so a live session keeps the address that its media goes to as long as it
//! shows life there ([`super::session::Live::holds`]). A session has at most
//! `addresses_per_session`; a further one replaces that whose last check is the longest ago, but
//! neither the one in use nor the one that the browser has nominated, as its reports tell whether
//! it moves there.

use std::net::SocketAddr;

use heapless::index_map::FnvIndexMap;

use crate::limits::{ADDRESSES_MAX, PROFILE, SESSIONS_MAX};
use crate::status::TABLES;

/// The protocol of a datagram, by its first byte (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63, which is the record's content type.
    Dtls(u8),
    /// First byte 128 to 191, with an RTCP packet type (RFC 5761).
    Srtcp,
    /// Anything else, RTP included: weir receives none.
    Other,
}

impl DatagramKind {
    /// Tells the protocol from the first two bytes.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [kind @ 20..=63, ..] => Self::Dtls(*kind),
            [128..=191, 192..=223, ..] => Self::Srtcp,
            _ => Self::Other,
        }
    }
}

type Addresses = heapless::Vec<SocketAddr, { PROFILE.addresses_per_session }>;

/// The addresses of all sessions, each with its slot.
pub struct Demux {
    slots: FnvIndexMap<SocketAddr, u16, ADDRESSES_MAX>,
    /// The addresses by slot, that with the newest check last.
    addresses: [Addresses; SESSIONS_MAX],
}

impl Demux {
    /// A table without addresses.
    pub const fn new() -> Self {
        Self {
            slots: FnvIndexMap::new(),
            addresses: [const { heapless::Vec::new() }; SESSIONS_MAX],
        }
    }

    /// The session slot that an address belongs to.
    pub fn slot(&self, address: &SocketAddr) -> Option<u16> {
        self.slots.get(address).copied()
    }

    /// Records that a verified check for `slot` came from `address`. Those `kept` are never
    /// replaced: the address that the session's media goes to, and the one that it moves to.
    pub fn learn(&mut self, address: SocketAddr, slot: u16, kept: [Option<SocketAddr>; 2]) {
        if let Some(owner) = self.slots.get(&address) {
            self.addresses[usize::from(*owner)].retain(|known| *known != address);
        }
        let addresses = &mut self.addresses[usize::from(slot)];
        if addresses.is_full() {
            let oldest = addresses.iter().position(|known| !kept.contains(&Some(*known)));
            let oldest = addresses.remove(oldest.unwrap_or(0));
            self.slots.remove(&oldest);
            TABLES.addresses.was_full();
        }
        addresses.push(address).expect("room was made above");
        // The map has room for every session's addresses: see limits::ADDRESSES_MAX.
        let inserted = self.slots.insert(address, slot);
        debug_assert!(inserted.is_ok());
        TABLES.addresses.set(self.slots.len());
    }

    /// Removes the addresses of a slot, before its next use.
    pub fn forget(&mut self, slot: u16) {
        for address in &self.addresses[usize::from(slot)] {
            self.slots.remove(address);
        }
        self.addresses[usize::from(slot)].clear();
        TABLES.addresses.set(self.slots.len());
    }

    /// The number of addresses known.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no address is known.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl Default for Demux {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        assert_eq!(DatagramKind::of(&[0, 1]), DatagramKind::Stun);
        assert_eq!(DatagramKind::of(&[22, 254]), DatagramKind::Dtls(22));
        assert_eq!(DatagramKind::of(&[0x80, 201]), DatagramKind::Srtcp);
        assert_eq!(DatagramKind::of(&[0x80, 96]), DatagramKind::Other);
        assert_eq!(DatagramKind::of(&[200, 1]), DatagramKind::Other);
        assert_eq!(DatagramKind::of(&[]), DatagramKind::Other);
    }

    #[test]
    fn an_address_belongs_to_the_newest_check() {
        let mut demux = Demux::new();
        demux.learn(address(1), 0, [None; 2]);
        demux.learn(address(1), 1, [None; 2]);
        assert_eq!(demux.slot(&address(1)), Some(1));
        demux.forget(0);
        assert_eq!(demux.slot(&address(1)), Some(1), "it was the other's by then");
        demux.forget(1);
        assert_eq!(demux.slot(&address(1)), None);
        assert!(demux.is_empty());
    }

    #[test]
    fn one_address_too_many_takes_the_place_of_the_longest_unchecked() {
        let mut demux = Demux::new();
        let max = u16::try_from(PROFILE.addresses_per_session).unwrap();
        let is_known = |demux: &Demux, number| demux.slot(&address(number)).is_some();
        for number in 0..max {
            demux.learn(address(number), 0, [None; 2]);
        }
        demux.learn(address(0), 0, [None; 2]);
        demux.learn(address(max), 0, [None; 2]);
        assert!(is_known(&demux, 0) && is_known(&demux, max));
        assert!(!is_known(&demux, 1));
        assert_eq!(demux.len(), usize::from(max));
    }

    /// A browser with many addresses restarts ICE: its checks from the others must not hide the
    /// reports by which its session moves.
    #[test]
    fn the_address_in_use_and_the_nominated_one_are_kept() {
        let mut demux = Demux::new();
        let kept = [Some(address(0)), Some(address(1))];
        for number in 0..100 {
            demux.learn(address(number), 0, kept);
        }
        assert_eq!(demux.slot(&address(0)), Some(0));
        assert_eq!(demux.slot(&address(1)), Some(0));
    }

    #[test]
    fn every_session_can_have_all_its_addresses() {
        let mut demux = Demux::new();
        let mut number = 0;
        for slot in 0..u16::try_from(SESSIONS_MAX).unwrap() {
            for _ in 0..=PROFILE.addresses_per_session {
                demux.learn(address(number), slot, [None; 2]);
                number += 1;
            }
        }
        assert_eq!(demux.len(), SESSIONS_MAX * PROFILE.addresses_per_session);
        for slot in 0..u16::try_from(SESSIONS_MAX).unwrap() {
            demux.forget(slot);
        }
        assert!(demux.is_empty());
    }
}
