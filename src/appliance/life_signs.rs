//! Whether weir is alive, by the signs that it gives to its service manager, and whether the
//! hardware watchdog may be fed. No clock and no process here.
//!
//! weir has to be ready some time after its start, and to give a sign at least every so often from
//! then on. What is overdue is ended by init and started again. The watchdog is fed meanwhile, as a
//! reset would heal nothing better; but not without end: a kernel that cannot end a process, or a
//! box on which weir never gets ready, is reset.

use crate::limits::{
    WEIR_ABORT_US_MAX, WEIR_END_US_MAX, WEIR_SIGN_US_MAX, WEIR_SIGNLESS_US_MAX, WEIR_START_US_MAX,
};

/// What init knows of weir's life.
#[derive(Debug)]
pub struct LifeSigns {
    state: State,
    /// The last sign of any weir since the box was started, or when init began.
    seen_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No weir runs.
    Gone,
    /// It was started and is not ready.
    Starting { since_us: u64 },
    /// It is ready, and gave its last sign then.
    Alive { last_us: u64 },
    /// It was told to end then.
    Ending { since_us: u64 },
}

/// What is to be done about a weir that is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It gives no sign: SIGABRT, so that it leaves a report.
    Abort,
    /// It does not end: SIGKILL.
    Kill,
}

impl LifeSigns {
    /// Before weir is started for the first time.
    pub fn new(now_us: u64) -> Self {
        Self { state: State::Gone, seen_us: now_us }
    }

    /// weir was started at this moment.
    pub fn started(&mut self, now_us: u64) {
        self.state = State::Starting { since_us: now_us };
    }

    /// weir gave a sign of life, or said that it is ready; one that ends is not believed.
    pub fn sign(&mut self, now_us: u64) {
        if matches!(self.state, State::Starting { .. } | State::Alive { .. }) {
            self.state = State::Alive { last_us: now_us };
            self.seen_us = now_us;
        }
    }

    /// weir was told to end; after a while it is to be killed.
    pub fn ending(&mut self, now_us: u64) {
        if !matches!(self.state, State::Ending { .. }) {
            self.state = State::Ending { since_us: now_us };
        }
    }

    /// weir ended, told to or not.
    pub fn ended(&mut self) {
        self.state = State::Gone;
    }

    /// What is overdue now; `None` if nothing is.
    pub fn overdue(&self, now_us: u64) -> Option<Overdue> {
        match self.state {
            State::Gone => None,
            State::Starting { since_us } => {
                (now_us.saturating_sub(since_us) >= WEIR_START_US_MAX).then_some(Overdue::Abort)
            }
            State::Alive { last_us } => {
                (now_us.saturating_sub(last_us) >= WEIR_SIGN_US_MAX).then_some(Overdue::Abort)
            }
            State::Ending { since_us } => {
                (now_us.saturating_sub(since_us) >= WEIR_ABORT_US_MAX).then_some(Overdue::Kill)
            }
        }
    }

    /// Whether the hardware watchdog may be fed.
    pub fn may_feed(&self, now_us: u64) -> bool {
        if now_us.saturating_sub(self.seen_us) >= WEIR_SIGNLESS_US_MAX {
            return false;
        }
        match self.state {
            // A process that SIGKILL does not end hangs in the kernel.
            State::Ending { since_us } => now_us.saturating_sub(since_us) < WEIR_END_US_MAX,
            State::Gone | State::Starting { .. } | State::Alive { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weir_that_gives_signs_is_left_alone() {
        let mut life = LifeSigns::new(0);
        life.started(0);
        life.sign(WEIR_START_US_MAX - 1);
        let mut now_us = WEIR_START_US_MAX - 1;
        for _ in 0..1000 {
            now_us += WEIR_SIGN_US_MAX / 2;
            assert_eq!(life.overdue(now_us), None);
            assert!(life.may_feed(now_us));
            life.sign(now_us);
        }
    }

    #[test]
    fn one_that_is_never_ready_or_falls_silent_is_aborted_then_killed() {
        let mut life = LifeSigns::new(0);
        life.started(0);
        assert_eq!(life.overdue(WEIR_START_US_MAX - 1), None);
        assert_eq!(life.overdue(WEIR_START_US_MAX), Some(Overdue::Abort));
        life.sign(0);
        assert_eq!(life.overdue(WEIR_SIGN_US_MAX - 1), None);
        assert_eq!(life.overdue(WEIR_SIGN_US_MAX), Some(Overdue::Abort));
        life.ending(WEIR_SIGN_US_MAX);
        life.sign(WEIR_SIGN_US_MAX);
        let now_us = WEIR_SIGN_US_MAX + WEIR_ABORT_US_MAX;
        assert_eq!(life.overdue(now_us - 1), None);
        assert_eq!(life.overdue(now_us), Some(Overdue::Kill));
        life.ending(now_us);
        assert_eq!(life.overdue(now_us), Some(Overdue::Kill), "the time goes on");
        life.ended();
        assert_eq!(life.overdue(u64::MAX), None);
    }

    #[test]
    fn what_cannot_be_ended_is_left_to_the_watchdog() {
        let mut life = LifeSigns::new(0);
        life.started(0);
        life.sign(0);
        life.ending(10);
        assert!(life.may_feed(10 + WEIR_END_US_MAX - 1));
        assert!(!life.may_feed(10 + WEIR_END_US_MAX));
    }

    #[test]
    fn a_box_without_any_sign_is_reset_in_the_end() {
        let mut life = LifeSigns::new(0);
        let mut now_us = 0;
        while life.may_feed(now_us) {
            life.started(now_us);
            now_us += WEIR_START_US_MAX;
            life.ended();
        }
        assert!((WEIR_SIGNLESS_US_MAX..WEIR_SIGNLESS_US_MAX + WEIR_START_US_MAX).contains(&now_us));
        life.started(now_us);
        life.sign(now_us);
        assert!(life.may_feed(now_us));
    }
}
