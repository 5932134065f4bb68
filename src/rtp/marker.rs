//! How a camera sets the RTP marker bit.
//!
//! For browsers the marker ends an access unit. Most cameras set it on the last packet of the last
//! slice; a FLIR M400 never sets it, and others set it on every slice or on a trailing SEI. The
//! first access units decide for good, before viewers may join, because published packets never
//! change and neither does the way they are published.

use crate::limits::MARKER_PROBE_ACCESS_UNITS;

/// What is known of the camera's marker bits; all zeros at first.
#[derive(Debug, Default)]
pub struct MarkerHabit {
    access_units: u32,
    odd: bool,
}

impl MarkerHabit {
    /// The state before the first access unit.
    pub const fn new() -> Self {
        Self { access_units: 0, odd: false }
    }

    /// Notes a complete access unit; `sound` if only its last packet had the marker. Returns true
    /// if this access unit settles that the camera's markers are unusable.
    pub fn observe(&mut self, sound: bool) -> bool {
        if self.latched() {
            return false;
        }
        self.access_units += 1;
        self.odd |= !sound;
        self.latched() && self.odd
    }

    /// Whether enough access units were seen to decide.
    pub fn latched(&self) -> bool {
        self.access_units >= MARKER_PROBE_ACCESS_UNITS
    }

    /// Whether the last packet must be held until the next access unit begins.
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
