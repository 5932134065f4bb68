//! The library heap's accounts: how many of each kind, where no table bounds it.

use super::KIB;

/// Configuration files that are read or edited at once: by a reload and by a console.
pub const CONFIGURATIONS_READ_MAX: usize = 2;
/// Nothing is admitted unless a block of this size is free, whatever the sum of the free blocks. It
/// is the largest single allocation: an offer's buffer that grows to its end.
pub const HEAP_PROBE_BYTES: usize = 64 * KIB;
