//! A camera's marker habit.
//!
//! The marker ends an access unit in a browser's eyes. Most cameras set it on the last packet of
//! the last slice; a FLIR M400 never does, others set it on every slice or on a trailing SEI.
//! The first access units decide, before anyone watches, and for good: what was published never
//! changes, and how it is published does not change under a viewer either.

use crate::limits::MARKER_PROBE_ACCESS_UNITS;

/// What is known of the habit. All zeros: nothing.
#[derive(Debug, Default)]
pub struct MarkerHabit {
    access_units: u32,
    odd: bool,
}

impl MarkerHabit {
    /// Nothing known.
    pub const fn new() -> Self {
        Self { access_units: 0, odd: false }
    }

    /// An access unit came whole; whether its last packet alone had the marker. `true` when this
    /// settles it that the camera's markers are of no use.
    pub fn observe(&mut self, sound: bool) -> bool {
        if self.latched() {
            return false;
        }
        self.access_units += 1;
        self.odd |= !sound;
        self.latched() && self.odd
    }

    /// The habit is settled.
    pub fn latched(&self) -> bool {
        self.access_units >= MARKER_PROBE_ACCESS_UNITS
    }

    /// The last packet has to be held back until the next access unit begins.
    pub fn holds_back(&self) -> bool {
        self.latched() && self.odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_access_unit_among_the_first_settles_it_and_later_ones_change_nothing() {
        let mut sound = MarkerHabit::new();
        let mut odd = MarkerHabit::new();
        for n in 0..MARKER_PROBE_ACCESS_UNITS {
            assert!(!sound.latched() && !odd.latched());
            assert!(!sound.observe(true));
            let settles = n + 1 == MARKER_PROBE_ACCESS_UNITS;
            assert_eq!(odd.observe(n != 1), settles);
        }
        for _ in 0..100 {
            assert!(!sound.observe(false));
            assert!(!odd.observe(true));
        }
        assert!(sound.latched() && !sound.holds_back());
        assert!(odd.latched() && odd.holds_back());
    }
}
