//! How fast: the pace of a subscription's first transmissions and the budget of its resends.

use crate::limits::{PACING_SEGMENTS_PER_MS, RESEND_PACKETS_PER_S};

const SECOND_US: u64 = 1_000_000;

/// A token bucket: [`PACING_SEGMENTS_PER_MS`] segments at once, and as many again each
/// millisecond. It spreads an IDR that a new viewer starts from, and is never met by a live burst.
#[derive(Debug)]
pub struct Pacer {
    tokens: u32,
    refilled_ms: u64,
}

impl Pacer {
    /// A full bucket.
    pub const fn new() -> Self {
        Self { tokens: PACING_SEGMENTS_PER_MS, refilled_ms: 0 }
    }

    /// Segments that may be sent now.
    pub fn allowance(&mut self, now_us: u64) -> u32 {
        let now_ms = now_us / 1000;
        if now_ms > self.refilled_ms {
            self.refilled_ms = now_ms;
            self.tokens = PACING_SEGMENTS_PER_MS;
        }
        self.tokens
    }

    /// Takes one segment.
    pub fn spend(&mut self) {
        self.tokens = self.tokens.saturating_sub(1);
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
    fn the_bucket_refills_each_millisecond() {
        let mut pacer = Pacer::new();
        for _ in 0..PACING_SEGMENTS_PER_MS {
            assert!(pacer.allowance(5_100) > 0);
            pacer.spend();
        }
        assert_eq!(pacer.allowance(5_999), 0);
        assert_eq!(pacer.allowance(6_000), PACING_SEGMENTS_PER_MS);
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
