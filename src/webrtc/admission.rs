//! Which datagrams of a handshake are passed on to str0m. The decision is made before it sees them.
//!
//! An authentic check may come from any address: the client that posted the offer can send from as
//! many as there are ports. str0m's agent keeps each address and each pair. So a handshake may have
//! the first [`HANDSHAKE_PAIRS_MAX`] pairs only, and a bounded rate, so that it does not fill the
//! queue that all handshakes share. Other datagrams are dropped, as a network would: a browser
//! repeats its checks, and uses a pair that is answered.
//!
//! Sans-IO. It runs on the media thread, and the session's keys later take its place in memory.

use std::net::{IpAddr, SocketAddr};

use super::rate::Rate;
use crate::limits::{HANDSHAKE_DATAGRAM_US, HANDSHAKE_DATAGRAMS_BURST, HANDSHAKE_PAIRS_MAX};

/// The pairs of one handshake, and its rate of datagrams.
#[derive(Debug)]
pub struct Admission {
    /// The browser's address and our IP address.
    pairs: heapless::Vec<(SocketAddr, IpAddr), HANDSHAKE_PAIRS_MAX>,
    /// Where the last DTLS datagram came from.
    speaks_from: Option<SocketAddr>,
    datagrams: Rate<HANDSHAKE_DATAGRAM_US, HANDSHAKE_DATAGRAMS_BURST>,
}

impl Admission {
    /// The state of a handshake before any datagram.
    pub const fn new(now_us: u64) -> Self {
        Self { pairs: heapless::Vec::new(), speaks_from: None, datagrams: Rate::new(now_us) }
    }

    /// Whether to pass on an authentic check. Counts against the rate.
    pub fn check(&mut self, from: SocketAddr, to: IpAddr, now_us: u64) -> bool {
        let is_known = self.pairs.contains(&(from, to));
        if (!is_known && self.pairs.is_full()) || !self.datagrams.spend(now_us) {
            return false;
        }
        is_known || self.pairs.push((from, to)).is_ok()
    }

    /// Whether to pass on a DTLS datagram from an address of this handshake. Counts against the
    /// rate.
    pub fn dtls(&mut self, from: SocketAddr, now_us: u64) -> bool {
        self.speaks_from = Some(from);
        self.datagrams.spend(now_us)
    }

    /// Where the last DTLS datagram came from. Of a handshake's addresses, the last one to forget.
    pub fn speaks_from(&self) -> Option<SocketAddr> {
        self.speaks_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn from(number: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], u16::try_from(number).unwrap()))
    }

    fn to(number: u8) -> IpAddr {
        [192, 0, 2, 100 + number].into()
    }

    #[test]
    fn the_last_pair_is_taken_and_one_more_is_not() {
        let mut admission = Admission::new(0);
        for number in 0..HANDSHAKE_PAIRS_MAX {
            assert!(admission.check(from(number), to(0), 0), "{number}");
        }
        assert!(!admission.check(from(HANDSHAKE_PAIRS_MAX), to(0), SECOND_US));
        assert!(!admission.check(from(0), to(1), SECOND_US), "another address of ours");
        assert!(admission.check(from(0), to(0), SECOND_US), "those that there are go on");
        assert_eq!(admission.pairs.len(), HANDSHAKE_PAIRS_MAX);
    }

    #[test]
    fn a_pair_that_is_one_too_many_costs_the_others_nothing() {
        let mut admission = Admission::new(0);
        for number in 0..HANDSHAKE_PAIRS_MAX {
            assert!(admission.check(from(number), to(0), 0));
        }
        for number in 0..20_000 {
            assert!(!admission.check(from(20_000 + number), to(0), 0));
        }
        let left = usize::try_from(HANDSHAKE_DATAGRAMS_BURST).unwrap() - HANDSHAKE_PAIRS_MAX;
        for _ in 0..left {
            assert!(admission.dtls(from(0), 0));
        }
        assert!(!admission.dtls(from(0), 0));
    }
}
