//! The last warnings and errors: [`EVENTS_KEPT`] distinct texts, with how often and when each was
//! logged. A further text replaces the one not logged for longest.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use log::Level;

use super::Text;
use crate::limits::{EVENT_BYTES_MAX, EVENTS_KEPT};

/// A warning or error that was logged, once or repeatedly.
#[derive(Debug, Clone)]
pub struct Event {
    /// Either warning or error.
    pub level: Level,
    /// The text, cut to [`EVENT_BYTES_MAX`] bytes.
    pub text: Text<EVENT_BYTES_MAX>,
    /// How often it was logged.
    pub count: u64,
    /// When it was first logged, in [`crate::clock::now_us`] microseconds.
    pub first_us: u64,
    /// When it was last logged, in the same unit.
    pub last_us: u64,
}

/// Counts of warnings and errors since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Errors logged since the start.
    pub errors: u64,
    /// Warnings logged since the start.
    pub warnings: u64,
}

struct Ring {
    events: heapless::Vec<Event, EVENTS_KEPT>,
    totals: Totals,
}

static RING: Mutex<Ring> = Mutex::new(Ring::new());

pub(super) const BYTES: usize = size_of::<Mutex<Ring>>();

/// Counts a warning or an error.
pub(super) fn note(level: Level, words: &fmt::Arguments, now_us: u64) {
    // Formatted before the lock is taken: a `Display` can run any code.
    let text = Text::of(*words);
    ring().note(level, text, now_us);
}

/// Counts of warnings and errors since the start.
pub fn totals() -> Totals {
    ring().totals
}

/// The last warnings and errors, the most recent last.
pub fn last() -> Vec<Event> {
    let mut events = ring().events.to_vec();
    events.sort_by_key(|event| event.last_us);
    events
}

fn ring() -> MutexGuard<'static, Ring> {
    // Nothing that can panic happens under the lock.
    RING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Ring {
    const fn new() -> Self {
        Self { events: heapless::Vec::new(), totals: Totals { errors: 0, warnings: 0 } }
    }

    fn note(&mut self, level: Level, text: Text<EVENT_BYTES_MAX>, now_us: u64) {
        match level {
            Level::Error => self.totals.errors += 1,
            _ => self.totals.warnings += 1,
        }
        let is_same =
            |event: &&mut Event| event.level == level && event.text.as_str() == text.as_str();
        if let Some(event) = self.events.iter_mut().find(is_same) {
            event.count += 1;
            event.last_us = now_us;
            return;
        }
        let event = Event { level, text, count: 1, first_us: now_us, last_us: now_us };
        if let Err(event) = self.events.push(event)
            && let Some(oldest) = self.events.iter_mut().min_by_key(|event| event.last_us)
        {
            *oldest = event;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(ring: &mut Ring, level: Level, words: &str, now_us: u64) {
        ring.note(level, Text::of(format_args!("{words}")), now_us);
    }

    #[test]
    fn the_same_text_is_counted_and_not_repeated() {
        let mut ring = Ring::new();
        noted(&mut ring, Level::Warn, "camera gate: gone", 1);
        noted(&mut ring, Level::Error, "camera gate: gone", 2);
        noted(&mut ring, Level::Warn, "camera gate: gone", 3);
        assert_eq!(ring.totals, Totals { errors: 1, warnings: 2 });
        assert_eq!(ring.events.len(), 2);
        let warning = &ring.events[0];
        assert_eq!((warning.count, warning.first_us, warning.last_us), (2, 1, 3));
    }

    #[test]
    fn a_full_ring_forgets_what_was_not_heard_of_for_longest() {
        let mut ring = Ring::new();
        for number in 0..EVENTS_KEPT {
            noted(&mut ring, Level::Warn, &number.to_string(), number as u64);
        }
        noted(&mut ring, Level::Warn, "0", 1000);
        noted(&mut ring, Level::Warn, &"x".repeat(EVENT_BYTES_MAX + 1), 1001);
        let has = |text: &str| ring.events.iter().any(|event| event.text.as_str() == text);
        assert!(has("0") && !has("1") && has("2"));
        assert!(has(&"x".repeat(EVENT_BYTES_MAX)), "cut to its bound");
        assert_eq!(ring.events.len(), EVENTS_KEPT);
    }
}
