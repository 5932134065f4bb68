//! The RTCP of a viewer (RFC 3550): receiver reports are written, sender reports are read.

use super::reception::BlockValues;
use crate::egress::srtp::SRTCP_OVERHEAD_BYTES;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const REPORT_BYTES: usize = 32;
/// Units of a report's delay in a second.
const DELAY_PER_S: u64 = 65_536;

/// The last sender report: the middle of its NTP time, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastReport {
    pub(super) ntp_middle: u32,
    pub(super) arrival_us: u64,
}

impl LastReport {
    /// The sender report at the begin of a compound.
    pub(super) fn read(compound: &[u8], arrival_us: u64) -> Option<Self> {
        let is_report = compound.get(1) == Some(&SENDER_REPORT);
        let middle = compound.get(10..14).filter(|_| is_report)?;
        let ntp_middle = u32::from_be_bytes(middle.try_into().ok()?);
        Some(Self { ntp_middle, arrival_us })
    }
}

/// A receiver report about `them`, with room behind it for SRTCP; and its length without.
pub(super) fn receiver_report(
    us: u32,
    them: u32,
    block: &BlockValues,
    last: Option<LastReport>,
    now_us: u64,
) -> (Vec<u8>, usize) {
    let delay = last.map_or(0, |last| {
        let since_us = now_us.saturating_sub(last.arrival_us);
        u32::try_from(since_us * DELAY_PER_S / 1_000_000).unwrap_or(u32::MAX)
    });
    let words = [
        u32::from_be_bytes([0x81, RECEIVER_REPORT, 0, 7]),
        us,
        them,
        u32::from(block.fraction_lost) << 24 | block.lost & 0xff_ffff,
        block.highest,
        block.jitter,
        last.map_or(0, |last| last.ntp_middle),
        delay,
    ];
    let mut packet = Vec::with_capacity(REPORT_BYTES + SRTCP_OVERHEAD_BYTES);
    for word in words {
        packet.extend(word.to_be_bytes());
    }
    packet.resize(REPORT_BYTES + SRTCP_OVERHEAD_BYTES, 0);
    (packet, REPORT_BYTES)
}

#[cfg(test)]
mod tests {
    use rtcp_types::{Compound, Packet};

    use super::*;

    #[test]
    fn another_reader_finds_what_was_written() {
        let block = BlockValues { fraction_lost: 5, lost: 9, highest: 0x1_0007, jitter: 90 };
        let last = LastReport { ntp_middle: 0x0102_0304, arrival_us: 1_000_000 };
        let (packet, length) = receiver_report(1, 2, &block, Some(last), 1_500_000);
        let mut compound = Compound::parse(&packet[..length]).expect("a compound");
        let Some(Ok(Packet::Rr(report))) = compound.next() else { panic!("no receiver report") };
        assert_eq!(report.ssrc(), 1);
        let read = report.report_blocks().next().expect("a block");
        assert_eq!((read.ssrc(), read.fraction_lost(), read.cumulative_lost()), (2, 5, 9));
        assert_eq!((read.extended_sequence_number(), read.interarrival_jitter()), (0x1_0007, 90));
        assert_eq!(read.last_sender_report_timestamp(), 0x0102_0304);
        assert_eq!(read.delay_since_last_sender_report_timestamp(), 32_768);
    }

    #[test]
    fn a_sender_report_is_read_by_the_middle_of_its_time() {
        let mut report = vec![0x80, SENDER_REPORT, 0, 6, 0, 0, 0, 1];
        report.extend([0xAA, 0xBB, 1, 2, 3, 4, 0xCC, 0xDD]);
        let expected = LastReport { ntp_middle: 0x0102_0304, arrival_us: 7 };
        assert_eq!(LastReport::read(&report, 7), Some(expected));
        assert_eq!(LastReport::read(&report[..13], 7), None);
        report[1] = RECEIVER_REPORT;
        assert_eq!(LastReport::read(&report, 7), None);
    }
}
