//! Accepted connections that wait for a place: bounded, in time too, and in an order that is fair
//! by address. The kernel's own queue would be neither: while it is full, nobody can connect.
//!
//! When there are [`HTTP_PENDING_MAX`], the newest of the address that has most connections, with a
//! place or without, is refused. Where several addresses have as many, it is any connection of
//! theirs, by chance: were it the newest, each of a flood from many addresses would push out the
//! last one that came. A place goes to the address that has fewest with one, and there to the
//! connection that waits longest.

use std::hash::{BuildHasher as _, RandomState};

use super::connections::Address;
use crate::limits::{HTTP_PENDING_MAX, HTTP_PENDING_US_MAX};

/// The connections that wait.
#[derive(Debug)]
pub(super) struct Pending<T> {
    queue: heapless::Vec<Entry<T>, HTTP_PENDING_MAX>,
    chance: Chance,
}

/// Numbers that nobody outside can foresee (xorshift; Marsaglia 2003).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// The next one below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Entry<T> {
    address: Address,
    since_us: u64,
    connection: T,
}

/// What is done with the next connection.
pub(super) enum Verdict {
    /// It gets a place, or is refused: it waits no more.
    Leaves,
    /// It waits on; others may go first.
    Waits,
    /// It waits on, and so do all behind it.
    AllWait,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self::with_seed(RandomState::new().hash_one(0))
    }

    fn with_seed(seed: u64) -> Self {
        Self { queue: heapless::Vec::new(), chance: Chance(seed.max(1)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a connection; the one that has no room, it or another.
    pub(super) fn add(
        &mut self,
        address: Address,
        connection: T,
        now_us: u64,
        connections_of: impl Fn(Address) -> usize,
    ) -> Option<T> {
        let entry = Entry { address, since_us: now_us, connection };
        let Err(entry) = self.queue.push(entry) else { return None };
        let count_of = |address| {
            let pending = self.queue.iter().filter(|entry| entry.address == address).count();
            pending + connections_of(address)
        };
        let most = self.queue.iter().map(|entry| count_of(entry.address)).max().unwrap_or(0);
        if count_of(address) + 1 > most {
            return Some(entry.connection);
        }
        let address_at = |at: usize| self.queue[at].address;
        let has_most = |at: &usize| count_of(address_at(*at)) == most;
        let mut of_most: heapless::Vec<usize, HTTP_PENDING_MAX> = heapless::Vec::new();
        of_most.extend((0..self.queue.len()).filter(has_most));
        let newest = *of_most.last()?;
        let is_of_one = of_most.iter().all(|at| address_at(*at) == address_at(newest));
        let at = if is_of_one { newest } else { of_most[self.chance.below(of_most.len())] };
        let refused = self.queue.remove(at).connection;
        // There is room now.
        let _ = self.queue.push(entry);
        Some(refused)
    }

    /// Takes out one that has waited too long.
    pub(super) fn expired(&mut self, now_us: u64) -> Option<T> {
        let is_over = |entry: &Entry<T>| now_us >= entry.since_us + HTTP_PENDING_US_MAX;
        let at = self.queue.iter().position(is_over)?;
        Some(self.queue.remove(at).connection)
    }

    /// Asks for each in turn, by the connections its address has, what is done with it; those that
    /// leave.
    pub(super) fn leaving(
        &mut self,
        connections_of: impl Fn(Address) -> usize,
        mut judge: impl FnMut(Address) -> Verdict,
    ) -> Option<T> {
        let mut order: heapless::Vec<(usize, u64, usize), HTTP_PENDING_MAX> = heapless::Vec::new();
        for (at, entry) in self.queue.iter().enumerate() {
            // As many as the queue has.
            let _ = order.push((connections_of(entry.address), entry.since_us, at));
        }
        order.sort_unstable();
        for (_, _, at) in order {
            match judge(self.queue[at].address) {
                Verdict::Leaves => return Some(self.queue.remove(at).connection),
                Verdict::Waits => {}
                Verdict::AllWait => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Address {
        Address::of([192, 0, 2, last].into())
    }

    fn numbered(counts: &[(u8, usize)]) -> Pending<u64> {
        let mut pending = Pending::new();
        let mut now_us = 0;
        for (last, count) in counts {
            for _ in 0..*count {
                assert_eq!(pending.add(address(*last), now_us, now_us, |_| 0), None);
                now_us += 1;
            }
        }
        pending
    }

    #[test]
    fn the_queue_is_bounded_and_the_address_with_most_pays() {
        let greedy = HTTP_PENDING_MAX - 1;
        let mut pending = numbered(&[(1, greedy), (2, 1)]);
        let newest_of_greedy = greedy as u64 - 1;
        assert_eq!(pending.add(address(3), 900, 900, |_| 0), Some(newest_of_greedy));
        assert_eq!(
            pending.add(address(1), 901, 901, |_| 0),
            Some(901),
            "its own next one does not"
        );
        assert_eq!(pending.queue.len(), HTTP_PENDING_MAX);
    }

    #[test]
    fn an_address_without_a_place_finds_room_among_many_that_have_one() {
        let mut pending = Pending::new();
        for at in 0..HTTP_PENDING_MAX {
            let from = address(u8::try_from(at).expect("few"));
            assert_eq!(pending.add(from, at, 0, |_| 1), None);
        }
        let connections_of = |from| usize::from(from != address(200) && from != address(201));
        for newcomer in [200, 201] {
            let refused = pending.add(address(newcomer), newcomer.into(), 1, connections_of);
            assert!(refused.is_some_and(|refused| refused < HTTP_PENDING_MAX), "{refused:?}");
        }
        assert_eq!(pending.leaving(connections_of, |_| Verdict::Leaves), Some(200));
    }

    #[test]
    fn ever_new_addresses_push_out_anyone_and_not_the_last_that_came() {
        const HONEST: u8 = 255;
        const SEEDS: u64 = 1000;
        let stays = |seed: u64| {
            let mut pending = Pending::with_seed(seed);
            let mut come = |last: u8| pending.add(address(last), last, 0, |_| 0);
            let full = u8::try_from(HTTP_PENDING_MAX).expect("few");
            (0..full).for_each(|last| assert_eq!(come(last), None));
            let refused = come(HONEST).expect("one too many");
            assert_ne!(refused, HONEST);
            (full..full + 20).all(|last| come(last) != Some(HONEST))
        };
        // A seed from its number by a multiplication, so that they differ in all bits.
        let seeds = (1..=SEEDS).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let stayed = seeds.filter(|seed| stays(*seed)).count();
        // (31/32)^20 is 53 %.
        assert!((480..600).contains(&stayed), "{stayed} of {SEEDS}");
    }

    #[test]
    fn a_place_goes_to_the_address_with_fewest_connections_and_the_longest_waiting() {
        let mut pending = numbered(&[(1, 3), (2, 2)]);
        let connections_of = |from| if from == address(1) { 4 } else { 1 };
        let mut order = Vec::new();
        while let Some(next) = pending.leaving(connections_of, |_| Verdict::Leaves) {
            order.push(next);
        }
        assert_eq!(order, [3, 4, 0, 1, 2]);
        assert!(pending.is_empty());
    }

    #[test]
    fn one_that_must_wait_keeps_only_those_behind_it_waiting_where_all_do() {
        let mut pending = numbered(&[(1, 1), (2, 1)]);
        let first_waits = |from| if from == address(1) { Verdict::Waits } else { Verdict::Leaves };
        assert_eq!(pending.leaving(|_| 0, first_waits), Some(1));
        let mut pending = numbered(&[(1, 1), (2, 1)]);
        assert_eq!(pending.leaving(|_| 0, |_| Verdict::AllWait), None);
        assert_eq!(pending.queue.len(), 2);
    }

    #[test]
    fn the_wait_is_bounded() {
        let mut pending = numbered(&[(1, 2)]);
        assert_eq!(pending.expired(HTTP_PENDING_US_MAX - 1), None);
        assert_eq!(pending.expired(HTTP_PENDING_US_MAX), Some(0));
        assert_eq!(pending.expired(HTTP_PENDING_US_MAX), None);
    }
}
