//! Which connections are let in. Plain and encrypted ones share one table of
//! [`Bounds::connections`], of which one address has at most [`Bounds::per_address`], unless it
//! is a proxy's, behind which are many clients.
//!
//! When an address is at its bound, the longest idle of its own connections is evicted. When the
//! table is full, it is one of the address that has most: the longest idle; or, where none is idle
//! and the new connection's address has fewer, the one whose request waits longest (for the hash of
//! a password, for a handshake slot). Otherwise the new one is refused. So requests that wait keep
//! nobody out but those of their own address.
//!
//! A connection is idle while no request of it is being answered: one whose body is still to come,
//! and a TLS handshake, count as idle. A connection accepted, asked or answered less than
//! [`HTTP_EVICTABLE_US`] ago is left alone, and that long a new one waits; unless it is idle and its
//! address has at least two more than the new one's: who asks ever again keeps nobody out. One that
//! has ended has its place until its client has all that was written, since the kernel holds that
//! for it.
//!
//! An evicted connection keeps its place until its task has ended and its memory is free, and a
//! new one waits for that: there are never more connections than places. It is told by
//! [`Seat::leave`], which its task looks at before all else. One that was evicted as idle and turns
//! out to have a request keeps its place, and another is evicted.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;
use crate::limits::HTTP_EVICTABLE_US;
use crate::mem::Full;
use crate::mem::accounts::Kind;
use crate::status::Usage;

/// What a site allows over all its listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) idle: Duration,
    /// What each is booked on.
    pub(super) account: Kind,
    /// Where it is told how full it is.
    pub(super) usage: &'static Usage,
}

/// One connection, as the table sees it.
#[derive(Debug)]
pub(super) struct Seat {
    address: IpAddr,
    /// Connections of this address, which all of them share.
    of_address: Rc<Cell<usize>>,
    /// A request is being answered.
    pub(super) is_busy: Arc<AtomicBool>,
    /// When it was accepted, asked or answered last.
    pub(super) idle_since_us: Cell<u64>,
    /// It ends as soon as its client has all of its last answer.
    is_ending: Cell<bool>,
    /// It was evicted: its task asks [`Seat::eviction`].
    pub(super) leave: Notify,
    eviction: Cell<Option<Eviction>>,
    released: Rc<Notify>,
}

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// It was idle; not so when a request of it turns out to have come.
    Idle,
    /// Its request waits, and its address has more than its share.
    Waiting,
}

impl Seat {
    pub(super) fn is_idle(&self) -> bool {
        !self.is_busy.load(Relaxed)
    }

    /// From now on nothing keeps its place from whoever wants it.
    pub(super) fn ends(&self) {
        self.is_busy.store(false, Relaxed);
        self.is_ending.set(true);
    }

    /// How its task has to end; `None` when it goes on.
    pub(super) fn eviction(&self) -> Option<Eviction> {
        self.eviction.get()
    }

    /// It was not idle after all: another one is evicted instead.
    pub(super) fn stay(&self) {
        self.eviction.set(None);
        self.released.notify_waiters();
    }

    /// How long it may still be idle; all of `idle` while it is not.
    pub(super) fn idle_left(&self, idle: Duration) -> Duration {
        if !self.is_idle() {
            return idle;
        }
        let since_us = self.idle_since_us.get();
        let been = Duration::from_micros(clock::now_us().saturating_sub(since_us));
        idle.saturating_sub(been)
    }
}

/// In a request whose body is still to come: its connection is as good as idle until then.
#[derive(Debug, Clone)]
pub(super) struct Awaited(Arc<AtomicBool>);

impl Awaited {
    /// For a connection's request.
    pub(super) fn of(seat: &Seat) -> Self {
        Self(Arc::clone(&seat.is_busy))
    }

    /// The request is whole.
    pub(super) fn came(&self) {
        self.0.store(true, Relaxed);
    }
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSeat {
    pub(super) full: Full,
    /// What a place may be waited for; `None` when every connection is busy.
    pub(super) wait: Option<Wait>,
    /// It is the bound of its address: others may still have room.
    pub(super) is_of_address: bool,
}

/// What frees a place soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// From this time on a connection that was accepted or answered a moment ago may be evicted.
    Until(u64),
    /// An evicted connection is about to end: [`Seats::released`].
    Release,
}

