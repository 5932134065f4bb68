//! Statistics of a camera's RTP for the receiver reports sent to it (RFC 3550 section 6.4.1).
//!
//! Loss over TCP is loss inside the camera. A jump of the numbers or another SSRC restarts the
//! statistics: cameras restart their numbers with every key frame (Uniview) or with their clock.

/// From this far ahead, a sequence number starts a new sequence; below, it shows a gap.
const GAP_MAX: u16 = 3000;
/// From this far behind, a sequence number starts a new sequence; below, the packet is late.
const LATE_MAX: u16 = 100;

/// The reception statistics of a camera's video track.
#[derive(Debug, Default)]
pub(super) struct Reception {
    source: Option<Source>,
    /// The middle 32 bits of the last sender report's NTP time, and when it arrived (µs).
    sender_report: Option<(u32, u64)>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The first and the highest sequence number, extended to 32 bits.
    base: u32,
    highest: u32,
    received: u32,
    /// Packets expected and received at the last report.
    reported: (u32, u32),
    /// Arrival minus timestamp of the last packet, in timestamp units.
    transit: u32,
    /// The jitter times 16, as in RFC 3550 appendix A.8.
    jitter_x16: u32,
}

impl Reception {
    /// Counts a packet of at least 12 bytes.
    pub(super) fn packet(&mut self, packet: &[u8], now_us: u64) {
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *packet else {
            return;
        };
        let sequence = u16::from_be_bytes([s0, s1]);
        let transit = timestamp_units(now_us).wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3]));
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        match &mut self.source {
            Some(source) if source.ssrc == ssrc && source.follows(sequence) => {
                source.count(sequence, transit);
            }
            source => {
                if source.as_ref().is_none_or(|source| source.ssrc != ssrc) {
                    self.sender_report = None;
                }
                *source = Some(Source::new(ssrc, sequence, transit));
            }
        }
    }

    /// Notes a compound RTCP packet, whose first part may be a sender report.
    pub(super) fn rtcp(&mut self, packet: &[u8], now_us: u64) {
        const SENDER_REPORT: u8 = 200;
        const MIDDLE_OF_NTP: std::ops::Range<usize> = 10..14;
        let middle = packet.get(MIDDLE_OF_NTP).and_then(|bytes| bytes.try_into().ok());
        if let (Some(&SENDER_REPORT), Some(middle)) = (packet.get(1), middle) {
            self.sender_report = Some((u32::from_be_bytes(middle), now_us));
        }
    }

    /// The camera's SSRC; `None` before the first packet.
    pub(super) fn ssrc(&self) -> Option<u32> {
        Some(self.source.as_ref()?.ssrc)
    }

    /// The report block for the time since the last one; `None` before the first packet.
    pub(super) fn report_block(&mut self, now_us: u64) -> Option<[u8; 24]> {
        let source = self.source.as_mut()?;
        let (fraction, lost) = source.losses();
        let (last_report, delay) = match self.sender_report {
            Some((middle, came_us)) => (middle, ntp_units(now_us.saturating_sub(came_us))),
            None => (0, 0),
        };
        let mut block = [0; 24];
        block[0..4].copy_from_slice(&source.ssrc.to_be_bytes());
        block[4..8].copy_from_slice(&lost.to_be_bytes());
        block[4] = fraction;
        block[8..12].copy_from_slice(&source.highest.to_be_bytes());
        block[12..16].copy_from_slice(&(source.jitter_x16 >> 4).to_be_bytes());
        block[16..20].copy_from_slice(&last_report.to_be_bytes());
        block[20..24].copy_from_slice(&delay.to_be_bytes());
        Some(block)
    }
}

impl Source {
    fn new(ssrc: u32, sequence: u16, transit: u32) -> Self {
        Self {
            ssrc,
            base: u32::from(sequence),
            highest: u32::from(sequence),
            received: 1,
            reported: (0, 0),
            transit,
            jitter_x16: 0,
        }
    }

    fn ahead(&self, sequence: u16) -> u16 {
        sequence.wrapping_sub(u16::try_from(self.highest & 0xffff).unwrap_or_default())
    }

    fn follows(&self, sequence: u16) -> bool {
        let ahead = self.ahead(sequence);
        !(GAP_MAX..=u16::MAX - LATE_MAX).contains(&ahead)
    }

