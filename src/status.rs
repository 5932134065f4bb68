//! What the media thread lets others see: statistics in atomics, one block per camera slot and per
//! session slot. Each figure is written by one thread, read by any, and never locked. How full
//! things are is told in the same way ([`TABLES`]).
//!
//! A figure is declared once, with its name, kind and help: see [`figures`].

mod camera;
pub mod figures;
mod process;
mod send_delay;
mod session;
pub mod tasks;
mod usage;

use crate::limits::{CAMERAS_MAX, SESSIONS_MAX};

pub use camera::{BreakReason, CameraStats, SkipFigures, SkipReason};
pub use process::Gauges;
pub use send_delay::{SEND_DELAY_BOUNDS_US, SendDelayCounts, SendDelays};
pub use session::{SessionStats, StatsAddress};
pub use usage::{Counts, TABLES, Tables, Usage};

/// The process's own figures.
pub static GAUGES: Gauges = Gauges::new();

/// How long packets take from the media thread's wake-up to their send.
pub static SEND_DELAYS: SendDelays = SendDelays::new();

/// The statistics of each camera slot.
pub static CAMERAS: [CameraStats; CAMERAS_MAX] = [const { CameraStats::new() }; CAMERAS_MAX];

/// The statistics of each session slot.
pub static SESSIONS: [SessionStats; SESSIONS_MAX] = [const { SessionStats::new() }; SESSIONS_MAX];
