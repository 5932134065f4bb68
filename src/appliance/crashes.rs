//! When weir is started again after it ended, and when its slot is given up for the other one.
//!
//! A few ends are answered at once: a picture is better than a diagnosis. Many of them in a short
//! time are the slot's fault as long as there is another slot that may be booted. Without one, the
//! pauses between starts grow, so that a broken program does not take the whole CPU. No clock and
//! no process here: [`crate::clock`] in, decisions out.

use heapless::Deque;

use crate::limits::{CRASHES_MAX, CRASHES_WINDOW_US, RESTART_PAUSE_US_MAX, RESTART_PAUSE_US_MIN};

/// The ends of weir that nobody asked for.
#[derive(Debug, Default)]
pub struct Crashes {
    at_us: Deque<u64, CRASHES_MAX>,
    /// Those in a row with less than the window between them.
    in_a_row: u32,
}

/// What init does after weir ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCrash {
    /// Starts weir again after this pause.
    Restart {
        /// Microseconds to wait.
        pause_us: u64,
    },
    /// Gives up this slot and boots the other one.
    GiveUp,
}

impl Crashes {
    /// Notes an end that nobody asked for; `is_other_bootable` says whether there is another slot
    /// to go to.
    pub fn note(&mut self, now_us: u64, is_other_bootable: bool) -> AfterCrash {
        let is_recent = |at_us: &u64| now_us.saturating_sub(*at_us) < CRASHES_WINDOW_US;
        self.in_a_row = match self.at_us.back().is_some_and(is_recent) {
            true => self.in_a_row.saturating_add(1),
            false => 1,
        };
        if self.at_us.is_full() {
            self.at_us.pop_front();
        }
        // There is room now.
        let _ = self.at_us.push_back(now_us);
        if self.at_us.is_full() && self.at_us.iter().all(is_recent) && is_other_bootable {
            return AfterCrash::GiveUp;
        }
        AfterCrash::Restart { pause_us: self.pause_us() }
    }

    /// How many there were in a row with less than the window between two.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    fn pause_us(&self) -> u64 {
        let few = u32::try_from(CRASHES_MAX).unwrap_or(u32::MAX);
        let doublings = self.in_a_row.saturating_sub(few - 1).min(u32::from(u8::MAX));
        let pause_us = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        pause_us.saturating_mul(RESTART_PAUSE_US_MIN).min(RESTART_PAUSE_US_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_few_ends_are_answered_within_a_second() {
        let mut crashes = Crashes::default();
        for at_s in [0, 20, 40, 60] {
            let then = crashes.note(at_s * S, true);
            assert_eq!(then, AfterCrash::Restart { pause_us: RESTART_PAUSE_US_MIN });
        }
        const { assert!(RESTART_PAUSE_US_MIN < S) };
    }

    #[test]
    fn five_in_two_minutes_cost_the_slot_if_there_is_another() {
        let mut crashes = Crashes::default();
        let last = [0, 20, 40, 60, 119].map(|at_s| crashes.note(at_s * S, true));
        assert_eq!(last[4], AfterCrash::GiveUp);
        let mut crashes = Crashes::default();
        let seldom = [0, 30, 60, 90, 120].map(|at_s| crashes.note(at_s * S, true));
        assert_ne!(seldom[4], AfterCrash::GiveUp, "the first one is two minutes old");
        let mut crashes = Crashes::default();
        let alone = [0, 1, 2, 3, 4].map(|at_s| crashes.note(at_s * S, false));
        assert_ne!(alone[4], AfterCrash::GiveUp, "there is no other slot");
        assert_eq!(crashes.note(5 * S, true), AfterCrash::GiveUp, "now there is one");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_shrink_after_a_quiet_time() {
        let mut crashes = Crashes::default();
        let mut now_us = 0;
        let mut pauses_ms = Vec::new();
        for _ in 0..200 {
            let AfterCrash::Restart { pause_us } = crashes.note(now_us, false) else {
                panic!("there is no other slot");
            };
            pauses_ms.push(pause_us / 1000);
            now_us += pause_us + S / 10;
        }
        assert_eq!(pauses_ms[..10], [250, 250, 250, 250, 500, 1000, 2000, 4000, 8000, 10_000]);
        assert!(pauses_ms[10..].iter().all(|pause_ms| *pause_ms == 10_000));
        let then = crashes.note(now_us + CRASHES_WINDOW_US, false);
        assert_eq!(then, AfterCrash::Restart { pause_us: RESTART_PAUSE_US_MIN });
        assert_eq!(crashes.in_a_row(), 1);
    }
}
