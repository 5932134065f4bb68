//! What a connection does: by that the table of connections chooses the one to evict. The
//! connection says so, and the handler of its request where only that knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::clock;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    is_busy: AtomicBool,
    since_us: AtomicU64,
}

impl Activity {
    /// Of a connection that was accepted at this time.
    pub(super) fn new(now_us: u64) -> Arc<Self> {
        Arc::new(Self { is_busy: AtomicBool::new(false), since_us: AtomicU64::new(now_us) })
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
}

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
