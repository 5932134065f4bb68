//! Failed tries, by address. The first few of an address are free; after each further one it has to
//! wait, each time twice as long.
//!
//! The table is bounded. When it is full, the address whose wait ends soonest makes room, and the
//! new address has a single free try. So a client with more addresses than the table has room for
//! gets one try from each, and all of them together no more than the one thread hashes. A user who
//! knows the password needs only one try.
//!
//! A client that a proxy passes on without being believed ([`Sender::forwarded`]) is counted by the
//! address that stands in for its own, and also together with all other such clients: it may make
//! up as many addresses as it likes. Only clients that come through such a proxy have to wait for
//! this.

use std::net::IpAddr;

use super::client::Sender;
use super::count::Count;
use crate::limits::{FAILURE_ADDRESSES_MAX, FAILURES_FREE};

/// What was tried. The two are counted apart: a player with an old token must not keep its owner
/// from logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TriedSecret {
    Password,
    Token,
}

/// A try that was counted as failed before its result was known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    address: IpAddr,
    tried: TriedSecret,
    is_forwarded: bool,
    at_us: u64,
}

/// The table of failed tries, at most [`FAILURE_ADDRESSES_MAX`] entries.
#[derive(Debug)]
pub(super) struct Failures {
    entries: Vec<Entry>,
    /// Password tries of all clients together that are passed on without their proxy being
    /// believed.
    forwarded: Count,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    tried: TriedSecret,
    count: Count,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), forwarded: Count::of_forwarded() }
    }

    /// How long a sender has to wait, in whole seconds; `None` when it may try now.
    pub(super) fn wait_s(&self, sender: &Sender, tried: TriedSecret, now_us: u64) -> Option<u32> {
        let entry = self.entries.iter().find(|entry| entry.is_of(sender.tries_key(), tried));
        let own = entry.and_then(|entry| entry.count.wait_s(now_us));
        let counts_together = sender.is_forwarded() && tried == TriedSecret::Password;
        own.max(counts_together.then(|| self.forwarded.wait_s(now_us)).flatten())
    }

    /// Counts a try as failed. Called before its result is known, so that tries at the same instant
    /// count too. [`Failures::clear`] or [`Failures::take_back`] follows where it did not fail.
    pub(super) fn charge(&mut self, sender: &Sender, tried: TriedSecret, now_us: u64) -> Charge {
        self.entries.retain(|entry| !entry.count.is_forgotten(now_us));
        let (address, is_forwarded) = (sender.tries_key(), sender.is_forwarded());
        let known = self.entries.iter().position(|entry| entry.is_of(address, tried));
        let index = known.unwrap_or_else(|| {
            let count = Count::of_one(self.make_room(now_us));
            self.entries.push(Entry { address, tried, count });
            self.entries.len() - 1
        });
        self.entries[index].count.charge(now_us);
        let is_forwarded = is_forwarded && tried == TriedSecret::Password;
        if is_forwarded {
            self.forwarded.charge(now_us);
        }
        Charge { address, tried, is_forwarded, at_us: now_us }
    }

    /// Forgets an address's failures after a right password. Of those that are counted together,
    /// only this try is taken back: a user with one password may not guess another's for free.
    pub(super) fn clear(&mut self, charge: &Charge) {
        self.entries.retain(|entry| !entry.is_of(charge.address, charge.tried));
        if charge.is_forwarded {
            self.forwarded.take_back(charge.at_us);
        }
    }

    /// Takes a try back, because its password was never checked.
    pub(super) fn take_back(&mut self, charge: &Charge) {
        for entry in &mut self.entries {
            if entry.is_of(charge.address, charge.tried) {
                entry.count.take_back(charge.at_us);
            }
        }
        self.entries.retain(|entry| !entry.count.is_empty());
        if charge.is_forwarded {
            self.forwarded.take_back(charge.at_us);
        }
    }

    /// Makes room for an entry; returns how many free tries the new address has.
    fn make_room(&mut self, now_us: u64) -> u32 {
        if self.entries.len() < FAILURE_ADDRESSES_MAX {
            return FAILURES_FREE;
        }
        let entries = self.entries.iter().enumerate();
        let least = entries.min_by_key(|(_, entry)| entry.count.rank(now_us));
        if let Some((index, _)) = least {
            self.entries.swap_remove(index);
        }
        1
    }
}

impl Entry {
    fn is_of(&self, address: IpAddr, tried: TriedSecret) -> bool {
        self.address == address && self.tried == tried
    }
}

#[cfg(test)]
mod tests {
    use super::TriedSecret::{Password, Token};
    use super::*;
    use crate::limits::{FAILURES_FORGOTTEN_US, FAILURES_FREE_FORWARDED};

    const S: u64 = 1_000_000;

