//! How long packets take within weir, as a histogram: from the wake-up of the media thread that
//! sealed them to the call that sent them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Bounds of the parts, in microseconds. What took longer than the last is a part of its own.
pub const SEND_DELAY_BOUNDS_US: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000];

const PARTS: usize = SEND_DELAY_BOUNDS_US.len() + 1;

/// The delays since the start. The media thread writes them.
#[derive(Debug)]
pub struct SendDelays {
    packets: [AtomicU64; PARTS],
    sum_us: AtomicU64,
}

/// The delays as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendDelayCounts {
    /// Packets up to each of [`SEND_DELAY_BOUNDS_US`] and above the one before; those beyond all.
    pub packets: [u64; PARTS],
    /// The sum of all delays, in microseconds.
    pub sum_us: u64,
}

impl SendDelays {
    pub(super) const fn new() -> Self {
        Self { packets: [const { AtomicU64::new(0) }; PARTS], sum_us: AtomicU64::new(0) }
    }

    /// Adds so many packets, each of which took `delay_us`.
    pub fn add(&self, packets: u64, delay_us: u64) {
        let part = SEND_DELAY_BOUNDS_US.partition_point(|bound_us| *bound_us < delay_us);
        self.packets[part].fetch_add(packets, Relaxed);
        self.sum_us.fetch_add(packets * delay_us, Relaxed);
    }

    /// The counts as they are now, each read by itself.
    pub fn counts(&self) -> SendDelayCounts {
        SendDelayCounts {
            packets: std::array::from_fn(|part| self.packets[part].load(Relaxed)),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_counted_up_to_its_bound() {
        let delays = SendDelays::new();
        for (packets, delay_us) in [(1, 0), (2, 100), (4, 101), (8, 250_000), (16, 250_001)] {
            delays.add(packets, delay_us);
        }
        let counts = delays.counts();
        assert_eq!(counts.packets, [3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 8, 16]);
        assert_eq!(counts.sum_us, 200 + 404 + 2_000_000 + 4_000_016);
    }
}
