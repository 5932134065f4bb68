//! Statistics of a camera's RTP for the receiver reports sent to it (RFC 3550 section 6.4.1).
//!
//! Loss over TCP is loss inside the camera. A jump of the numbers or another SSRC restarts the
//! statistics: cameras restart their numbers with every key frame (Uniview) or with their clock.

use crate::limits::{RTP_GAP_PACKETS_MAX, RTP_LATE_PACKETS_MAX};

use super::report_block::{LastReport, REPORT_BLOCK_BYTES, ReportBlock, fraction_lost};

/// The reception statistics of one track of a camera.
#[derive(Debug)]
pub(super) struct Reception {
    /// The rate of the track's RTP clock; a multiple of 1000.
    clock_hz: u32,
    source: Option<Source>,
    last_report: Option<LastReport>,
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
    /// The statistics before the first packet, of a track whose timestamps count at `clock_hz`.
    pub(super) const fn new(clock_hz: u32) -> Self {
        Self { clock_hz, source: None, last_report: None }
    }

    /// Counts a packet of at least 12 bytes.
    pub(super) fn packet(&mut self, packet: &[u8], now_us: u64) {
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *packet else {
            return;
        };
        let sequence = u16::from_be_bytes([s0, s1]);
        let arrival = timestamp_units(now_us, self.clock_hz);
        let transit = arrival.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3]));
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        match &mut self.source {
            Some(source) if source.ssrc == ssrc && source.follows(sequence) => {
                source.count(sequence, transit);
            }
            source => {
                if source.as_ref().is_none_or(|source| source.ssrc != ssrc) {
                    self.last_report = None;
                }
                *source = Some(Source::new(ssrc, sequence, transit));
            }
        }
    }

    /// Notes a compound RTCP packet, whose first part may be a sender report.
    pub(super) fn rtcp(&mut self, packet: &[u8], now_us: u64) {
        self.last_report = LastReport::read(packet, now_us).or(self.last_report);
    }

    /// The track's SSRC; `None` before the first packet.
    pub(super) fn ssrc(&self) -> Option<u32> {
        Some(self.source.as_ref()?.ssrc)
    }

    /// The report block for the time since the last one; `None` before the first packet.
    pub(super) fn report_block(&mut self, now_us: u64) -> Option<[u8; REPORT_BLOCK_BYTES]> {
        let source = self.source.as_mut()?;
        let (fraction_lost, lost) = source.losses();
        let block = ReportBlock {
            ssrc: source.ssrc,
            fraction_lost,
            lost,
            highest: source.highest,
            jitter: source.jitter_x16 >> 4,
        };
        Some(block.bytes(self.last_report, now_us))
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
        !(RTP_GAP_PACKETS_MAX..=u16::MAX - RTP_LATE_PACKETS_MAX).contains(&ahead)
    }

    fn count(&mut self, sequence: u16, transit: u32) {
        let ahead = self.ahead(sequence);
        if ahead < RTP_GAP_PACKETS_MAX {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        }
        self.received = self.received.wrapping_add(1);
        let moved = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
        self.transit = transit;
        self.jitter_x16 =
            self.jitter_x16.saturating_add(moved).saturating_sub((self.jitter_x16 + 8) >> 4);
    }

    /// The fraction lost since the last report, in 1/256, and the number lost in all (RFC 3550
    /// appendix A.3).
    fn losses(&mut self) -> (u8, u32) {
        let expected = self.highest.wrapping_sub(self.base).wrapping_add(1);
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let expected_now = expected.wrapping_sub(expected_before);
        let received_now = self.received.wrapping_sub(received_before);
        let fraction = fraction_lost(expected_now.into(), received_now.into());
        (fraction, expected.saturating_sub(self.received))
    }
}

/// Converts µs to units of an RTP clock, modulo 2^32.
fn timestamp_units(us: u64, clock_hz: u32) -> u32 {
    low_u32(us.wrapping_mul(u64::from(clock_hz / 1000)) / 1000)
}

fn low_u32(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::rtp;
    use super::*;
    use crate::limits::VIDEO_CLOCK_HZ;

    fn word(block: &[u8; 24], at: usize) -> u32 {
        u32::from_be_bytes(block[at..at + 4].try_into().expect("4 bytes"))
    }

    #[test]
    fn losses_and_the_wrap_of_sequence_numbers_are_reported() {
        let mut reception = Reception::new(VIDEO_CLOCK_HZ);
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
        let mut reception = Reception::new(VIDEO_CLOCK_HZ);
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
        let mut reception = Reception::new(VIDEO_CLOCK_HZ);
        for index in 0..1000_u32 {
            let late_us = if index % 2 == 0 { 0 } else { 10_000 };
            let now_us = u64::from(index) * 40_000 + late_us;
            reception.packet(&rtp(u16::try_from(index).expect("small"), index * 3600, &[]), now_us);
        }
        let jitter = word(&reception.report_block(0).expect("packets came"), 12);
        assert!((880..=900).contains(&jitter), "{jitter} of 900");
    }

    #[test]
    fn jitter_counts_in_the_tracks_own_clock() {
        let mut reception = Reception::new(8_000);
        for index in 0..1000_u32 {
            let late_us = if index % 2 == 0 { 0 } else { 10_000 };
            let now_us = u64::from(index) * 20_000 + late_us;
            reception.packet(&rtp(u16::try_from(index).expect("small"), index * 160, &[]), now_us);
        }
        let jitter = word(&reception.report_block(0).expect("packets came"), 12);
        assert!((75..=80).contains(&jitter), "{jitter} of 80");
    }

    #[test]
    fn the_last_sender_report_and_its_age_are_told() {
        let mut reception = Reception::new(VIDEO_CLOCK_HZ);
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
