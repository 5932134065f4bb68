//! How often the media thread wakes up. Where much comes, it lets it come together for a moment, as
//! network cards do with their interrupts.
//!
//! A wake-up costs as much as a packet, and beyond some thousand a second most bring one piece of
//! one frame: of a hundred cameras, of cameras behind a port of 100 Mbit/s, or of datagrams. Then
//! wake-ups keep a distance of [`WAKEUP_DISTANCE_US`], and one brings what has come meanwhile. With
//! fewer of them, or when the distance gathers nothing, what comes is served at once.

use std::time::Duration;

use crate::limits::{WAKEUP_DISTANCE_US, WAKEUPS_AT_ONCE_MAX};

/// The wake-ups since the last review, and whether they keep a distance.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    wakeups: u32,
    events: u32,
    keep_distance: bool,
}

impl Wakeups {
    /// Counts a wake-up that brought so many events; one by a time-out brings none.
    pub(super) fn count(&mut self, events: usize) {
        self.wakeups += u32::from(events > 0);
        self.events = self.events.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
    }

    /// Decides for the time until the next review.
    pub(super) fn review(&mut self) {
        let Self { wakeups, events, keep_distance } = std::mem::take(self);
        self.keep_distance = match keep_distance {
            false => wakeups > WAKEUPS_AT_ONCE_MAX,
            true => u64::from(events) * 2 >= u64::from(wakeups) * 3 && wakeups > 0,
        };
    }

    /// Whether the next wake-up keeps its distance from this one.
    pub(super) fn keep_distance(&self) -> bool {
        self.keep_distance
    }

    /// What is left of the distance from a wake-up, for which to sleep.
    pub(super) fn rest(woken_us: u64, now_us: u64) -> Duration {
        Duration::from_micros((woken_us + WAKEUP_DISTANCE_US).saturating_sub(now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed(wakeups: &mut Wakeups, times: u32, events: usize) -> bool {
        (0..times).for_each(|_| wakeups.count(events));
        wakeups.review();
        wakeups.keep_distance()
    }

    #[test]
    fn many_wake_ups_keep_a_distance_while_that_gathers_something() {
        let mut wakeups = Wakeups::default();
        assert!(!reviewed(&mut wakeups, WAKEUPS_AT_ONCE_MAX, 9), "few wake-ups, each with much");
        assert!(reviewed(&mut wakeups, WAKEUPS_AT_ONCE_MAX + 1, 1));
        assert!(reviewed(&mut wakeups, 100, 2));
        assert!(!reviewed(&mut wakeups, 2, 1), "one at a time again");
        assert!(reviewed(&mut wakeups, WAKEUPS_AT_ONCE_MAX + 1, 1));
        assert!(!reviewed(&mut wakeups, 1000, 0), "time-outs alone");
        assert!(!reviewed(&mut wakeups, 0, 0));
    }

    #[test]
    fn a_distance_is_from_wake_up_to_wake_up() {
        assert_eq!(Wakeups::rest(5_000, 5_100), Duration::from_micros(WAKEUP_DISTANCE_US - 100));
        assert_eq!(Wakeups::rest(5_000, 5_000 + WAKEUP_DISTANCE_US), Duration::ZERO);
        assert_eq!(Wakeups::rest(5_000, 50_000), Duration::ZERO);
    }
}