    fn count(&mut self, sequence: u16, transit: u32) {
        let ahead = self.ahead(sequence);
        if ahead < GAP_MAX {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        }
        self.received = self.received.wrapping_add(1);
        let moved = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
        self.transit = transit;
        self.jitter_x16 =
            self.jitter_x16.saturating_add(moved).saturating_sub((self.jitter_x16 + 8) >> 4);
    }

    /// The fraction lost since the last report, in 1/256, and the number lost in all, in 24 bits
    /// (RFC 3550 appendix A.3).
    fn losses(&mut self) -> (u8, u32) {
        const LOST_MAX: u32 = 0x7f_ffff;
        let expected = self.highest.wrapping_sub(self.base).wrapping_add(1);
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let expected_now = expected.wrapping_sub(expected_before);
        let received_now = self.received.wrapping_sub(received_before);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = match lost_now {
            0 => 0,
            lost => u8::try_from((u64::from(lost) << 8) / u64::from(expected_now)).unwrap_or(255),
        };
        (fraction, expected.saturating_sub(self.received).min(LOST_MAX))
    }
}

/// Converts µs to units of 1/90 000 s, modulo 2^32.
fn timestamp_units(us: u64) -> u32 {
    low_u32(us.wrapping_mul(9) / 100)
}

/// Converts µs to units of 1/65 536 s.
fn ntp_units(us: u64) -> u32 {
    low_u32((us << 16) / 1_000_000)
}

fn low_u32(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::rtp;
    use super::*;

    fn word(block: &[u8; 24], at: usize) -> u32 {
        u32::from_be_bytes(block[at..at + 4].try_into().expect("4 bytes"))
    }

    #[test]
    fn losses_and_the_wrap_of_sequence_numbers_are_reported() {
        let mut reception = Reception::default();
        assert_eq!(reception.report_block(0), None);
        for sequence in [65_534, 65_535, 0, 1, 3, 4, 5, 6_u16] {
            reception.packet(&rtp(sequence, 0, &[]), 0);
        }
        let block = reception.report_block(0).expect("packets came");
        assert_eq!(word(&block, 0), 0x1122_3344);
        assert_eq!(word(&block, 8), 0x1_0006);
        assert_eq!(block[4], u8::try_from(256 / 9).expect("small"));
        assert_eq!(word(&block, 4) & 0xff_ffff, 1);
        reception.packet(&rtp(7, 0, &[]), 0);
        let block = reception.report_block(0).expect("packets came");
        assert_eq!(word(&block, 4), 1, "none since, one in all");
    }

    #[test]
    fn another_sequence_or_source_begins_anew() {
        let mut reception = Reception::default();
        reception.packet(&rtp(100, 0, &[]), 0);
        reception.packet(&rtp(20_000, 0, &[]), 0);
        let block = reception.report_block(0).expect("packets came");
        assert_eq!((word(&block, 4), word(&block, 8)), (0, 20_000));
        let mut other = rtp(5, 0, &[]);
        other[8] = 0xff;
        reception.packet(&other, 0);
        let block = reception.report_block(0).expect("packets came");
        assert_eq!((word(&block, 0), word(&block, 8)), (0xff22_3344, 5));
    }

    #[test]
    fn jitter_is_that_of_the_arrivals() {
        let mut reception = Reception::default();
        for index in 0..1000_u32 {
            let late_us = if index % 2 == 0 { 0 } else { 10_000 };
            let now_us = u64::from(index) * 40_000 + late_us;
            reception.packet(&rtp(u16::try_from(index).expect("small"), index * 3600, &[]), now_us);
        }
        let jitter = word(&reception.report_block(0).expect("packets came"), 12);
        assert!((880..=900).contains(&jitter), "{jitter} of 900");
    }

    #[test]
    fn the_last_sender_report_and_its_age_are_told() {
        let mut reception = Reception::default();
        reception.packet(&rtp(1, 0, &[]), 0);
        let mut report = vec![0x80, 200, 0, 6, 1, 2, 3, 4];
        report.extend([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0, 0]);
        report.resize(28, 0);
        reception.rtcp(&report, 1_000_000);
        let block = reception.report_block(1_500_000).expect("packets came");
        assert_eq!((word(&block, 16), word(&block, 20)), (0xccdd_eeff, 0x8000));
        reception.rtcp(&[0x80, 200], 2_000_000);
    }
}
