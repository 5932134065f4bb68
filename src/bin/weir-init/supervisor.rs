//! Keeps weir running: starts it again when it ends, ends it when it gives no sign of life, and
//! decides by its crashes and by its health what becomes of the slot.

use std::sync::mpsc::{Receiver, TryRecvError};

use rustix::process::Signal;
use weir::appliance::crashes::{AfterCrash, Crashes};
use weir::appliance::life_signs::{LifeSigns, Overdue};
use weir::appliance::trial::{Trial, TrialVerdict};
use weir::clock;
use weir::limits::{
    LAST_LINES_KEPT_IN_A_ROW, LAST_LINES_US, RESTART_PAUSE_US_MAX, TRIAL_LOOK_GAP_US_MAX,
};

use super::data::LastLinesFile;
use super::health::{self, Sight};
use super::program::WeirProgram;

/// weir's supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) program: WeirProgram,
    life: LifeSigns,
    crashes: Crashes,
    /// When weir is started next, if it does not run.
    start_us: u64,
    /// Why it was ended by init, until it has ended.
    ended_for: Option<&'static str>,
    /// Whether it is to end for good, as the box does.
    is_stopping: bool,
    trial: Option<(Trial, Receiver<Sight>)>,
    looked_us: u64,
    last_lines: LastLinesFile,
    kept_us: Option<u64>,
    /// Whether weir was ready at least once.
    was_alive: bool,
}

/// What the slot's state becomes by what weir did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SlotVerdict {
    /// Nothing new.
    Same,
    /// The slot is good.
    Good,
    /// The slot is to be given up for this reason, and the other one booted.
    GiveUp(String),
}

impl Supervisor {
    /// A supervisor that starts weir at its first turn, and looks whether the slot is good.
    pub(crate) fn new(
        program: WeirProgram,
        last_lines: LastLinesFile,
        trial: Trial,
        now_us: u64,
    ) -> Self {
        Self {
            program,
            life: LifeSigns::new(now_us),
            crashes: Crashes::default(),
            start_us: now_us,
            ended_for: None,
            is_stopping: false,
            trial: Some((trial, health::looks())),
            looked_us: now_us,
            last_lines,
            kept_us: None,
            was_alive: false,
        }
    }

    /// Whether the watchdog may be fed.
    pub(crate) fn may_feed(&self, now_us: u64) -> bool {
        self.life.may_feed(now_us)
    }

    /// Whether the slot is known to be good.
    pub(crate) fn is_good(&self) -> bool {
        self.trial.is_none()
    }

    /// Whether weir was ready once.
    pub(crate) fn was_alive(&self) -> bool {
        self.was_alive
    }

    /// When there is something to do at the latest.
    pub(crate) fn deadline_us(&self) -> u64 {
        if self.program.is_running() || self.is_stopping { u64::MAX } else { self.start_us }
    }

    /// Does what is due; `is_other_bootable` is asked if the slot could be given up.
    pub(crate) fn turn(
        &mut self,
        now_us: u64,
        is_other_bootable: impl FnOnce() -> bool,
    ) -> SlotVerdict {
        self.program.take_log();
        if self.program.gave_sign() {
            self.life.sign(now_us);
            self.was_alive = true;
        }
        if let Some(how) = self.program.reap() {
            let verdict = self.ended(&how, now_us, is_other_bootable);
            if verdict != SlotVerdict::Same {
                return verdict;
            }
        } else {
            self.end_what_is_overdue(now_us);
        }
        if !self.program.is_running() && !self.is_stopping && now_us >= self.start_us {
            self.start(now_us);
        }
        self.look(now_us)
    }

    /// Goes on with a slot that was to be given up, as there is no other one.
    pub(crate) fn go_on(&mut self, now_us: u64) {
        if let Some((trial, _)) = &mut self.trial {
            *trial = Trial::of_boot(now_us);
        }
        if !self.program.is_running() {
            self.start_us = now_us;
        }
    }

    /// Starts weir no more: the box is about to end.
    pub(crate) fn hold(&mut self) {
        self.start_us = u64::MAX;
    }

    /// Tells weir to end for good.
    pub(crate) fn stop(&mut self, now_us: u64) {
        self.is_stopping = true;
        self.program.signal(Signal::TERM);
        self.life.ending(now_us);
    }

    fn start(&mut self, now_us: u64) {
        match self.program.start() {
            Ok(()) => self.life.started(now_us),
            Err(error) => {
                log::error!("weir cannot be started: {error}");
                // As if it had ended, but without anything to keep.
                if let AfterCrash::Restart { pause_us } = self.crashes.note(now_us, false) {
                    self.start_us = now_us + pause_us;
                }
            }
        }
    }

    fn ended(
        &mut self,
        how: &str,
        now_us: u64,
        is_other_bootable: impl FnOnce() -> bool,
    ) -> SlotVerdict {
        self.life.ended();
        let reason = self.ended_for.take();
        if self.is_stopping {
            return SlotVerdict::Same;
        }
        let why = match reason {
            Some(reason) => format!("weir {reason}, and was ended"),
            None => format!("weir ended {how}"),
        };
        log::error!("{why}");
        let after = self.crashes.note(now_us, is_other_bootable());
        self.keep_last_lines(&why, now_us);
        match after {
            AfterCrash::GiveUp => {
                // Not at once: the box is about to be restarted.
                self.start_us = now_us + RESTART_PAUSE_US_MAX;
                SlotVerdict::GiveUp(format!("{why}, again and again"))
            }
            AfterCrash::Restart { pause_us } => {
                self.start_us = now_us + pause_us;
                SlotVerdict::Same
            }
        }
    }

    fn end_what_is_overdue(&mut self, now_us: u64) {
        match self.life.overdue(now_us) {
            None => {}
            Some(Overdue::Abort) => {
                let reason =
                    if self.was_alive { "gave no sign of life" } else { "never got ready" };
                log::error!("weir {reason}");
                self.ended_for = Some(reason);
                self.program.signal(Signal::ABORT);
                self.life.ending(now_us);
            }
            Some(Overdue::Kill) => self.program.signal(Signal::KILL),
        }
    }

    /// Keeps weir's last lines on the disk, unless it crashes so often that it would wear it out.
    fn keep_last_lines(&mut self, why: &str, now_us: u64) {
        let is_due = self.crashes.in_a_row() <= LAST_LINES_KEPT_IN_A_ROW
            || self.kept_us.is_none_or(|kept_us| now_us.saturating_sub(kept_us) >= LAST_LINES_US);
        if !is_due {
            return;
        }
        self.kept_us = Some(now_us);
        let mut text = format!("{} {why}\n", clock::utc(now_us)).into_bytes();
        text.extend(self.program.last_lines());
        self.last_lines.write(&text);
    }

    /// Takes a look at weir's health, if there is one, and judges the slot by it.
    fn look(&mut self, now_us: u64) -> SlotVerdict {
        let Some((trial, looks)) = &mut self.trial else { return SlotVerdict::Same };
        let seen = match looks.try_recv() {
            Ok(seen) => seen,
            // A thread that looks no more has seen nothing.
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                if now_us.saturating_sub(self.looked_us) < TRIAL_LOOK_GAP_US_MAX {
                    return SlotVerdict::Same;
                }
                None
            }
        };
        self.looked_us = now_us;
        match trial.look(seen.as_ref(), now_us) {
            TrialVerdict::Open => SlotVerdict::Same,
            TrialVerdict::Good => {
                self.trial = None;
                SlotVerdict::Good
            }
            TrialVerdict::Failed(why) => SlotVerdict::GiveUp(why.to_owned()),
        }
    }
}
