//! Who is let in. Plain and encrypted connections share one table of [`Bounds::connections`], of
//! which one address has at most [`Bounds::per_address`]. When either is reached the connection
//! idle longest makes room (of that address, or of all); when none is idle the new one is refused.
//! It is told to leave, and keeps its place until its memory is freed: there are never more
//! connections than places, and one told to leave is closed before it can begin a request.
//! Idle is: no request being answered; one whose body is still to come is not yet, nor is a TLS
//! handshake one. Who has only just come is about to ask, and is left alone for
//! [`HTTP_EVICTABLE_US`]: that long a newcomer waits at the door.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;
use crate::limits::HTTP_EVICTABLE_US;
use crate::mem::Full;
use crate::status::Usage;

/// What a site allows over all its listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) idle: Duration,
    /// Where it is told how full it is.
    pub(super) usage: &'static Usage,
}

/// One connection, as the table sees it.
#[derive(Debug)]
pub(super) struct Seat {
    address: IpAddr,
    /// A request is being answered.
    pub(super) is_busy: Arc<AtomicBool>,
    /// Since when nothing is, while that is so.
    pub(super) idle_since_us: Cell<u64>,
    /// Somebody else needs the place.
    pub(super) leave: Notify,
    /// It was told so.
    is_leaving: Cell<bool>,
}

impl Seat {
    pub(super) fn is_idle(&self) -> bool {
        !self.is_busy.load(Relaxed)
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
    /// When a connection that has only just come may be closed, if it has not asked by then and
    /// nothing but that is in the way.
    pub(super) again_us: Option<u64>,
    /// A connection was told to leave: [`Seats::freed`] tells when it has.
    pub(super) is_leaving: bool,
}

/// The connections that are let in.
#[derive(Debug)]
pub(super) struct Seats {
    pub(super) bounds: Bounds,
    taken: RefCell<Vec<Rc<Seat>>>,
    freed: Notify,
}

impl Seats {
    pub(super) fn new(bounds: Bounds) -> Rc<Self> {
        let taken = RefCell::new(Vec::with_capacity(bounds.connections));
        Rc::new(Self { bounds, taken, freed: Notify::new() })
    }

    /// A seat for a connection from `address`, or why there is none to be had yet.
    pub(super) fn admit(&self, address: IpAddr, now_us: u64) -> Result<Rc<Seat>, NoSeat> {
        let mut taken = self.taken.borrow_mut();
        let Bounds { connections, per_address, usage, .. } = self.bounds;
        let of_address = taken.iter().filter(|seat| seat.address == address);
        if of_address.count() >= per_address {
            usage.was_full();
            let full = Full { what: "http connections of one address", max: per_address };
            let evicted = evict(&taken, now_us, |seat| seat.address == address);
            // Nobody else waits for what one address does.
            return Err(NoSeat { full, again_us: None, is_leaving: evicted.is_ok() });
        } else if taken.len() >= connections {
            usage.was_full();
            let full = Full { what: "http connections", max: connections };
            let evicted = evict(&taken, now_us, |_| true);
            let again_us = evicted.err().flatten();
            return Err(NoSeat { full, again_us, is_leaving: evicted.is_ok() });
        }
        let seat = Rc::new(Seat {
            address,
            is_busy: Arc::default(),
            idle_since_us: Cell::new(now_us),
            leave: Notify::new(),
            is_leaving: Cell::new(false),
        });
        taken.push(Rc::clone(&seat));
        usage.set(taken.len());
        Ok(seat)
    }

    /// Returns when a seat was given back.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Gives a seat back, once its connection's memory is free.
    pub(super) fn release(&self, seat: &Rc<Seat>) {
        let mut taken = self.taken.borrow_mut();
        taken.retain(|taken| !Rc::ptr_eq(taken, seat));
        self.bounds.usage.set(taken.len());
        drop(taken);
        self.freed.notify_waiters();
    }
}

/// Tells the connection idle longest among those that `matches` to leave, unless one was told
/// already; when none was idle for [`HTTP_EVICTABLE_US`], when the first will have been.
fn evict(
    taken: &[Rc<Seat>],
    now_us: u64,
    matches: impl Fn(&Seat) -> bool,
) -> Result<(), Option<u64>> {
    if taken.iter().any(|seat| seat.is_leaving.get() && matches(seat)) {
        return Ok(());
    }
    let idle = taken
        .iter()
        .enumerate()
        .filter(|(_, seat)| seat.is_idle() && matches(seat))
        .map(|(index, seat)| (seat.idle_since_us.get(), index));
    let (since_us, index) = idle.min().ok_or(None)?;
    let evictable_us = since_us + HTTP_EVICTABLE_US;
    if now_us < evictable_us {
        return Err(Some(evictable_us));
    }
    taken[index].is_leaving.set(true);
    taken[index].leave.notify_one();
    Ok(())
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
        first.is_busy.store(false, Relaxed);
        first.idle_since_us.set(20);
        second.is_busy.store(false, Relaxed);
        second.idle_since_us.set(10);
        let full = Full { what: "http connections", max: 2 };
        let leaving = NoSeat { full, again_us: None, is_leaving: true };
        for _ in 0..3 {
            assert_eq!(seats.admit(address(3), LATER_US).expect_err("full"), leaving);
            assert!(second.is_leaving.get() && !first.is_leaving.get(), "one is told, once");
            assert_eq!(seats.taken.borrow().len(), 2, "it has its place until it is gone");
        }
        seats.release(&second);
        let third = seats.admit(address(3), LATER_US).expect("the second made room");
        first.is_busy.store(true, Relaxed);
        third.is_busy.store(true, Relaxed);
        let refused = seats.admit(address(4), LATER_US).expect_err("all are busy");
        assert_eq!(refused, NoSeat { full, again_us: None, is_leaving: false });
        seats.release(&second);
        assert!(seats.admit(address(4), LATER_US).is_err(), "a seat is given back once");
        seats.release(&third);
        assert!(seats.admit(address(4), LATER_US).is_ok());
        first.is_busy.store(false, Relaxed);
        first.idle_since_us.set(LATER_US);
        let refused = seats.admit(address(5), LATER_US).expect_err("all have only just come");
        let again_us = LATER_US + HTTP_EVICTABLE_US;
        assert_eq!(refused, NoSeat { full, again_us: Some(again_us), is_leaving: false });
        assert!(seats.admit(address(5), again_us).is_err_and(|none| none.is_leaving));
    }

    #[test]
    fn an_address_at_its_bound_makes_room_only_for_itself() {
        let seats = seats(8, 2);
        let other = seats.admit(address(9), 0).expect("room");
        other.is_busy.store(false, Relaxed);
        other.idle_since_us.set(1);
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(1), 0).expect("room");
        first.is_busy.store(true, Relaxed);
        second.is_busy.store(true, Relaxed);
        assert!(seats.admit(address(1), LATER_US).is_err_and(|none| !none.is_leaving));
        second.is_busy.store(false, Relaxed);
        second.idle_since_us.set(2);
        assert!(seats.admit(address(1), LATER_US).is_err_and(|none| none.is_leaving));
        assert!(second.is_leaving.get() && !other.is_leaving.get());
        seats.release(&second);
        assert!(seats.admit(address(1), LATER_US).is_ok());
    }
}
