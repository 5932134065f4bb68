//! When the file of the logins is written: one write at a time, what changes meanwhile goes into the
//! next one. A new login alone makes one every [`LOGINS_WRITE_MS`] at most, and a login that ended
//! one every [`LOGINS_ENDED_WRITE_MS`]: it is urgent, because a power cut would make it good again.
//!
//! No clock and no file here: [`super::guard`] has them.

use crate::limits::{LOGINS_ENDED_WRITE_MS, LOGINS_WRITE_MS};

/// How soon a change must be in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A login has begun: when it is lost, somebody logs in again.
    Soon,
    /// A login that is in the file has ended.
    Ended,
}

/// Changes are counted from 1, so that whoever made one can tell when it is in the file.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// The last change.
    last: u64,
    /// The last one that ended a login.
    last_ended: u64,
    /// The last one that weir's own end waits for.
    last_hurried: u64,
    /// The last one that is in the file, or that could not be written.
    kept: u64,
    /// When the last write was over.
    written_us: Option<u64>,
    /// Somebody sees to what is due.
    is_attended: bool,
}

impl Keeping {
    /// Takes a change; its number.
    pub(super) fn change(&mut self, urgency: Urgency) -> u64 {
        self.last += 1;
        if urgency == Urgency::Ended {
            self.last_ended = self.last;
        }
        self.last
    }

    /// Has all that is not in the file written now; the number to wait for.
    pub(super) fn hurry(&mut self) -> u64 {
        self.last_hurried = self.last;
        self.last
    }

    /// Whether a change is in the file.
    pub(super) fn has_kept(&self, number: u64) -> bool {
        self.kept >= number
    }

    /// Whether the caller is to see to what is due from now on: until [`Keeping::due_us`] has
    /// nothing more.
    pub(super) fn attend(&mut self) -> bool {
        !std::mem::replace(&mut self.is_attended, true)
    }

    /// When the next write is due; `None`, and somebody else is to attend, when all is in the file.
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

    /// What a write that begins now will hold.
    pub(super) fn begin(&self) -> u64 {
        self.last
    }

    /// A write is over.
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

    /// Turns the clock until everything is in the file; when each write began.
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
