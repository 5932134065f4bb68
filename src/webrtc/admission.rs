//! What of a handshake's datagrams goes on to str0m, decided before it sees them.
//!
//! A check that is authentic may come from any address: whoever posted the offer can make as many
//! as there are ports. str0m's agent keeps each address and each pair, so a handshake has
//! [`HANDSHAKE_PAIRS_MAX`] of them, those that came first; and it has a rate, so that it does not
//! fill the queue that all handshakes share. What is refused is dropped, as a network would: a
//! browser repeats its checks, and takes a pair that is answered.
//!
//! Sans-IO, on the media thread, in the place that the session's keys take later.

use std::net::{IpAddr, SocketAddr};

use crate::limits::{HANDSHAKE_DATAGRAM_US, HANDSHAKE_DATAGRAMS_BURST, HANDSHAKE_PAIRS_MAX};

/// The pairs of one handshake, and what it may still send.
#[derive(Debug)]
pub struct Admission {
    /// The browser's address and ours.
    pairs: heapless::Vec<(SocketAddr, IpAddr), HANDSHAKE_PAIRS_MAX>,
    /// Where DTLS came from last.
    speaks_from: Option<SocketAddr>,
    datagrams: u32,
    refilled_us: u64,
}

impl Admission {
    /// A handshake that nothing came for.
    pub const fn new(now_us: u64) -> Self {
        Self {
            pairs: heapless::Vec::new(),
            speaks_from: None,
            datagrams: HANDSHAKE_DATAGRAMS_BURST,
            refilled_us: now_us,
        }
    }

    /// Whether an authentic check goes on.
    pub fn check(&mut self, from: SocketAddr, to: IpAddr, now_us: u64) -> bool {
        let is_known = self.pairs.contains(&(from, to));
        if (!is_known && self.pairs.is_full()) || !self.spend(now_us) {
            return false;
        }
        is_known || self.pairs.push((from, to)).is_ok()
    }

    /// Whether a DTLS datagram from an address of this handshake goes on.
    pub fn dtls(&mut self, from: SocketAddr, now_us: u64) -> bool {
        self.speaks_from = Some(from);
        self.spend(now_us)
    }

    /// Where DTLS came from last: of the handshake's addresses the last to be forgotten.
    pub fn speaks_from(&self) -> Option<SocketAddr> {
        self.speaks_from
    }

    fn spend(&mut self, now_us: u64) -> bool {
        let due = now_us.saturating_sub(self.refilled_us) / HANDSHAKE_DATAGRAM_US;
        self.refilled_us += due * HANDSHAKE_DATAGRAM_US;
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        self.datagrams = self.datagrams.saturating_add(due).min(HANDSHAKE_DATAGRAMS_BURST);
        let may = self.datagrams > 0;
        self.datagrams = self.datagrams.saturating_sub(1);
        may
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

    #[test]
    fn beyond_the_burst_it_has_a_rate() {
        let mut admission = Admission::new(0);
        let went_on = (0..10_000).filter(|at| admission.check(from(1), to(0), at * 100)).count();
        let expected = u64::from(HANDSHAKE_DATAGRAMS_BURST) + SECOND_US / HANDSHAKE_DATAGRAM_US;
        assert_eq!(went_on as u64, expected - 1);
        assert!(admission.check(from(1), to(0), 100 * SECOND_US));
        let at_once = (0..100).filter(|_| admission.check(from(1), to(0), 100 * SECOND_US));
        assert_eq!(at_once.count(), usize::try_from(HANDSHAKE_DATAGRAMS_BURST).unwrap() - 1);
    }
}
