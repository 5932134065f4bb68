//! When the file of the logins is written. One write runs at a time; what changes meanwhile goes
//! into the next one. New logins alone cause at most one write every [`LOGINS_WRITE_MS`]. Logins
//! that ended cause at most one every [`LOGINS_ENDED_WRITE_MS`]: they are urgent, because a power
//! cut would make them good again.
//!
//! No clock and no file here: [`super::guard`] has them.

use crate::limits::{LOGINS_ENDED_WRITE_MS, LOGINS_WRITE_MS};

/// How soon a change must be in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A login has begun. If it is lost, its user logs in again.
    Soon,
    /// A login that is in the file has ended: it must not come back with a restart.
    Ended,
}

/// The schedule of the writes. Changes are numbered from 1, so that the caller can tell when its
/// change is in the file.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Number of the last change.
    last: u64,
    /// Number of the last change that ended a login.
    last_ended: u64,
    /// Number of the last change that weir's shutdown waits for.
    last_hurried: u64,
    /// Number of the last change that is in the file, or that could not be written.
    kept: u64,
    /// When the last write was over, in µs.
    written_us: Option<u64>,
    /// The task that writes is running.
    is_attended: bool,
}

impl Keeping {
    /// Records a change; returns its number.
    pub(super) fn change(&mut self, urgency: Urgency) -> u64 {
        self.last += 1;
        if urgency == Urgency::Ended {
            self.last_ended = self.last;
        }
        self.last
    }

    /// Makes all that is not in the file due now, as weir shuts down; returns the number to wait
    /// for.
    pub(super) fn hurry(&mut self) -> u64 {
        self.last_hurried = self.last;
        self.last
    }

    /// Whether a change is in the file, or could not be written.
    pub(super) fn has_kept(&self, number: u64) -> bool {
        self.kept >= number
    }

    /// Whether the caller has to start the task that writes, which runs until [`Keeping::due_us`]
    /// is `None`.
    pub(super) fn attend(&mut self) -> bool {
        !std::mem::replace(&mut self.is_attended, true)
    }

    /// When the next write is due, in µs. `None` when all is in the file: the task that writes
    /// ends, and the next change starts another.
    pub(super) fn due_us(&mut self) -> Option<u64> {
        if self.has_kept(self.last) {
            self.is_attended = false;
            return None;
        }
        let after_ms = if !self.has_kept(self.last_hurried) {
            0
        } else if !self.has_kept(self.last_ended) {
            LOGINS_ENDED_WRITE_MS
        } else {
            LOGINS_WRITE_MS
        };
        Some(self.written_us.map_or(0, |written_us| written_us + after_ms * 1000))
    }

    /// The number of the last change that a write which begins now will hold.
    pub(super) fn begin(&self) -> u64 {
        self.last
    }

    /// Records that the write which holds the changes up to `holds` is over, well or not.
    pub(super) fn finish(&mut self, holds: u64, now_us: u64) {
        self.kept = holds;
        self.written_us = Some(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT_US: u64 = LOGINS_WRITE_MS * 1000;
    const ENDED_US: u64 = LOGINS_ENDED_WRITE_MS * 1000;

    /// Advances the clock until everything is in the file; returns when each write began.
    fn writes(keeping: &mut Keeping, mut now_us: u64) -> Vec<u64> {
        let mut at = Vec::new();
        while let Some(due_us) = keeping.due_us() {
            now_us = now_us.max(due_us);
            at.push(now_us);
            let holds = keeping.begin();
            keeping.finish(holds, now_us);
        }
        at
    }

    #[test]
    fn the_first_login_is_written_at_once_and_many_more_together() {
        let mut keeping = Keeping::default();
        keeping.change(Urgency::Soon);
        assert_eq!(writes(&mut keeping, 5), [5]);
        for _ in 0..64 {
            keeping.change(Urgency::Soon);
        }
        assert_eq!(writes(&mut keeping, 6), [5 + WAIT_US]);
        assert_eq!(keeping.due_us(), None, "and then there is nothing to write");
    }

    #[test]
    fn what_ends_a_login_waits_a_second_at_most_and_takes_the_others_along() {
        let mut keeping = Keeping::default();
        keeping.change(Urgency::Soon);
        writes(&mut keeping, 5);
        let login = keeping.change(Urgency::Soon);
        let logout = keeping.change(Urgency::Ended);
        assert_eq!(writes(&mut keeping, 6 + ENDED_US), [6 + ENDED_US], "the last write is older");
        assert!(keeping.has_kept(login) && keeping.has_kept(logout));
    }

    #[test]
    fn logins_and_logouts_without_end_are_one_write_a_second() {
        let mut keeping = Keeping::default();
        let (mut now_us, mut written) = (0, Vec::new());
        for _ in 0..100 {
            keeping.change(Urgency::Soon);
            let logout = keeping.change(Urgency::Ended);
            written.extend(writes(&mut keeping, now_us));
            assert!(keeping.has_kept(logout));
            now_us = written.last().expect("a write") + 1;
        }
        assert_eq!(written.len(), 100);
        assert!(written.windows(2).all(|pair| pair[1] - pair[0] == ENDED_US), "{written:?}");
    }

    #[test]
    fn what_changes_during_a_write_is_in_the_one_after_it() {
        let mut keeping = Keeping::default();
        keeping.change(Urgency::Ended);
        let holds = keeping.begin();
        let late: Vec<u64> = (0..9).map(|_| keeping.change(Urgency::Ended)).collect();
        keeping.finish(holds, 7);
        assert!(late.iter().all(|number| !keeping.has_kept(*number)));
        assert_eq!(writes(&mut keeping, 7), [7 + ENDED_US], "one for all of them");
        assert!(late.iter().all(|number| keeping.has_kept(*number)));
    }

    #[test]
    fn at_the_end_nothing_waits() {
        let mut keeping = Keeping::default();
        assert!(keeping.attend());
        keeping.change(Urgency::Soon);
        writes(&mut keeping, 5);
        assert!(keeping.attend(), "it was over");
        assert!(!keeping.attend(), "one at a time");
        let login = keeping.change(Urgency::Soon);
        assert_eq!(keeping.hurry(), login);
        assert_eq!(writes(&mut keeping, 6), [6]);
    }
}
