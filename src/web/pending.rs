//! Accepted connections that wait for a slot. Their number and their waiting time are bounded, and
//! their order is fair by address. The kernel's own queue would be neither: while it is full, no
//! client can connect.
//!
//! When [`HTTP_PENDING_MAX`] connections wait, the newest of the address that has most connections,
//! with a slot or without, is refused. Where several addresses have equally many, it is any
//! connection of theirs, chosen at random. Were it the newest, each connection of a flood from many
//! addresses would push out the one that came last. A free slot goes to the address that has fewest
//! slots, and there to the connection that has waited longest.

use std::hash::{BuildHasher as _, RandomState};

use super::connections::ClientAddress;
use crate::limits::{HTTP_PENDING_MAX, HTTP_PENDING_US_MAX};

/// The connections that wait for a slot.
#[derive(Debug)]
pub(super) struct PendingConnections<T> {
    queue: heapless::Vec<Entry<T>, HTTP_PENDING_MAX>,
    chance: Chance,
}

/// Random numbers that a client cannot foresee (xorshift; Marsaglia 2003).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// The next number below `end`, which must not be 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Entry<T> {
    address: ClientAddress,
    since_us: u64,
    connection: T,
}

/// What [`PendingConnections::leaving`] does with a connection.
pub(super) enum PendingVerdict {
    /// It leaves the queue: it gets a slot, or is refused.
    Leaves,
    /// It waits on; those after it are still asked about.
    Waits,
    /// It waits on, and so do all after it.
    AllWait,
}

impl<T> PendingConnections<T> {
    pub(super) fn new() -> Self {
        Self::with_seed(RandomState::new().hash_one(0))
    }

    fn with_seed(seed: u64) -> Self {
        Self { queue: heapless::Vec::new(), chance: Chance(seed.max(1)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a connection. Returns the one that has no room, this or another, for the caller to
    /// refuse. `connections_of` says how many slots an address has.
    pub(super) fn add(
        &mut self,
        address: ClientAddress,
        connection: T,
        now_us: u64,
        connections_of: impl Fn(ClientAddress) -> usize,
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
        // Never full: one has just been removed.
        let _ = self.queue.push(entry);
        Some(refused)
    }

    /// Takes out a connection that has waited [`HTTP_PENDING_US_MAX`], for the caller to refuse.
    pub(super) fn expired(&mut self, now_us: u64) -> Option<T> {
        let is_over = |entry: &Entry<T>| now_us >= entry.since_us + HTTP_PENDING_US_MAX;
        let at = self.queue.iter().position(is_over)?;
        Some(self.queue.remove(at).connection)
    }

    /// Takes out the next connection that leaves. `judge` is asked about one after the other, first
    /// those whose address has fewest slots, and there the longest waiting.
    pub(super) fn leaving(
        &mut self,
        connections_of: impl Fn(ClientAddress) -> usize,
        mut judge: impl FnMut(ClientAddress) -> PendingVerdict,
    ) -> Option<T> {
        let mut order: heapless::Vec<(usize, u64, usize), HTTP_PENDING_MAX> = heapless::Vec::new();
        for (at, entry) in self.queue.iter().enumerate() {
            // Never full: it has the capacity of the queue.
            let _ = order.push((connections_of(entry.address), entry.since_us, at));
        }
        order.sort_unstable();
        for (_, _, at) in order {
            match judge(self.queue[at].address) {
                PendingVerdict::Leaves => return Some(self.queue.remove(at).connection),
                PendingVerdict::Waits => {}
                PendingVerdict::AllWait => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ClientAddress {
        ClientAddress::of([192, 0, 2, last].into())
    }

    fn numbered(counts: &[(u8, usize)]) -> PendingConnections<u64> {
        let mut pending = PendingConnections::new();
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
        let mut pending = PendingConnections::new();
        for at in 0..HTTP_PENDING_MAX {
            let from = address(u8::try_from(at).expect("few"));
            assert_eq!(pending.add(from, at, 0, |_| 1), None);
        }
        let connections_of = |from| usize::from(from != address(200) && from != address(201));
        for newcomer in [200, 201] {
            let refused = pending.add(address(newcomer), newcomer.into(), 1, connections_of);
            assert!(refused.is_some_and(|refused| refused < HTTP_PENDING_MAX), "{refused:?}");
        }
        assert_eq!(pending.leaving(connections_of, |_| PendingVerdict::Leaves), Some(200));
    }

    #[test]
    fn ever_new_addresses_push_out_anyone_and_not_the_last_that_came() {
        const HONEST: u8 = 255;
        const SEEDS: u64 = 1000;
        let stays = |seed: u64| {
            let mut pending = PendingConnections::with_seed(seed);
            let mut come = |last: u8| pending.add(address(last), last, 0, |_| 0);
            let full = u8::try_from(HTTP_PENDING_MAX).expect("few");
            (0..full).for_each(|last| assert_eq!(come(last), None));
            let refused = come(HONEST).expect("one too many");
            assert_ne!(refused, HONEST);
            (full..full + 20).all(|last| come(last) != Some(HONEST))
        };
        // Multiplied, so that the seeds differ in all bits.
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
        while let Some(next) = pending.leaving(connections_of, |_| PendingVerdict::Leaves) {
            order.push(next);
        }
        assert_eq!(order, [3, 4, 0, 1, 2]);
        assert!(pending.is_empty());
    }

    #[test]
    fn one_that_must_wait_keeps_only_those_behind_it_waiting_where_all_do() {
        let mut pending = numbered(&[(1, 1), (2, 1)]);
        let first_waits =
            |from| if from == address(1) { PendingVerdict::Waits } else { PendingVerdict::Leaves };
        assert_eq!(pending.leaving(|_| 0, first_waits), Some(1));
        let mut pending = numbered(&[(1, 1), (2, 1)]);
        assert_eq!(pending.leaving(|_| 0, |_| PendingVerdict::AllWait), None);
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
