//! The send rate of a subscription.

use crate::limits::{
    PACE_CALM_US, PACE_CALM_US_MAX, PACE_FREE_US, PACE_STEPS_MAX, PACED_BITS_PER_S_MIN,
    PACED_RATE_FACTOR, PACED_RATE_FACTOR_MIN, PACED_SAVED_MS_MAX, PACING_SEGMENTS_PER_MS,
    PAYLOAD_BYTES_MAX,
};

/// A token bucket. A live subscription may send [`PACING_SEGMENTS_PER_MS`] segments at once, and as
/// many again each millisecond; no camera's burst reaches that. A subscription that catches up, or
/// whose losses follow bursts, is limited to a rate: [`PACED_RATE_FACTOR`] times its stream's, and
/// at least [`PACED_BITS_PER_S_MIN`].
#[derive(Debug)]
pub struct Pacer {
    segments: u32,
    /// Bytes left of the rate. A packet may overdraw it, and the next packet then waits.
    bytes: i64,
    refilled_ms: u64,
    /// 0: limited only while it catches up. 1: always limited. Above: a lower rate with each step.
    slowed_steps: u8,
    /// When the rate was last lowered or raised.
    changed_us: u64,
    /// How long it must go without dense losses before the rate is raised.
    calm_us: u64,
    /// The rate was raised since it was last lowered.
    is_quickened: bool,
}

impl Pacer {
    /// A full bucket, without a rate.
    pub const fn new() -> Self {
        Self {
            segments: PACING_SEGMENTS_PER_MS,
            bytes: 0,
            refilled_ms: 0,
            slowed_steps: 0,
            changed_us: 0,
            calm_us: PACE_CALM_US,
            is_quickened: false,
        }
    }

    /// Refills the bucket for the time since the last call. `bits_per_s` is the stream's bit rate.
    pub fn refill(&mut self, bits_per_s: u64, now_us: u64) {
        let now_ms = now_us / 1000;
        let passed_ms = now_ms.saturating_sub(self.refilled_ms).min(PACED_SAVED_MS_MAX);
        if passed_ms == 0 {
            return;
        }
        self.refilled_ms = now_ms;
        self.segments = PACING_SEGMENTS_PER_MS;
        self.quicken(now_us);
        let bytes_per_ms = i64::try_from(self.rate(bits_per_s) / 8000).unwrap_or(i64::MAX / 8);
        let most = bytes_per_ms * PACED_SAVED_MS_MAX as i64;
        self.bytes = (self.bytes + bytes_per_ms * passed_ms as i64).min(most);
    }

    /// Raises the rate by one step after a time without dense losses.
    fn quicken(&mut self, now_us: u64) {
        let calm_us = match self.slowed_steps {
            0 => return,
            1 => self.calm_us.max(PACE_FREE_US),
            _ => self.calm_us,
        };
        if now_us >= self.changed_us + calm_us {
            self.slowed_steps -= 1;
            self.changed_us = now_us;
            self.is_quickened = true;
        }
    }

    /// The rate in bits per second, for a limited subscription.
    fn rate(&self, bits_per_s: u64) -> u64 {
        let first = bits_per_s.saturating_mul(PACED_RATE_FACTOR).max(PACED_BITS_PER_S_MIN);
        let slowed = (1..self.slowed_steps).fold(first, |rate, _| rate / 4 * 3);
        slowed.max(bits_per_s.saturating_mul(PACED_RATE_FACTOR_MIN))
    }

    /// Its losses followed a burst: limits it to a rate, or to a lower one.
    pub fn slow(&mut self, now_us: u64) {
        if std::mem::take(&mut self.is_quickened) {
            self.calm_us = (self.calm_us * 2).min(PACE_CALM_US_MAX);
        }
        self.slowed_steps = (self.slowed_steps + 1).min(PACE_STEPS_MAX);
        self.changed_us = now_us;
    }

    /// Whether it is limited to a rate even while it is live.
    pub fn is_slowed(&self) -> bool {
        self.slowed_steps > 0
    }

    /// Whether one more packet may be sent now; `has_rate` tells whether the rate applies.
    pub fn allows(&self, has_rate: bool) -> bool {
        self.segments > 0 && (!has_rate || self.bytes > 0)
    }

    /// Takes one packet with this many payload bytes from the bucket.
    pub fn spend(&mut self, bytes: usize) {
        self.segments = self.segments.saturating_sub(1);
        self.bytes = (self.bytes - bytes as i64).max(-(PAYLOAD_BYTES_MAX as i64));
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_of_a_live_one_refills_each_millisecond() {
        let mut pacer = Pacer::new();
        let burst = |pacer: &mut Pacer, now_us| {
            pacer.refill(2_000_000, now_us);
            let mut count = 0;
            while pacer.allows(false) {
                pacer.spend(1200);
                count += 1;
            }
            count
        };
        assert_eq!(burst(&mut pacer, 5_100), PACING_SEGMENTS_PER_MS);
        assert_eq!(burst(&mut pacer, 5_999), 0);
        assert_eq!(burst(&mut pacer, 6_000), PACING_SEGMENTS_PER_MS);
    }

    /// Bytes that a limited subscription sends in `for_us`, served every `step_us`.
    fn sent(bits_per_s: u64, step_us: usize, for_us: u64) -> u64 {
        let mut pacer = Pacer::new();
        let mut bytes = 0;
        for now_us in (0..for_us).step_by(step_us) {
            pacer.refill(bits_per_s, now_us);
            while pacer.allows(true) {
                pacer.spend(1200);
                bytes += 1200;
            }
        }
        bytes
    }

    #[test]
    fn a_rate_is_kept() {
        for (bits_per_s, rate) in [(500_000, 25_000_000), (8_000_000, 64_000_000)] {
            for step_us in [1_000, 3_000] {
                let bits = 8 * sent(bits_per_s, step_us, 1_000_000);
                assert!((rate * 98 / 100..=rate * 102 / 100).contains(&bits), "{bits}");
            }
        }
        let most = sent(u64::MAX, 1_000, 100_000);
        assert!(most <= 100 * 64 * 1200, "no more than a live one");
    }

    #[test]
    fn a_rate_is_slowed_to_three_times_the_stream_and_quickened_after_a_calm_time() {
        let mut pacer = Pacer::new();
        let mut rates = Vec::new();
        for step in 1..=PACE_STEPS_MAX {
            pacer.slow(1_000);
            assert!(pacer.is_slowed());
            rates.push(pacer.rate(8_000_000));
            assert_eq!(pacer.slowed_steps, step);
        }
        assert_eq!(rates[..4], [64_000_000, 48_000_000, 36_000_000, 27_000_000]);
        assert_eq!(rates[4..], [24_000_000; 8]);

        let mut pacer = Pacer::new();
        let mut now_us = 1_000;
        pacer.slow(now_us);
        for calm_us in [PACE_CALM_US, 2 * PACE_CALM_US, 4 * PACE_CALM_US] {
            pacer.slow(now_us);
            assert_eq!(pacer.slowed_steps, 2);
            pacer.refill(8_000_000, now_us + calm_us - 1_000);
            assert_eq!(pacer.slowed_steps, 2, "not before {calm_us} us");
            now_us += calm_us;
            pacer.refill(8_000_000, now_us);
            assert_eq!(pacer.slowed_steps, 1, "after {calm_us} us");
        }
        pacer.refill(8_000_000, now_us + PACE_FREE_US - 1_000);
        assert!(pacer.is_slowed());
        pacer.refill(8_000_000, now_us + PACE_FREE_US);
        assert!(!pacer.is_slowed());
    }
}
