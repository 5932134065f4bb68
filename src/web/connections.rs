//! The connection table: which connections get a slot, and which are evicted for a new one.
//!
//! Plain and encrypted connections share one table of [`Bounds::connections`] slots. One address
//! has at most [`Bounds::per_address`] of them. A proxy's address has no such bound, since many
//! clients are behind it.
//!
//! When an address is at its bound, the longest idle of its own connections is evicted. When the
//! table is full, a connection of the address that has most is evicted: the longest idle one. Where
//! none is idle and the new connection's address has fewer, it is the one whose request has waited
//! longest (for the hash of a password, for a handshake slot). Otherwise the new connection is
//! refused. So requests that wait keep out only connections of their own address.
//!
//! Among a proxy's connections, one of the client that has most is evicted; the proxy names the
//! client of each request ([`Activity::asks_for`]). A new connection of the proxy evicts one of a
//! client that has at least two.
//!
//! A connection is idle while no request of it is being answered ([`Activity`]). A TLS handshake
//! counts as idle. So does a request whose body is still to come, unless it waits for the hash of
//! its password. A connection that was accepted, asked or answered less than [`HTTP_EVICTABLE_US`]
//! ago is not evicted, and the new one waits that long. The exception is an idle connection whose
//! address has at least two more than the new one's: it is evicted at once, so that a client that
//! asks again and again keeps no other client out. A connection that has ended keeps its slot until
//! its client has all that was written, since the kernel holds those bytes for it; a new one may
//! evict it at once.
//!
//! An evicted connection keeps its slot until its task has ended and its memory is free, and the
//! new one waits for that: there are never more connections than slots. The task is told by
//! [`ConnectionSlot::leave`], which it looks at before all else. A connection that was evicted as
//! idle and turns out to have a request keeps its slot, and another is evicted.

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
use crate::mem::accounts::AccountKind;
use crate::status::Usage;

/// The bounds of one connection table, over all listeners of its site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) idle: Duration,
    /// The kind of memory account that each connection is booked on.
    pub(super) account: AccountKind,
    /// The statistics that show how full the table is.
    pub(super) usage: &'static Usage,
}

/// The address that a connection is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientAddress {
    /// The key of the client's address ([`crate::access::client::key`]); a proxy's own address.
    pub(super) key: IpAddr,
    /// It is a proxy's, with many clients behind it: [`Bounds::per_address`] does not apply.
    is_shared: bool,
}

#[cfg(test)]
impl ClientAddress {
    /// The address of one client, not of a proxy.
    pub(super) fn of(key: IpAddr) -> Self {
        Self { key, is_shared: false }
    }
}

/// One connection, as the table sees it.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    address: ClientAddress,
    /// How many connections this address has; its connections share the counter.
    of_address: Rc<Cell<usize>>,
    pub(super) activity: Arc<Activity>,
    /// It has ended, and only waits until its client has all of the last reply.
    is_ending: Cell<bool>,
    /// Notified when the connection is evicted; its task then asks [`ConnectionSlot::eviction`].
    pub(super) leave: Notify,
    eviction: Cell<Option<Eviction>>,
    released: Rc<Notify>,
}

/// Why a connection was evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// It was idle. If a request turns out to have come, it stays ([`ConnectionSlot::stay`]).
    Idle,
    /// Its request waits, and its address has more connections than the new one's, or its proxy has
    /// another for the same client.
    Waiting,
}

impl ConnectionSlot {
    pub(super) fn is_idle(&self) -> bool {
        !self.activity.is_busy()
    }

    /// Whether its peer is a proxy, so that its requests are those of many clients.
    pub(super) fn is_proxys(&self) -> bool {
        self.address.is_shared
    }

    /// Marks the connection as ended: from now on a new one may evict it at once.
    pub(super) fn ends(&self) {
        self.activity.set_busy(false);
        self.is_ending.set(true);
    }

    /// Why its task has to end; `None` while the connection goes on.
    pub(super) fn eviction(&self) -> Option<Eviction> {
        self.eviction.get()
    }

    /// Takes the eviction back, as the connection was not idle after all; another one is evicted
    /// instead.
    pub(super) fn stay(&self) {
        self.eviction.set(None);
        self.released.notify_waiters();
    }

    /// How much longer it may be idle before it is closed; all of `idle` while it is busy.
    pub(super) fn idle_left(&self, idle: Duration) -> Duration {
        if !self.is_idle() {
            return idle;
        }
        let since_us = self.activity.since_us();
        let been = Duration::from_micros(clock::now_us().saturating_sub(since_us));
        idle.saturating_sub(been)
    }
}

