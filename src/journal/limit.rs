//! Limits how often a line is written. Each text has a budget, and each place in the program has
//! one over all its texts: a camera that comes and goes every second logs the same two lines, a
//! flood of unknown clients logs one line with ever new addresses. A budget allows a few lines at
//! once, and then one per fixed interval. Its state is a single time: when it will be full again.
//!
//! When a table is full, the budget nearest to full is given up, which loses the least.

use std::fmt;
use std::sync::Mutex;

use log::Record;

use crate::limits::{
    LOG_SITE_LINES, LOG_SITE_US, LOG_SITES_MAX, LOG_TEXT_LINES, LOG_TEXT_US, LOG_TEXTS_MAX,
};

static LIMIT: Mutex<Limit> = Mutex::new(Limit::new());

pub(super) const BYTES: usize = size_of::<Mutex<Limit>>();

/// Whether a line may be written; if so, how many like it were left out since the last one.
pub(super) fn admit(record: &Record, now_us: u64) -> Option<u32> {
    let mut hash = Fnv1a::new();
    // Writing to the hash does not fail.
    let _ = fmt::write(&mut hash, format_args!("{:?}{:?}", record.file(), record.line()));
    let site = hash.0;
    let _ = fmt::write(&mut hash, *record.args());
    // Nothing that can panic happens under the lock.
    let mut limit = LIMIT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    limit.admit(site, hash.0, now_us)
}

struct Limit {
    sites: Budgets<LOG_SITES_MAX>,
    texts: Budgets<LOG_TEXTS_MAX>,
}

impl Limit {
    const fn new() -> Self {
        Self {
            sites: Budgets::new(LOG_SITE_LINES, LOG_SITE_US),
            texts: Budgets::new(LOG_TEXT_LINES, LOG_TEXT_US),
        }
    }

    fn admit(&mut self, site: u64, text: u64, now_us: u64) -> Option<u32> {
        // The texts of a place that is over its budget take no entry.
        if !self.sites.has_room(site, now_us) || !self.texts.has_room(text, now_us) {
            return None;
        }
        Some(self.sites.spend(site, now_us) + self.texts.spend(text, now_us))
    }
}

/// Budgets of one kind, keyed by hash.
struct Budgets<const N: usize> {
    budgets: heapless::Vec<Budget, N>,
    lines: u64,
    every_us: u64,
}

#[derive(Debug)]
struct Budget {
    key: u64,
    /// When the budget is full again, in microseconds.
    whole_us: u64,
    /// Lines left out since the last one that was written.
    left_out: u32,
}

impl<const N: usize> Budgets<N> {
    const fn new(lines: u64, every_us: u64) -> Self {
        Self { budgets: heapless::Vec::new(), lines, every_us }
    }

    fn of(&mut self, key: u64) -> Option<&mut Budget> {
        if let Some(index) = self.budgets.iter().position(|budget| budget.key == key) {
            return self.budgets.get_mut(index);
        }
        let fresh = Budget { key, whole_us: 0, left_out: 0 };
        if let Err(fresh) = self.budgets.push(fresh) {
            let spare = self.budgets.iter_mut().min_by_key(|budget| budget.whole_us)?;
            *spare = fresh;
            return Some(spare);
        }
        self.budgets.last_mut()
    }

    /// Whether a line is left in the budget; if not, counts one as left out.
    fn has_room(&mut self, key: u64, now_us: u64) -> bool {
        let burst_us = (self.lines - 1) * self.every_us;
        let Some(budget) = self.of(key) else { return true };
        let has_room = budget.whole_us <= now_us + burst_us;
        if !has_room {
            budget.left_out += 1;
        }
        has_room
    }

    /// Spends a line; returns how many were left out before it.
    fn spend(&mut self, key: u64, now_us: u64) -> u32 {
        let every_us = self.every_us;
        let Some(budget) = self.of(key) else { return 0 };
        budget.whole_us = budget.whole_us.max(now_us) + every_us;
        std::mem::take(&mut budget.left_out)
    }
}

/// FNV-1a: a collision of two lines costs a line of the log, no more.
struct Fnv1a(u64);

impl Fnv1a {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Fnv1a {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: u64 = 24 * 3600 * 1_000_000;

    #[test]
    fn a_line_said_every_second_is_written_once_a_minute_with_how_many_were_left_out() {
        let mut limit = Limit::new();
        let mut written = Vec::new();
        for second in 0..600 {
            written.extend(limit.admit(1, 1, second * 1_000_000).map(|more| (second, more)));
        }
        let first: Vec<u64> = written.iter().map(|(second, _)| *second).take(4).collect();
        assert_eq!(first, [0, 1, 2, 3], "a few at once");
        assert_eq!(written[5].0 - written[4].0, 60);
        assert_eq!(written[5].1, 59);
        assert!(limit.admit(1, 2, 600_000_000).is_some(), "another text is not held back");
    }

    #[test]
    fn a_flood_of_ever_new_texts_is_bounded_by_its_place() {
        let mut limit = Limit::new();
        let lines = |limit: &mut Limit, site: u64| {
            (0..DAY_US / 1_000_000 * 20)
                .filter(|line| limit.admit(site, *line, line * 50_000).is_some())
                .count() as u64
        };
        let most = LOG_SITE_LINES + DAY_US / LOG_SITE_US + 1;
        assert!((most - 2..=most).contains(&lines(&mut limit, 1)));
        assert!(limit.admit(2, 1, DAY_US).is_some(), "another place is not held back");
    }

    #[test]
    fn every_camera_may_say_two_things_at_once() {
        let mut limit = Limit::new();
        let cameras = crate::limits::CAMERAS_MAX as u64;
        assert!((0..2 * cameras).all(|text| limit.admit(1, text, 0) == Some(0)));
    }
}
