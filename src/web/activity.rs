//! What a connection does: by that the table of connections chooses the one to evict. The
//! connection says so, and the handler of its request where only that knows.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use crate::clock;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    is_busy: AtomicBool,
    since_us: AtomicU64,
    /// The client that a proxy asks for, by a number that nobody else can foresee; 0 without one.
    client: AtomicU64,
}

impl Activity {
    /// Of a connection that was accepted at this time.
    pub(super) fn new(now_us: u64) -> Arc<Self> {
        let (is_busy, client) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { is_busy, since_us: AtomicU64::new(now_us), client })
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Relaxed)
    }

    /// When it was accepted, asked or answered last.
    pub(super) fn since_us(&self) -> u64 {
        self.since_us.load(Relaxed)
    }

    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Relaxed);
    }

    pub(super) fn set_since_us(&self, at_us: u64) {
        self.since_us.store(at_us, Relaxed);
    }

    /// The client that a proxy asks for, as a number: equal for equal clients.
    pub(super) fn client(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.client.load(Relaxed))
    }

    /// A proxy asks for the client that has this key.
    pub(super) fn asks_for(&self, key: IpAddr) {
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        self.client.store(SEED.hash_one(key).max(1), Relaxed);
    }
}

/// In a request on a proxy's connection: it says there for whom it asks.
#[derive(Debug, Clone)]
pub(super) struct Proxied(pub(super) Arc<Activity>);

/// In a request whose body is still to come: its connection is as good as idle until then.
#[derive(Debug, Clone)]
pub(super) struct Awaited(pub(super) Arc<Activity>);

impl Awaited {
    /// The request is whole.
    pub(super) fn came(&self) {
        self.0.set_busy(true);
    }

    /// For as long as this lives, the client waits for weir and its connection is busy. Then the
    /// body has its time.
    pub(super) fn held_up(&self) -> HeldUp<'_> {
        self.0.set_busy(true);
        HeldUp(&self.0)
    }
}

/// See [`Awaited::held_up`].
pub(super) struct HeldUp<'a>(&'a Activity);

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.set_busy(false);
        self.0.set_since_us(clock::now_us());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_weir_holds_up_before_its_body_is_busy_and_then_idle_anew() {
        let activity = Activity::new(u64::MAX);
        let awaited = Awaited(Arc::clone(&activity));
        let held_up = awaited.held_up();
        assert!(activity.is_busy());
        drop(held_up);
        assert!(!activity.is_busy() && activity.since_us() < u64::MAX);
        awaited.came();
        assert!(activity.is_busy());
    }
}
