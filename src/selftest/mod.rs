//! `weir selftest`: loads a weir on this box with cameras and viewers of its own, over loopback,
//! and says what the box can carry.
//!
//! This process is the load: [`cameras`] of [`crate::demo`] and sessions of [`crate::verify`], one
//! with each. The weir that is judged is a process beside it ([`judged`]), the same program with a
//! configuration of its own, so that its CPU time and its memory are its own. [`measure`] runs the
//! two and finds [`facts`]; [`rules`] judges them, [`carrying`] derives what the box carries, and
//! [`report`] shows it all.
//!
//! It needs neither the network nor privileges, and touches no other weir: ports that are free, and
//! a temporary folder. However it ends, the judged weir ends and the folder goes; only where this
//! process is killed, or dies of a panic, the folder stays. Bounded in time by the limits of its
//! steps (`src/limits/selftest.rs`).

mod cameras;
mod carrying;
mod facts;
mod judged;
mod measure;
mod report;
mod rules;
mod sealing;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

pub use report::SelftestReport;

/// The load, and for how long it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelftestOptions {
    /// Cameras, each with one viewer; at most [`crate::limits::SELFTEST_CAMERAS_MAX`].
    pub cameras: usize,
    /// Seconds of the window in which is measured.
    pub seconds: u64,
}

/// Runs the selftest. Must be called on the main thread.
///
/// # Errors
/// A signal ended it, or this process cannot run it at all; a sentence.
pub async fn selftest(options: SelftestOptions) -> Result<SelftestReport, String> {
    let local = LocalSet::new();
    let interrupted = interruption()?;
    tokio::select! {
        facts = local.run_until(measure::measure(options)) => {
            Ok(SelftestReport::of(options, facts?))
        }
        () = interrupted => Err("interrupted".to_owned()),
    }
}

/// Waits for a signal to end.
///
/// # Errors
/// The signals cannot be waited for; a sentence.
fn interruption() -> Result<impl Future<Output = ()>, String> {
    let open = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut terminate = open(SignalKind::terminate())?;
    let mut hangup = open(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
