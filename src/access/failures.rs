//! Failed tries, by address. An address has a few for nothing, then waits, each time twice as long.
//!
//! An address is what a client counts as ([`super::client::key`]). The table is bounded; when it is full, the
//! address that is nearest to being let in again makes room, and the new one has a single try for
//! nothing: who has more addresses than the table has room gets one try from each, and all of them
//! together no more than the one thread hashes. Who knows his password needs only one.

use std::net::IpAddr;

use crate::limits::{
    FAILURE_ADDRESSES_MAX, FAILURE_WAIT_US_MAX, FAILURE_WAIT_US_MIN, FAILURES_FORGOTTEN_US,
    FAILURES_FREE,
};

/// What was tried. A player with an old token must not keep its owner from logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Password,
    Token,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Failures {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    tried: Tried,
    failures: u32,
    free: u32,
    last_us: u64,
    /// No try before this.
    until_us: u64,
}

impl Failures {
    /// How long an address has to wait, in seconds; `None` when it may try.
    pub(super) fn wait_s(&self, address: IpAddr, tried: Tried, now_us: u64) -> Option<u32> {
        let entry = self.find(address, tried)?;
        let left_us = entry.until_us.checked_sub(now_us).filter(|left_us| *left_us > 0)?;
        u32::try_from(left_us.div_ceil(1_000_000)).ok()
    }

    /// Counts a try as failed. Called before it is known, so that tries at one instant count;
    /// [`Failures::clear`] takes it back.
    pub(super) fn charge(&mut self, address: IpAddr, tried: Tried, now_us: u64) {
        self.entries.retain(|entry| now_us < entry.last_us + FAILURES_FORGOTTEN_US);
        let same = |entry: &Entry| entry.address == address && entry.tried == tried;
        let index = self.entries.iter().position(same).unwrap_or_else(|| {
            let free = self.make_room(now_us);
            let entry = Entry { address, tried, failures: 0, free, last_us: 0, until_us: 0 };
            self.entries.push(entry);
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.failures = entry.failures.saturating_add(1);
        entry.last_us = now_us;
        if let Some(further) = entry.failures.checked_sub(entry.free) {
            let wait_us = FAILURE_WAIT_US_MIN << further.min(16);
            entry.until_us = now_us + wait_us.min(FAILURE_WAIT_US_MAX);
        }
    }

    /// Forgets an address's failures: it has shown that it knows.
    pub(super) fn clear(&mut self, address: IpAddr, tried: Tried) {
        self.entries.retain(|entry| entry.address != address || entry.tried != tried);
    }

    fn find(&self, address: IpAddr, tried: Tried) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.address == address && entry.tried == tried)
    }

    /// Sees to a free place; how many tries the new one has for nothing.
    fn make_room(&mut self, now_us: u64) -> u32 {
        if self.entries.len() < FAILURE_ADDRESSES_MAX {
            return FAILURES_FREE;
        }
        let entries = self.entries.iter().enumerate();
        let least = entries.min_by_key(|(_, entry)| (entry.until_us.max(now_us), entry.last_us));
        if let Some((index, _)) = least {
            self.entries.swap_remove(index);
        }
        1
    }
}

#[cfg(test)]
mod tests {
    use super::Tried::{Password, Token};
    use super::*;

    const S: u64 = 1_000_000;

    fn v4(number: usize) -> IpAddr {
        IpAddr::from([10, 0, (number / 256).to_le_bytes()[0], (number % 256).to_le_bytes()[0]])
    }

    /// Fails whenever it may, until `until_us`; when it did.
    fn hammer(failures: &mut Failures, address: IpAddr, until_us: u64) -> Vec<u64> {
        let mut tries = Vec::new();
        let mut now_us = 0;
        while now_us < until_us {
            match failures.wait_s(address, Password, now_us) {
                Some(wait_s) => now_us += u64::from(wait_s) * S,
                None => {
                    failures.charge(address, Password, now_us);
                    tries.push(now_us / S);
                }
            }
        }
        tries
    }

    #[test]
    fn five_are_free_and_then_each_wait_is_twice_the_one_before() {
        let mut failures = Failures::default();
        let tries = hammer(&mut failures, v4(1), 4000 * S);
        assert_eq!(tries, [0, 0, 0, 0, 0, 10, 30, 70, 150, 310, 630, 1270, 2170, 3070, 3970]);
        assert_eq!(failures.wait_s(v4(2), Password, 0), None, "nobody else has to wait");
        assert_eq!(failures.wait_s(v4(1), Token, 3971 * S), None, "for nothing else");
        failures.clear(v4(1), Password);
        assert_eq!(failures.wait_s(v4(1), Password, 3971 * S), None);
    }

    #[test]
    fn an_address_that_stays_away_is_forgotten() {
        let mut failures = Failures::default();
        hammer(&mut failures, v4(1), 2 * S);
        assert_eq!(failures.wait_s(v4(1), Password, 2 * S), Some(8));
        failures.charge(v4(1), Password, FAILURES_FORGOTTEN_US + 2 * S);
        assert_eq!(failures.wait_s(v4(1), Password, FAILURES_FORGOTTEN_US + 2 * S), None);
    }

    #[test]
    fn a_flood_of_addresses_keeps_nobody_out_and_lets_none_try_at_will() {
        let mut failures = Failures::default();
        hammer(&mut failures, v4(0), 100 * S);
        let attacker_until = failures.wait_s(v4(0), Password, 100 * S).expect("it waits");
        let mut now_us = 100 * S;
        let mut tries = 0_u32;
        for round in 0..10 {
            for number in 1..=200 {
                now_us += S / 100;
                while failures.wait_s(v4(number), Password, now_us).is_none() && tries < 10_000 {
                    failures.charge(v4(number), Password, now_us);
                    tries += 1;
                }
            }
            assert_eq!(failures.entries.len(), FAILURE_ADDRESSES_MAX, "round {round}");
            let honest = v4(1000 + round);
            assert_eq!(failures.wait_s(honest, Password, now_us), None, "one try at least");
        }
        // 63 places were free at first; after that each address has one try a turn of the table.
        assert!(tries <= 63 * 5 + 10 * 200, "{tries}");
        let left = failures.wait_s(v4(0), Password, 100 * S);
        assert_eq!(left, Some(attacker_until), "the one locked out longest is still there");
    }
}