/// The connections that are let in.
pub(super) struct Seats {
    pub(super) bounds: Bounds,
    /// Whether an address is of many clients: then [`Bounds::per_address`] is not for it.
    is_shared: Box<dyn Fn(IpAddr) -> bool>,
    taken: RefCell<Vec<Rc<Seat>>>,
    /// Rings when a place is free, or another connection has to be evicted.
    released: Rc<Notify>,
}

impl Seats {
    pub(super) fn new(bounds: Bounds) -> Rc<Self> {
        Self::with_shared(bounds, |_| false)
    }

    /// The same with addresses that many clients have: proxies'.
    pub(super) fn with_shared(
        bounds: Bounds,
        is_shared: impl Fn(IpAddr) -> bool + 'static,
    ) -> Rc<Self> {
        let taken = RefCell::new(Vec::with_capacity(bounds.connections));
        let is_shared = Box::new(is_shared);
        Rc::new(Self { bounds, is_shared, taken, released: Rc::default() })
    }

    /// A seat for a connection from `address`, or why there is none to be had now. Asked again, it
    /// evicts another connection only once the evicted one is gone.
    pub(super) fn admit(&self, address: IpAddr, now_us: u64) -> Result<Rc<Seat>, NoSeat> {
        let mut taken = self.taken.borrow_mut();
        let Bounds { connections, per_address, usage, .. } = self.bounds;
        let of_address = of_address(&taken, address);
        let own = of_address.get();
        if own >= per_address && !(self.is_shared)(address) {
            usage.was_full();
            let full = Full { what: "http connections of one address", max: per_address };
            // One that has enough of them waits for no other moment.
            let of_own = taken.iter().filter(|seat| seat.address == address && seat.is_idle());
            let wait = evict(Eviction::Idle, of_own, own, now_us);
            let wait = wait.filter(|wait| *wait == Wait::Release);
            return Err(NoSeat { full, wait, is_of_address: true });
        }
        if taken.len() >= connections {
            usage.was_full();
            let full = Full { what: "http connections", max: connections };
            let idle = taken.iter().filter(|seat| seat.is_idle());
            let waiting = taken.iter().filter(|seat| seat.of_address.get() > own);
            let wait = evict(Eviction::Idle, idle, own, now_us)
                .or_else(|| evict(Eviction::Waiting, waiting, own, now_us));
            return Err(NoSeat { full, wait, is_of_address: false });
        }
        of_address.set(own + 1);
        let seat = Rc::new(Seat {
            address,
            of_address,
            is_busy: Arc::default(),
            idle_since_us: Cell::new(now_us),
            is_ending: Cell::new(false),
            leave: Notify::new(),
            eviction: Cell::new(None),
            released: Rc::clone(&self.released),
        });
        taken.push(Rc::clone(&seat));
        usage.set(taken.len());
        Ok(seat)
    }

    /// Gives a seat back, once all that its connection needed is free.
    pub(super) fn release(&self, seat: &Rc<Seat>) {
        let mut taken = self.taken.borrow_mut();
        let before = taken.len();
        taken.retain(|taken| !Rc::ptr_eq(taken, seat));
        seat.of_address.set(seat.of_address.get() - (before - taken.len()));
        self.bounds.usage.set(taken.len());
        self.released.notify_waiters();
    }

    /// Connections of an address.
    pub(super) fn count_of(&self, address: IpAddr) -> usize {
        of_address(&self.taken.borrow(), address).get()
    }

    /// Waits until a seat is given back from now on, or an evicted connection stays.
    pub(super) async fn released(&self) {
        self.released.notified().await;
    }
}

/// The count that the connections of an address share.
fn of_address(taken: &[Rc<Seat>], address: IpAddr) -> Rc<Cell<usize>> {
    let found = taken.iter().find(|seat| seat.address == address);
    found.map(|seat| Rc::clone(&seat.of_address)).unwrap_or_default()
}

