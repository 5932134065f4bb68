//! Which connections are let in. Plain and encrypted ones share one table of
//! [`Bounds::connections`], of which one address has at most [`Bounds::per_address`], unless it
//! is a proxy's, behind which are many clients.
//!
//! When an address is at its bound, the longest idle of its own connections is evicted. When the
//! table is full, it is one of the address that has most: the longest idle; or, where none is idle
//! and the new connection's address has fewer, the one whose request waits longest (for the hash of
//! a password, for a handshake slot). Otherwise the new one is refused. So requests that wait keep
//! nobody out but those of their own address. Among a proxy's connections it is one for the client
//! that has most, of which it says which that is ([`Activity::asks_for`]), and a new one of the
//! proxy's takes the place of one for a client that has two.
//!
//! A connection is idle while no request of it is being answered ([`Activity`]). A TLS handshake
//! counts as idle, and a request whose body is still to come, unless it waits for the hash of its
//! password. A connection accepted, asked or answered less than [`HTTP_EVICTABLE_US`] ago is left
//! alone, and that long a new one waits; unless it is idle and its address has at least two more
//! than the new one's, so that a client that asks again and again keeps nobody out. One that has
//! ended has its place until its client has all that was written, since the kernel holds that for
//! it.
//!
//! An evicted connection keeps its place until its task has ended and its memory is free, and a
//! new one waits for that: there are never more connections than places. It is told by
//! [`ConnectionSlot::leave`], which its task looks at before all else. One that was evicted as idle and turns
//! out to have a request keeps its place, and another is evicted.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::activity::Activity;
use crate::access::client;
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

/// Whose a connection is, as connections are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// What the address counts as ([`crate::access::client`]).
    pub(super) key: IpAddr,
    /// It is a proxy's, of many clients: [`Bounds::per_address`] is not for it.
    is_shared: bool,
}

#[cfg(test)]
impl Address {
    /// Of one client that counts by its address.
    pub(super) fn of(key: IpAddr) -> Self {
        Self { key, is_shared: false }
    }
}

/// One connection, as the table sees it.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    address: Address,
    /// Connections of this address, which all of them share.
    of_address: Rc<Cell<usize>>,
    pub(super) activity: Arc<Activity>,
    /// It ends as soon as its client has all of its last answer.
    is_ending: Cell<bool>,
    /// It was evicted: its task asks [`ConnectionSlot::eviction`].
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

impl ConnectionSlot {
    pub(super) fn is_idle(&self) -> bool {
        !self.activity.is_busy()
    }

    /// Whether its requests are those of many clients.
    pub(super) fn is_proxys(&self) -> bool {
        self.address.is_shared
    }

    /// From now on nothing keeps its place from whoever wants it.
    pub(super) fn ends(&self) {
        self.activity.set_busy(false);
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
        let since_us = self.activity.since_us();
        let been = Duration::from_micros(clock::now_us().saturating_sub(since_us));
        idle.saturating_sub(been)
    }
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAdmitted {
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
    /// An evicted connection is about to end: [`ConnectionTable::released`].
    Release,
}

/// The connections that are let in.
pub(super) struct ConnectionTable {
    pub(super) bounds: Bounds,
    /// Whether an address is of many clients.
    is_shared: Box<dyn Fn(IpAddr) -> bool>,
    taken: RefCell<Vec<Rc<ConnectionSlot>>>,
    /// Rings when a place is free, or another connection has to be evicted.
    released: Rc<Notify>,
}

impl ConnectionTable {
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

    /// Whose a connection from `ip` is.
    pub(super) fn address_of(&self, ip: IpAddr, now_us: u64) -> Address {
        let is_shared = (self.is_shared)(ip);
        // Its neighbours in a network are none of a proxy's.
        Address { key: if is_shared { ip } else { client::key(ip, now_us) }, is_shared }
    }

