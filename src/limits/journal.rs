//! Bounds of the log: how much is kept, and how many lines of one kind are written.

use super::PROFILE;

/// Warnings and errors that `/api/status` shows, each text once.
pub const EVENTS_KEPT: usize = 64;
/// Bytes of each of their texts; longer ones are cut.
pub const EVENT_BYTES_MAX: usize = 160;
/// Log lines that are kept for a console to show: 11 KiB.
pub const LOG_LINES_KEPT: usize = 64;
/// Log lines of one text that are written at once, and after them one per [`LOG_TEXT_US`].
pub const LOG_TEXT_LINES: u64 = 4;
/// See [`LOG_TEXT_LINES`].
pub const LOG_TEXT_US: u64 = 60_000_000;
/// Log lines from one place in the program, whatever their text: enough for two per camera.
pub const LOG_SITE_LINES: u64 = 2 * PROFILE.cameras as u64 + 64;
/// See [`LOG_SITE_LINES`].
pub const LOG_SITE_US: u64 = 2_000_000;
/// Places in the program whose lines are counted; a further one replaces the quietest.
pub const LOG_SITES_MAX: usize = 64;
/// Texts whose lines are counted; a further one replaces the quietest.
pub const LOG_TEXTS_MAX: usize = 256;
