//! The failed tries of one client, or of several that are counted together. The first few are free;
//! after each further one there is a wait.

use crate::limits::{
    FAILURE_FORWARDED_WAIT_US, FAILURE_WAIT_US_MAX, FAILURE_WAIT_US_MIN, FAILURES_FORGOTTEN_US,
    FAILURES_FREE_FORWARDED,
};

/// A count of failed tries, and the wait that follows from it.
#[derive(Debug)]
pub(super) struct Count {
    failures: u32,
    free: u32,
    wait: Wait,
    last_us: u64,
    /// No try may be made before this time, in µs.
    pub(super) until_us: u64,
}

/// How long the wait is once the free tries are used up.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// Each time twice as long, from [`FAILURE_WAIT_US_MIN`] to [`FAILURE_WAIT_US_MAX`].
    Doubled,
    /// Each time [`FAILURE_FORWARDED_WAIT_US`].
    Steady,
}

impl Count {
    /// The count of one client, which may fail `free` times before it has to wait.
    pub(super) fn of_one(free: u32) -> Self {
        Self { failures: 0, free, wait: Wait::Doubled, last_us: 0, until_us: 0 }
    }

    /// The count of all clients together whose proxies are not believed.
    pub(super) fn of_forwarded() -> Self {
        let free = FAILURES_FREE_FORWARDED;
        Self { failures: 0, free, wait: Wait::Steady, last_us: 0, until_us: 0 }
    }

    /// How long to wait, in whole seconds, rounded up; `None` when a try may be made now.
    pub(super) fn wait_s(&self, now_us: u64) -> Option<u32> {
        let left_us = self.until_us.checked_sub(now_us).filter(|left_us| *left_us > 0)?;
        u32::try_from(left_us.div_ceil(1_000_000)).ok()
    }

    /// Counts a failed try.
    pub(super) fn charge(&mut self, now_us: u64) {
        if self.is_forgotten(now_us) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last_us = now_us;
        self.until_us = self.wait_us().map_or(0, |wait_us| now_us + wait_us);
    }

    /// Takes back the try that was charged at `charged_us`.
    pub(super) fn take_back(&mut self, charged_us: u64) {
        self.failures = self.failures.saturating_sub(1);
        // The wait before the last try was over, or it could not have been made.
        let is_last = self.last_us == charged_us;
        let wait_us = self.wait_us().filter(|_| !is_last);
        self.until_us = wait_us.map_or(0, |wait_us| self.last_us + wait_us);
    }

    /// Whether no failure is counted.
    pub(super) fn is_empty(&self) -> bool {
        self.failures == 0
    }

    /// Whether the last failure is [`FAILURES_FORGOTTEN_US`] ago, so that none counts any more.
    pub(super) fn is_forgotten(&self, now_us: u64) -> bool {
        now_us >= self.last_us + FAILURES_FORGOTTEN_US
    }

    /// The lower, the sooner this count makes room for another: first by the end of its wait, then
    /// by its last failure.
    pub(super) fn rank(&self, now_us: u64) -> (u64, u64) {
        (self.until_us.max(now_us), self.last_us)
    }

    fn wait_us(&self) -> Option<u64> {
        let further = self.failures.checked_sub(self.free)?;
        Some(match self.wait {
            Wait::Doubled => (FAILURE_WAIT_US_MIN << further.min(16)).min(FAILURE_WAIT_US_MAX),
            Wait::Steady => FAILURE_FORWARDED_WAIT_US,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FAILURES_FREE;

    const S: u64 = 1_000_000;

    #[test]
    fn many_together_have_more_for_nothing_and_then_one_in_two_seconds() {
        let mut count = Count::of_forwarded();
        for _ in 0..FAILURES_FREE_FORWARDED {
            assert_eq!(count.wait_s(S), None);
            count.charge(S);
        }
        for further in 0..100 {
            let at_us = S + further * 2 * S;
            assert_eq!(count.wait_s(at_us), Some(2));
            assert_eq!(count.wait_s(at_us + 2 * S), None);
            count.charge(at_us + 2 * S);
        }
        count.charge(FAILURES_FORGOTTEN_US + 300 * S);
        assert_eq!(count.wait_s(FAILURES_FORGOTTEN_US + 300 * S), None, "an hour without one");
    }

    #[test]
    fn what_is_taken_back_was_never_charged() {
        let mut count = Count::of_one(FAILURES_FREE);
        for _ in 0..FAILURES_FREE {
            count.charge(S);
        }
        assert_eq!(count.wait_s(S), Some(10));
        count.take_back(S);
        assert_eq!(count.wait_s(S), None);
        count.charge(2 * S);
        count.charge(12 * S);
        assert_eq!(count.wait_s(12 * S), Some(20));
        count.take_back(12 * S);
        assert_eq!(count.wait_s(12 * S), None, "the wait before it was over");
        count.charge(12 * S);
        count.take_back(2 * S);
        assert_eq!(count.wait_s(12 * S), Some(10), "one before it: the last has its wait");
        for _ in 0..FAILURES_FREE {
            count.take_back(12 * S);
        }
        assert!(count.is_empty());
    }
}
