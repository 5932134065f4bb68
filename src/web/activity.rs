//! What a connection is doing. The connection table chooses the connection to evict by it. The
//! connection's task records it, and the request's handler does where only the handler knows.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use crate::clock;

/// The activity of one connection; its task, its handler and the table share it.
#[derive(Debug)]
pub(super) struct Activity {
    is_busy: AtomicBool,
    since_us: AtomicU64,
    /// The client that a proxy asks for, as a number that clients cannot foresee; 0 without one.
    client: AtomicU64,
}

impl Activity {
    /// The activity of a connection that was accepted at `now_us`: idle.
    pub(super) fn new(now_us: u64) -> Arc<Self> {
        let (is_busy, client) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { is_busy, since_us: AtomicU64::new(now_us), client })
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Relaxed)
    }

    /// When it was last accepted, asked or answered, in µs of [`clock::now_us`].
    pub(super) fn since_us(&self) -> u64 {
        self.since_us.load(Relaxed)
    }

    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Relaxed);
    }

    pub(super) fn set_since_us(&self, at_us: u64) {
        self.since_us.store(at_us, Relaxed);
    }

    /// The client that a proxy asks for, as a number that is equal for equal clients; `None` where
    /// no proxy has named one.
    pub(super) fn client(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.client.load(Relaxed))
    }

    /// Records that a proxy asks for the client that has this key.
    pub(super) fn asks_for(&self, key: IpAddr) {
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        self.client.store(SEED.hash_one(key).max(1), Relaxed);
    }
}

/// Extension of a request on a proxy's connection: the handler records there which client the proxy
/// asks for.
#[derive(Debug, Clone)]
pub(super) struct Proxied(pub(super) Arc<Activity>);

/// Extension of a request whose body is still to come: its connection counts as idle until then.
#[derive(Debug, Clone)]
pub(super) struct Awaited(pub(super) Arc<Activity>);

impl Awaited {
    /// Records that the whole body has come: the connection is busy.
    pub(super) fn came(&self) {
        self.0.set_busy(true);
    }

    /// While the result lives, the client waits for weir and its connection is busy. After that the
    /// connection is idle from then on, so that the body has its time.
    pub(super) fn held_up(&self) -> HeldUp<'_> {
        self.0.set_busy(true);
        HeldUp(&self.0)
    }
}

/// Keeps a connection busy while it lives; see [`Awaited::held_up`].
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