    /// A slot for a connection from `address`, or why there is none to be had now. Asked again, it
    /// evicts another connection only once the evicted one is gone.
    pub(super) fn admit(
        &self,
        address: Address,
        now_us: u64,
    ) -> Result<Rc<ConnectionSlot>, NotAdmitted> {
        let mut taken = self.taken.borrow_mut();
        let Bounds { connections, per_address, usage, .. } = self.bounds;
        let of_address = of_address(&taken, address);
        let own = of_address.get();
        if own >= per_address && !address.is_shared {
            usage.was_full();
            let full = Full { what: "http connections of one address", max: per_address };
            // One that has enough of them waits for no other moment.
            let of_own = taken.iter().filter(|slot| slot.address == address && slot.is_idle());
            let wait = evict(Eviction::Idle, &taken, of_own, own, now_us);
            let wait = wait.filter(|wait| *wait == Wait::Release);
            return Err(NotAdmitted { full, wait, is_of_address: true });
        }
        if taken.len() >= connections {
            usage.was_full();
            let full = Full { what: "http connections", max: connections };
            let idle = taken.iter().filter(|slot| slot.is_idle());
            let waiting = taken.iter().filter(|slot| {
                let is_own_proxys = slot.address == address && of_client(&taken, slot) > 1;
                slot.of_address.get() > own || is_own_proxys
            });
            let wait = evict(Eviction::Idle, &taken, idle, own, now_us)
                .or_else(|| evict(Eviction::Waiting, &taken, waiting, own, now_us));
            return Err(NotAdmitted { full, wait, is_of_address: false });
        }
        of_address.set(own + 1);
        let slot = Rc::new(ConnectionSlot {
            address,
            of_address,
            activity: Activity::new(now_us),
            is_ending: Cell::new(false),
            leave: Notify::new(),
            eviction: Cell::new(None),
            released: Rc::clone(&self.released),
        });
        taken.push(Rc::clone(&slot));
        usage.set(taken.len());
        Ok(slot)
    }

    /// Gives a slot back, once all that its connection needed is free.
    pub(super) fn release(&self, slot: &Rc<ConnectionSlot>) {
        let mut taken = self.taken.borrow_mut();
        let before = taken.len();
        taken.retain(|taken| !Rc::ptr_eq(taken, slot));
        slot.of_address.set(slot.of_address.get() - (before - taken.len()));
        self.bounds.usage.set(taken.len());
        self.released.notify_waiters();
    }

    /// Connections of an address.
    pub(super) fn count_of(&self, address: Address) -> usize {
        of_address(&self.taken.borrow(), address).get()
    }

    /// Waits until a slot is given back from now on, or an evicted connection stays.
    pub(super) async fn released(&self) {
        self.released.notified().await;
    }
}

/// The count that the connections of an address share.
fn of_address(taken: &[Rc<ConnectionSlot>], address: Address) -> Rc<Cell<usize>> {
    let found = taken.iter().find(|slot| slot.address == address);
    found.map(|slot| Rc::clone(&slot.of_address)).unwrap_or_default()
}

/// Connections of a proxy that ask for the same client as this one; 0 where there is no proxy.
fn of_client(taken: &[Rc<ConnectionSlot>], slot: &ConnectionSlot) -> usize {
    let Some(client) = slot.activity.client() else { return 0 };
    let of_address = taken.iter().filter(|other| other.address == slot.address);
    of_address.filter(|other| other.activity.client() == Some(client)).count()
}

/// Evicts one of `table` for an address that has `own`: of the address that has most connections,
/// of a proxy's client that has most of those that wait, the one that is so for longest; unless one
/// of them is about to end already. What to wait for then, `None` without any.
fn evict<'s>(
    eviction: Eviction,
    taken: &[Rc<ConnectionSlot>],
    table: impl Iterator<Item = &'s Rc<ConnectionSlot>> + Clone,
    own: usize,
    now_us: u64,
) -> Option<Wait> {
    if table.clone().any(|slot| slot.eviction.get().is_some()) {
        return Some(Wait::Release);
    }
    let evictable_us = |slot: &ConnectionSlot| {
        let has_more = eviction == Eviction::Idle && slot.of_address.get() > own + 1;
        let is_at_once = has_more || slot.is_ending.get();
        if is_at_once { 0 } else { slot.activity.since_us() + HTTP_EVICTABLE_US }
    };
    let evictable = table.clone().filter(|slot| evictable_us(slot) <= now_us);
    // An idle connection of a proxy is nobody's.
    let clients = |slot: &ConnectionSlot| match eviction {
        Eviction::Idle => 0,
        Eviction::Waiting => of_client(taken, slot),
    };
    let greed = |slot: &&Rc<ConnectionSlot>| {
        let has = (Reverse(slot.of_address.get()), Reverse(clients(slot)));
        (has, slot.activity.since_us())
    };
    let Some(slot) = evictable.min_by_key(greed) else {
        return table.map(|slot| evictable_us(slot)).min().map(Wait::Until);
    };
    slot.eviction.set(Some(eviction));
    slot.leave.notify_one();
    Some(Wait::Release)
}

#[cfg(test)]
mod tests;
