//! What is kept of the log, and how much of one kind it takes.

use super::PROFILE;

/// Warnings and errors that `/api/status` shows, each text once.
pub const EVENTS_KEPT: usize = 64;
/// A text of those; longer ones are cut.
pub const EVENT_BYTES_MAX: usize = 160;
/// Lines of the log that a console can be shown: 11 KiB.
pub const LOG_LINES_KEPT: usize = 64;
/// Lines of one text that the log takes at once, and then one in so long a time.
pub const LOG_TEXT_LINES: u64 = 4;
/// See [`LOG_TEXT_LINES`].
pub const LOG_TEXT_US: u64 = 60_000_000;
/// Lines from one place in the program, whatever their text: each camera may say two things.
pub const LOG_SITE_LINES: u64 = 2 * PROFILE.cameras as u64 + 64;
/// See [`LOG_SITE_LINES`].
pub const LOG_SITE_US: u64 = 2_000_000;
/// Places and texts whose lines are counted; one more takes the place of the quietest.
pub const LOG_SITES_MAX: usize = 64;
/// See [`LOG_SITES_MAX`].
pub const LOG_TEXTS_MAX: usize = 256;
