//! An end that is under way: of this start of the box, or of its running at all.

use weir::limits::{WEIR_ABORT_US_MAX, WEIR_END_US_MAX};

/// From the answer to a request until weir is stopped, so that the answer arrives.
const PAUSE_US: u64 = 300_000;
const _: () = assert!(WEIR_ABORT_US_MAX < WEIR_END_US_MAX, "weir is killed before it is left");

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Restart,
    PowerOff,
    /// Everything that was configured is forgotten, then as [`Then::Restart`].
    ForgetAndRestart,
}

/// An end that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) then: Then,
    stop_us: u64,
    is_stopping: bool,
}

impl Ending {
    /// An end that begins in a moment.
    pub(crate) fn new(then: Then, now_us: u64) -> Self {
        Self { then, stop_us: now_us + PAUSE_US, is_stopping: false }
    }

    /// When there is something to do at the latest.
    pub(crate) fn deadline_us(&self) -> u64 {
        if self.is_stopping { self.stop_us + WEIR_END_US_MAX } else { self.stop_us }
    }

    /// What is to be done now; `is_running` says whether weir still is.
    pub(crate) fn step(&mut self, is_running: bool, now_us: u64) -> Step {
        if now_us < self.stop_us {
            Step::Wait
        } else if !self.is_stopping {
            self.is_stopping = true;
            Step::Stop
        } else if is_running && now_us < self.stop_us + WEIR_END_US_MAX {
            Step::Wait
        } else {
            Step::End
        }
    }
}

/// What an end needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    /// weir is to be stopped.
    Stop,
    /// The kernel is to be told.
    End,
}
