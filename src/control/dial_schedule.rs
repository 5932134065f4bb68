//! When cameras are dialled: one schedule for all of them.
//!
//! At most [`CAMERAS_DIALLED_MAX`] dials are under way. A camera whose dial failed is left alone
//! for 5 s, and for twice as long after each further failure, up to a minute; one that then plays
//! for a second only goes on from there. A host (with its port) that did not answer or refused a
//! login rests for 5 s too, and then one of its cameras asks for all: recorders have many, and lock
//! users out. When a host is back that did not answer, all others that did not are dialled at once,
//! as the power or a switch may be back. So that this is noticed soon, one of several cameras that
//! do not answer is dialled every 5 s, however long each of them waits.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::clock;
use crate::limits::{CAMERAS_DIALLED_MAX, CAMERAS_MAX};
use crate::random::random;
use crate::rtsp::CameraUrl;

use self::table::DialTable;

#[cfg(test)]
mod outage_tests;
mod table;

/// The times at which cameras are dialled, and the bound of dials under way.
pub(super) struct DialSchedule {
    permits: Semaphore,
    table: RefCell<DialTable>,
    /// Rings when a slot may be due sooner than it was.
    nearer: Notify,
    hashes: RandomState,
}

/// How a dial ended, as far as the next ones go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialEnding {
    /// PLAY is next.
    Ready,
    /// The host did not answer, or closed the connection.
    NoAnswer,
    /// The host refused the configured user and password.
    LoginRefused,
    /// The host answered, and this camera is not to be had now.
    Failed,
    /// The host answered, and a person has to change something.
    NeedsPerson,
}

/// A dial that may be under way. Dropped without [`DialPermit::ended`], it was given up.
pub(super) struct DialPermit<'a> {
    schedule: &'a DialSchedule,
    slot: usize,
    host: u64,
    _permit: SemaphorePermit<'a>,
}

impl DialSchedule {
    /// All slots are due.
    pub(super) fn new() -> Self {
        Self {
            permits: Semaphore::new(CAMERAS_DIALLED_MAX),
            table: RefCell::new(DialTable::new(CAMERAS_MAX, jittered_us)),
            nearer: Notify::new(),
            hashes: RandomState::new(),
        }
    }

    /// A person has changed the camera of `slot` or wants it dialled: it is due, and its host too.
    pub(super) fn reset(&self, slot: usize, url: &CameraUrl) {
        self.table.borrow_mut().reset(slot, self.host(url));
        self.nearer.notify_waiters();
    }

    /// The slot has no camera now that may be dialled.
    pub(super) fn forget(&self, slot: usize) {
        self.table.borrow_mut().forget(slot, clock::now_us());
        self.nearer.notify_waiters();
    }

    /// Waits until `slot` is due at the host of `url` and one more dial may be under way.
    pub(super) async fn begin(&self, slot: usize, url: &CameraUrl) -> DialPermit<'_> {
        let host = self.host(url);
        loop {
            let nearer = self.nearer.notified();
            let due_us = self.table.borrow().due_us(slot, host);
            let now_us = clock::now_us();
            if due_us <= now_us {
                let permit = self.permits.acquire().await.expect("it is never closed");
                let mut table = self.table.borrow_mut();
                // The host may have failed while this one waited for its permit.
                if table.due_us(slot, host) <= clock::now_us() {
                    table.begin(host);
                    return DialPermit { schedule: self, slot, host, _permit: permit };
                }
                continue;
            }
            tokio::select! {
                () = nearer => {}
                () = sleep(Duration::from_micros(due_us - now_us)), if due_us < u64::MAX => {}
            }
        }
    }

    /// The camera of `slot` was lost after it had played for `after_us`; it needs `wait_ms_min`
    /// before it can be dialled again.
    pub(super) fn lost(&self, slot: usize, after_us: u64, wait_ms_min: u64) {
        self.table.borrow_mut().lost(slot, after_us, wait_ms_min, clock::now_us());
    }

    /// Tells hosts apart, with their ports: behind a router each port is another camera.
    fn host(&self, url: &CameraUrl) -> u64 {
        self.hashes.hash_one((url.host(), url.port())).max(1)
    }
}

impl DialPermit<'_> {
    /// Notes how the dial ended; whether the host seems to ban weir, as it refused a login not long
    /// ago and now does not answer.
    pub(super) fn ended(self, ending: DialEnding) -> bool {
        let mut table = self.schedule.table.borrow_mut();
        table.end(self.slot, self.host, ending, clock::now_us())
    }
}

impl Drop for DialPermit<'_> {
    fn drop(&mut self) {
        self.schedule.table.borrow_mut().is_over(self.host);
        self.schedule.nearer.notify_waiters();
    }
}

/// `ms` in microseconds, give or take a fifth, so that cameras that fell together do not return
/// together.
fn jittered_us(ms: u64) -> u64 {
    let random = u64::from(u16::from_be_bytes(random()));
    ms * 800 + ms * 400 * random / u64::from(u16::MAX)
}
