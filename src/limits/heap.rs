//! The library heap's accounts: how many of each kind, beside those that a table bounds.

use super::KIB;

/// Configuration files being read or changed at once: a reload, and what a console asks.
pub const CONFIGURATIONS_READ_MAX: usize = 2;
/// Nothing is admitted unless a block of this size is free, whatever the free blocks' sum: the
/// largest that is asked for in one piece, an offer's buffer that grows to its end.
pub const HEAP_PROBE_BYTES: usize = 64 * KIB;
