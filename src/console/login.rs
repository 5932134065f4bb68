//! Limits password tries: [`CONSOLE_FAILURES_FREE`] tries, then a wait that doubles with each
//! further failure. Only a right password resets the count; a pulled cable does not.

use crate::limits::{CONSOLE_FAILURES_FREE, CONSOLE_WAIT_US_MAX, CONSOLE_WAIT_US_MIN};

/// Failed tries at one console.
#[derive(Debug, Default)]
pub struct Tries {
    failures: u32,
    /// No try before this time, in microseconds.
    until_us: u64,
}

impl Tries {
    /// Seconds until the next try is allowed; `None` when it is allowed now.
    pub fn wait_s(&self, now_us: u64) -> Option<u64> {
        let left_us = self.until_us.saturating_sub(now_us);
        (left_us > 0).then_some(left_us.div_ceil(1_000_000))
    }

    /// Counts a wrong password.
    pub fn failed(&mut self, now_us: u64) {
        self.failures = self.failures.saturating_add(1);
        if let Some(further) = self.failures.checked_sub(CONSOLE_FAILURES_FREE) {
            let wait_us = CONSOLE_WAIT_US_MIN << further.min(16);
            self.until_us = now_us + wait_us.min(CONSOLE_WAIT_US_MAX);
        }
    }

    /// Resets the count after a right password.
    pub fn passed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_end_with_the_right_one() {
        let mut tries = Tries::default();
        let mut now_us = 5;
        for _ in 1..CONSOLE_FAILURES_FREE {
            tries.failed(now_us);
            assert_eq!(tries.wait_s(now_us), None);
        }
        let mut waits = Vec::new();
        for _ in 0..40 {
            tries.failed(now_us);
            let wait_s = tries.wait_s(now_us).expect("one too many");
            assert_eq!(tries.wait_s(now_us + wait_s * 1_000_000 - 1), Some(1));
            now_us += wait_s * 1_000_000;
            assert_eq!(tries.wait_s(now_us), None);
            waits.push(wait_s);
        }
        assert_eq!(waits[..3], [10, 20, 40]);
        assert_eq!(waits.last(), Some(&(CONSOLE_WAIT_US_MAX / 1_000_000)));
        tries.passed();
        tries.failed(now_us);
        assert_eq!(tries.wait_s(now_us), None);
    }
}