/// Why a connection gets no slot now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAdmitted {
    pub(super) full: Full,
    /// What will free a slot soon; `None` when no connection may be evicted.
    pub(super) wait: Option<Wait>,
    /// The address is at its own bound: connections of other addresses may still get a slot.
    pub(super) is_of_address: bool,
}

/// What will free a slot soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// From this time on, in µs, a connection that was accepted or answered a moment ago may be
    /// evicted.
    Until(u64),
    /// An evicted connection is about to end; wait for [`ConnectionTable::released`].
    Release,
}

/// The connections that have a slot, over all listeners of a site.
pub(super) struct ConnectionTable {
    pub(super) bounds: Bounds,
    /// Whether an address is a proxy's, with many clients behind it.
    is_shared: Box<dyn Fn(IpAddr) -> bool>,
    taken: RefCell<Vec<Rc<ConnectionSlot>>>,
    /// Notified when a slot is free, or when another connection has to be evicted.
    released: Rc<Notify>,
}

impl ConnectionTable {
    pub(super) fn new(bounds: Bounds) -> Rc<Self> {
        Self::with_shared(bounds, |_| false)
    }

    /// A table where `is_shared` says which addresses are proxies', with many clients behind each.
    pub(super) fn with_shared(
        bounds: Bounds,
        is_shared: impl Fn(IpAddr) -> bool + 'static,
    ) -> Rc<Self> {
        let taken = RefCell::new(Vec::with_capacity(bounds.connections));
        let is_shared = Box::new(is_shared);
        Rc::new(Self { bounds, is_shared, taken, released: Rc::default() })
    }

    /// The address that a connection from `ip` is counted under.
    pub(super) fn address_of(&self, ip: IpAddr, now_us: u64) -> ClientAddress {
        let is_shared = (self.is_shared)(ip);
        // A proxy counts by its whole address: its neighbours in the /64 are not the proxy.
        ClientAddress { key: if is_shared { ip } else { client::key(ip, now_us) }, is_shared }
    }

    /// Takes a slot for a connection from `address`. Where there is none, it evicts a connection if
    /// it may; called again, it evicts another only once the evicted one is gone.
    ///
    /// # Errors
    /// [`NotAdmitted`]: which bound is full, and what to wait for.
    pub(super) fn admit(
        &self,
        address: ClientAddress,
        now_us: u64,
    ) -> Result<Rc<ConnectionSlot>, NotAdmitted> {
        let mut taken = self.taken.borrow_mut();
        let Bounds { connections, per_address, usage, .. } = self.bounds;
        let of_address = of_address(&taken, address);
        let own = of_address.get();
        if own >= per_address && !address.is_shared {
            usage.was_full();
            let full = Full { what: "http connections of one address", max: per_address };
            // An address at its bound waits only for an evicted connection, not for one that may be
            // evicted later.
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

    /// Gives a slot back. Called once the connection's task has ended and its memory is free.
    pub(super) fn release(&self, slot: &Rc<ConnectionSlot>) {
        let mut taken = self.taken.borrow_mut();
        let before = taken.len();
        taken.retain(|taken| !Rc::ptr_eq(taken, slot));
        slot.of_address.set(slot.of_address.get() - (before - taken.len()));
        self.bounds.usage.set(taken.len());
        self.released.notify_waiters();
    }

    /// How many slots an address has.
    pub(super) fn count_of(&self, address: ClientAddress) -> usize {
        of_address(&self.taken.borrow(), address).get()
    }

    /// Waits until a slot is given back after this call, or an evicted connection stays.
    pub(super) async fn released(&self) {
        self.released.notified().await;
    }
}

/// The counter that the connections of an address share; a new one where it has none.
fn of_address(taken: &[Rc<ConnectionSlot>], address: ClientAddress) -> Rc<Cell<usize>> {
    let found = taken.iter().find(|slot| slot.address == address);
    found.map(|slot| Rc::clone(&slot.of_address)).unwrap_or_default()
}

/// How many of a proxy's connections ask for the same client as this one; 0 without a proxy.
fn of_client(taken: &[Rc<ConnectionSlot>], slot: &ConnectionSlot) -> usize {
    let Some(client) = slot.activity.client() else { return 0 };
    let of_address = taken.iter().filter(|other| other.address == slot.address);
    of_address.filter(|other| other.activity.client() == Some(client)).count()
}

/// Evicts a connection of `table` for an address that has `own` connections, unless one of them has
/// been evicted already. It takes the address that has most connections; for [`Eviction::Waiting`],
/// of those the proxy's client that has most; of those the connection idle or waiting for longest.
/// Returns what to wait for then; `None` when `table` is empty.
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
    // An idle connection of a proxy belongs to no client.
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