    fn address(number: usize) -> IpAddr {
        IpAddr::from([10, 0, (number / 256).to_le_bytes()[0], (number % 256).to_le_bytes()[0]])
    }

    fn v4(number: usize) -> Sender {
        Sender::new(address(number), address(number))
    }

    /// A sender that claims to be `number`, and may have made it up.
    fn forwarded(number: usize) -> Sender {
        let proxy = IpAddr::from([127, 0, 0, 1]);
        Sender::new(proxy, proxy).forwarded(Some(address(number)))
    }

    /// Fails whenever it may, until `until_us`; returns the times.
    fn hammer(failures: &mut Failures, sender: Sender, until_us: u64) -> Vec<u64> {
        let mut tries = Vec::new();
        let mut now_us = 0;
        while now_us < until_us {
            match failures.wait_s(&sender, Password, now_us) {
                Some(wait_s) => now_us += u64::from(wait_s) * S,
                None => {
                    failures.charge(&sender, Password, now_us);
                    tries.push(now_us / S);
                }
            }
        }
        tries
    }

    #[test]
    fn five_are_free_and_then_each_wait_is_twice_the_one_before() {
        let mut failures = Failures::new();
        let tries = hammer(&mut failures, v4(1), 4000 * S);
        assert_eq!(tries, [0, 0, 0, 0, 0, 10, 30, 70, 150, 310, 630, 1270, 2170, 3070, 3970]);
        assert_eq!(failures.wait_s(&v4(2), Password, 0), None, "nobody else has to wait");
        assert_eq!(failures.wait_s(&v4(1), Token, 3971 * S), None, "for nothing else");
        let right = failures.charge(&v4(1), Password, 5000 * S);
        failures.clear(&right);
        assert_eq!(failures.wait_s(&v4(1), Password, 5000 * S), None);
    }

    #[test]
    fn an_address_that_stays_away_is_forgotten() {
        let mut failures = Failures::new();
        hammer(&mut failures, v4(1), 2 * S);
        assert_eq!(failures.wait_s(&v4(1), Password, 2 * S), Some(8));
        failures.charge(&v4(1), Password, FAILURES_FORGOTTEN_US + 2 * S);
        assert_eq!(failures.wait_s(&v4(1), Password, FAILURES_FORGOTTEN_US + 2 * S), None);
    }

    #[test]
    fn made_up_addresses_are_counted_together_too() {
        let mut failures = Failures::new();
        let free = usize::try_from(FAILURES_FREE_FORWARDED).expect("few");
        for number in 0..free {
            assert_eq!(failures.wait_s(&forwarded(number), Password, 0), None, "{number}");
            failures.charge(&forwarded(number), Password, 0);
        }
        assert_eq!(failures.wait_s(&forwarded(999), Password, 0), Some(2));
        assert_eq!(failures.wait_s(&forwarded(999), Token, 0), None, "nothing is hashed for one");
        let direct = Sender::new(forwarded(999).ip, forwarded(999).key);
        assert_eq!(failures.wait_s(&direct, Password, 0), None, "nobody else has to wait");
        assert_eq!(failures.wait_s(&forwarded(999), Password, 2 * S), None);
        let right = failures.charge(&forwarded(999), Password, 2 * S);
        assert_eq!(failures.wait_s(&forwarded(998), Password, 2 * S), Some(2));
        failures.clear(&right);
        assert_eq!(failures.wait_s(&forwarded(998), Password, 2 * S), None);
        failures.charge(&forwarded(998), Password, 2 * S);
        assert_eq!(failures.wait_s(&forwarded(997), Password, 2 * S), Some(2), "no new allowance");
    }

    #[test]
    fn a_flood_of_addresses_keeps_nobody_out_and_lets_none_try_at_will() {
        let mut failures = Failures::new();
        hammer(&mut failures, v4(0), 100 * S);
        let attacker_until = failures.wait_s(&v4(0), Password, 100 * S).expect("it waits");
        let mut now_us = 100 * S;
        let mut tries = 0_u32;
        for round in 0..10 {
            for number in 1..=200 {
                now_us += S / 100;
                while failures.wait_s(&v4(number), Password, now_us).is_none() && tries < 10_000 {
                    failures.charge(&v4(number), Password, now_us);
                    tries += 1;
                }
            }
            assert_eq!(failures.entries.len(), FAILURE_ADDRESSES_MAX, "round {round}");
            let honest = v4(1000 + round);
            assert_eq!(failures.wait_s(&honest, Password, now_us), None, "one try at least");
        }
        // 63 entries were free at first; after that each address has one try per round.
        assert!(tries <= 63 * 5 + 10 * 200, "{tries}");
        let left = failures.wait_s(&v4(0), Password, 100 * S);
        assert_eq!(left, Some(attacker_until), "the one locked out longest is still there");
    }
}