/// Evicts one of `seats` for an address that has `own`: of the address that has most connections, the
/// one that is so for longest; unless one of them is about to end already. What to wait for then,
/// `None` without any.
fn evict<'s>(
    eviction: Eviction,
    seats: impl Iterator<Item = &'s Rc<Seat>> + Clone,
    own: usize,
    now_us: u64,
) -> Option<Wait> {
    if seats.clone().any(|seat| seat.eviction.get().is_some()) {
        return Some(Wait::Release);
    }
    let evictable_us = |seat: &Seat| {
        let has_more = eviction == Eviction::Idle && seat.of_address.get() > own + 1;
        let is_at_once = has_more || seat.is_ending.get();
        if is_at_once { 0 } else { seat.idle_since_us.get() + HTTP_EVICTABLE_US }
    };
    let evictable = seats.clone().filter(|seat| evictable_us(seat) <= now_us);
    let greed = |seat: &&Rc<Seat>| (Reverse(seat.of_address.get()), seat.idle_since_us.get());
    let Some(seat) = evictable.min_by_key(greed) else {
        return seats.map(|seat| evictable_us(seat)).min().map(Wait::Until);
    };
    seat.eviction.set(Some(eviction));
    seat.leave.notify_one();
    Some(Wait::Release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::TABLES;

    fn seats(connections: usize, per_address: usize) -> Rc<Seats> {
        Seats::new(Bounds {
            connections,
            per_address,
            idle: Duration::from_secs(5),
            account: Kind::HttpConnection,
            usage: &TABLES.http_connections,
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// When what was idle near 0 makes room.
    const LATER_US: u64 = HTTP_EVICTABLE_US + 100;

    #[test]
    fn a_full_table_evicts_the_longest_idle_and_refuses_when_all_are_busy() {
        let seats = seats(2, 2);
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(2), 0).expect("room");
        first.idle_since_us.set(20);
        second.idle_since_us.set(10);
        let full = Full { what: "http connections", max: 2 };
        let waits = |wait| NoSeat { full, wait, is_of_address: false };
        let refused = seats.admit(address(3), LATER_US).expect_err("the second is still there");
        assert_eq!(refused, waits(Some(Wait::Release)));
        assert!(second.eviction().is_some() && first.eviction().is_none());
        seats.release(&second);
        let third = seats.admit(address(3), LATER_US).expect("the second is gone");
        first.is_busy.store(true, Relaxed);
        third.is_busy.store(true, Relaxed);
        let refused = seats.admit(address(1), LATER_US).expect_err("all are busy");
        assert_eq!(refused, waits(None), "no address has more than its own");
        seats.release(&second);
        assert!(seats.admit(address(1), LATER_US).is_err(), "a seat frees nothing twice");
        seats.release(&third);
        assert!(seats.admit(address(4), LATER_US).is_ok());
        first.is_busy.store(false, Relaxed);
        first.idle_since_us.set(LATER_US);
        let refused = seats.admit(address(5), LATER_US).expect_err("all have only just come");
        let again_us = LATER_US + HTTP_EVICTABLE_US;
        assert_eq!(refused, waits(Some(Wait::Until(again_us))));
        let refused = seats.admit(address(5), again_us).expect_err("one is being evicted");
        assert_eq!(refused, waits(Some(Wait::Release)));
    }

    #[test]
    fn requests_that_wait_keep_out_only_their_own_address() {
        let seats = seats(4, 3);
        let admit = |last, now_us| seats.admit(address(last), now_us);
        let greedy: Vec<_> = (0..3).map(|at| admit(1, at).expect("room")).collect();
        let modest = admit(2, 0).expect("room");
        for seat in greedy.iter().chain([&modest]) {
            seat.is_busy.store(true, Relaxed);
        }
        let refused = admit(3, HTTP_EVICTABLE_US - 1).expect_err("they asked just now");
        assert_eq!(refused.wait, Some(Wait::Until(HTTP_EVICTABLE_US)));
        assert_eq!(admit(1, LATER_US).expect_err("its own bound").wait, None);
        assert_eq!(admit(3, LATER_US).expect_err("full").wait, Some(Wait::Release));
        assert_eq!(greedy[0].eviction(), Some(Eviction::Waiting), "the longest of those with most");
        assert_eq!(modest.eviction(), None);
        seats.release(&greedy[0]);
        assert!(admit(3, LATER_US).is_ok());
        modest.is_busy.store(false, Relaxed);
        assert_eq!(admit(4, LATER_US).expect_err("full").wait, Some(Wait::Release));
        assert_eq!(modest.eviction(), Some(Eviction::Idle), "it goes before one that waits");
    }

    #[test]
    fn the_idle_of_the_address_that_has_most_go_first() {
        let seats = seats(3, 3);
        let alone = seats.admit(address(1), 0).expect("room");
        let first = seats.admit(address(2), 1).expect("room");
        let second = seats.admit(address(2), 2).expect("room");
        assert!(seats.admit(address(3), LATER_US).is_err());
        let evicted = [&alone, &first, &second].map(|seat| seat.eviction().is_some());
        assert_eq!(evicted, [false, true, false]);
    }

    #[test]
    fn who_asks_ever_again_keeps_no_other_address_out() {
        let seats = seats(4, 3);
        let alone = seats.admit(address(3), 0).expect("room");
        let greedy: Vec<_> =
            (0..3).map(|at| seats.admit(address(1), LATER_US - at).expect("room")).collect();
        assert_eq!(seats.admit(address(2), LATER_US).expect_err("full").wait, Some(Wait::Release));
        let evicted = greedy.iter().map(|seat| seat.eviction().is_some());
        assert_eq!(evicted.collect::<Vec<_>>(), [false, false, true], "the oldest of who has most");
        assert_eq!(alone.eviction(), None, "though it was idle for longer");
        seats.release(&greedy[2]);
        seats.admit(address(2), LATER_US).expect("its place");
        // One more than another has is no reason.
        let own_next = seats.admit(address(2), LATER_US).expect_err("full");
        assert_eq!(own_next.wait, Some(Wait::Release));
        assert!(alone.eviction().is_some(), "it is idle, and the others are not for long");
    }

    #[test]
    fn one_that_has_a_request_after_all_stays_and_another_is_evicted() {
        let seats = seats(2, 2);
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(2), 1).expect("room");
        assert!(seats.admit(address(3), LATER_US).is_err());
        assert_eq!(first.eviction(), Some(Eviction::Idle));
        first.is_busy.store(true, Relaxed);
        first.stay();
        assert!(seats.admit(address(3), LATER_US).is_err());
        assert_eq!((first.eviction(), second.eviction()), (None, Some(Eviction::Idle)));
    }

    #[test]
    fn one_connection_at_a_time_is_evicted_for_those_that_wait() {
        let seats = seats(8, 8);
        let taken: Vec<_> =
            (0..8).map(|last| seats.admit(address(last), 0).expect("room")).collect();
        for _ in 0..3 {
            let refused = seats.admit(address(9), LATER_US).expect_err("full");
            assert_eq!(refused.wait, Some(Wait::Release));
        }
        let evicted = taken.iter().filter(|seat| seat.eviction().is_some());
        assert_eq!(evicted.count(), 1);
        assert_eq!(seats.taken.borrow().len(), 8, "its place is free when it is gone");
    }

    #[test]
    fn a_proxys_address_may_have_as_many_as_there_are() {
        let bounds = seats(4, 2).bounds;
        let seats = Seats::with_shared(bounds, |ip| ip == address(1));
        for _ in 0..4 {
            let seat = seats.admit(address(1), 0).expect("room for all of its clients");
            seat.is_busy.store(true, Relaxed);
        }
        assert!(seats.admit(address(1), LATER_US).is_err(), "and no more than all");
    }

    #[test]
    fn an_address_at_its_bound_makes_room_only_for_itself() {
        let seats = seats(8, 2);
        let other = seats.admit(address(9), 0).expect("room");
        other.idle_since_us.set(1);
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(1), 0).expect("room");
        first.is_busy.store(true, Relaxed);
        second.is_busy.store(true, Relaxed);
        let refused = seats.admit(address(1), LATER_US).expect_err("its own two are busy");
        assert_eq!(refused.wait, None);
        second.is_busy.store(false, Relaxed);
        second.idle_since_us.set(2);
        let refused = seats.admit(address(1), LATER_US).expect_err("the second is evicted");
        assert_eq!(refused.wait, Some(Wait::Release));
        assert!(second.eviction().is_some() && other.eviction().is_none());
        seats.release(&second);
        assert!(seats.admit(address(1), LATER_US).is_ok());
    }
}
