//! Accepted connections that wait for a place: bounded, in time too, and in an order that is fair
//! by address. The kernel's own queue would be neither: while it is full, nobody can connect.
//!
//! When there are [`HTTP_PENDING_MAX`], the newest of the address that has most connections, with a
//! place or without, is refused. A place goes to the address that has fewest with one, and there to
//! the connection that waits longest.

use std::net::IpAddr;

use crate::limits::{HTTP_PENDING_MAX, HTTP_PENDING_US_MAX};

/// The connections that wait.
#[derive(Debug)]
pub(super) struct Pending<T> {
    queue: heapless::Vec<Entry<T>, HTTP_PENDING_MAX>,
}

#[derive(Debug)]
struct Entry<T> {
    address: IpAddr,
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
        Self { queue: heapless::Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a connection; the one that has no room, it or another.
    pub(super) fn add(
        &mut self,
        address: IpAddr,
        connection: T,
        now_us: u64,
        connections_of: impl Fn(IpAddr) -> usize,
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
        let newest = self.queue.iter().rposition(|entry| count_of(entry.address) == most)?;
        let refused = self.queue.remove(newest).connection;
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
        connections_of: impl Fn(IpAddr) -> usize,
        mut judge: impl FnMut(IpAddr) -> Verdict,
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

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
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
        let newest = HTTP_PENDING_MAX - 1;
        assert_eq!(pending.add(address(200), 200, 1, connections_of), Some(newest));
        assert_eq!(pending.add(address(201), 201, 2, connections_of), Some(newest - 1));
        assert_eq!(pending.leaving(connections_of, |_| Verdict::Leaves), Some(200));
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
