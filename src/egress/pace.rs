//! How fast: the pace of a subscription's first transmissions and the budget of its resends.

use crate::limits::{
    CATCH_UP_BITS_PER_S_MIN, CATCH_UP_MS_MAX, CATCH_UP_RATE_FACTOR, PACING_SEGMENTS_PER_MS,
    PAYLOAD_BYTES_MAX, RESEND_PACKETS_PER_S,
};

const SECOND_US: u64 = 1_000_000;

/// A token bucket. A subscription that is live may send [`PACING_SEGMENTS_PER_MS`] segments at once,
/// and as many again each millisecond: no burst of a camera meets that. One that catches up has the
/// bytes of [`CATCH_UP_BITS_PER_S_MIN`] a millisecond, or of [`CATCH_UP_RATE_FACTOR`] times its
/// stream.
#[derive(Debug)]
pub struct Pacer {
    segments: u32,
    /// Of catching up; a packet may take more than is there, which the next one waits for.
    bytes: i64,
    refilled_ms: u64,
}

impl Pacer {
    /// A full bucket.
    pub const fn new() -> Self {
        Self { segments: PACING_SEGMENTS_PER_MS, bytes: 0, refilled_ms: 0 }
    }

    /// Lets time pass, for a stream of so many bits a second.
    pub fn refill(&mut self, bits_per_s: u64, now_us: u64) {
        let now_ms = now_us / 1000;
        let passed_ms = now_ms.saturating_sub(self.refilled_ms).min(CATCH_UP_MS_MAX);
        if passed_ms == 0 {
            return;
        }
        self.refilled_ms = now_ms;
        self.segments = PACING_SEGMENTS_PER_MS;
        let rate = bits_per_s.saturating_mul(CATCH_UP_RATE_FACTOR).max(CATCH_UP_BITS_PER_S_MIN);
        let bytes_per_ms = i64::try_from(rate / 8000).unwrap_or(i64::MAX / 8);
        let most = bytes_per_ms * CATCH_UP_MS_MAX as i64;
        self.bytes = (self.bytes + bytes_per_ms * passed_ms as i64).min(most);
    }

    /// Whether one more packet may be sent now.
    pub fn allows(&self, is_live: bool) -> bool {
        self.segments > 0 && (is_live || self.bytes > 0)
    }

    /// Takes one packet.
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

/// What a subscription may have sent again: in each second the larger of
/// [`RESEND_PACKETS_PER_S`] packets and 10 % of the bytes of the second before.
#[derive(Debug, Default)]
pub struct ResendBudget {
    second: u64,
    sent_bytes: u64,
    last_sent_bytes: u64,
    resent_packets: u32,
    resent_bytes: u64,
}

impl ResendBudget {
    /// Counts a first transmission.
    pub fn sent(&mut self, bytes: usize, now_us: u64) {
        self.turn(now_us);
        self.sent_bytes += bytes as u64;
    }

    /// Takes one resend of `bytes`; false when the budget is spent.
    pub fn resend(&mut self, bytes: usize, now_us: u64) -> bool {
        self.turn(now_us);
        let bytes = bytes as u64;
        let within_packets = self.resent_packets < RESEND_PACKETS_PER_S;
        let within_bytes = self.resent_bytes + bytes <= self.last_sent_bytes / 10;
        if !within_packets && !within_bytes {
            return false;
        }
        self.resent_packets += 1;
        self.resent_bytes += bytes;
        true
    }

    fn turn(&mut self, now_us: u64) {
        let second = now_us / SECOND_US;
        if second != self.second {
            let is_next = second == self.second + 1;
            self.last_sent_bytes = if is_next { self.sent_bytes } else { 0 };
            self.second = second;
            self.sent_bytes = 0;
            self.resent_packets = 0;
            self.resent_bytes = 0;
        }
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
            while pacer.allows(true) {
                pacer.spend(1200);
                count += 1;
            }
            count
        };
        assert_eq!(burst(&mut pacer, 5_100), PACING_SEGMENTS_PER_MS);
        assert_eq!(burst(&mut pacer, 5_999), 0);
        assert_eq!(burst(&mut pacer, 6_000), PACING_SEGMENTS_PER_MS);
    }

    /// Bytes that one sends on its way to live, served for so long, each millisecond or now and then.
    fn caught_up(bits_per_s: u64, step_us: usize, for_us: u64) -> u64 {
        let mut pacer = Pacer::new();
        let mut bytes = 0;
        for now_us in (0..for_us).step_by(step_us) {
            pacer.refill(bits_per_s, now_us);
            while pacer.allows(false) {
                pacer.spend(1200);
                bytes += 1200;
            }
        }
        bytes
    }

    #[test]
    fn catching_up_keeps_its_rate() {
        for (bits_per_s, rate) in [(500_000, 25_000_000), (8_000_000, 32_000_000)] {
            for step_us in [1_000, 3_000] {
                let bits = 8 * caught_up(bits_per_s, step_us, 1_000_000);
                assert!((rate * 98 / 100..=rate * 102 / 100).contains(&bits), "{bits}");
            }
        }
        assert!(caught_up(u64::MAX, 1_000, 100_000) <= 100 * 64 * 1200, "no more than a live one");
    }

    #[test]
    fn a_slow_stream_gets_its_packets_and_a_fast_one_its_tenth() {
        let mut slow = ResendBudget::default();
        let granted = (0..100).filter(|_| slow.resend(1000, 0)).count();
        assert_eq!(granted, RESEND_PACKETS_PER_S as usize);
        assert!(slow.resend(1000, SECOND_US), "a new second");

        let mut fast = ResendBudget::default();
        fast.sent(1_000_000, 0);
        let granted = (0..1000).filter(|_| fast.resend(1000, SECOND_US)).count();
        assert_eq!(granted, 100);
        assert!(!fast.resend(1000, SECOND_US));
    }
}
