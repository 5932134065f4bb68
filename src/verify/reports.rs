//! The receiver reports of a viewer (RFC 3550 section 6.4.2).

use crate::egress::srtp::SRTCP_OVERHEAD_BYTES;
use crate::rtsp::report_block::{LastReport, REPORT_BLOCK_BYTES, ReportBlock};

const RECEIVER_REPORT: u8 = 201;
const HEAD_BYTES: usize = 8;
const REPORT_BYTES: usize = HEAD_BYTES + REPORT_BLOCK_BYTES;

/// A receiver report with one block, with room behind it for SRTCP; and its length without.
pub(super) fn receiver_report(
    us: u32,
    block: &ReportBlock,
    last: Option<LastReport>,
    now_us: u64,
) -> (Vec<u8>, usize) {
    let mut packet = Vec::with_capacity(REPORT_BYTES + SRTCP_OVERHEAD_BYTES);
    packet.extend([0x81, RECEIVER_REPORT, 0, 7]);
    packet.extend(us.to_be_bytes());
    packet.extend(block.bytes(last, now_us));
    packet.resize(REPORT_BYTES + SRTCP_OVERHEAD_BYTES, 0);
    (packet, REPORT_BYTES)
}

#[cfg(test)]
mod tests {
    use rtcp_types::{Compound, Packet};

    use super::*;

    #[test]
    fn another_reader_finds_what_was_written() {
        let block =
            ReportBlock { ssrc: 2, fraction_lost: 5, lost: 9, highest: 0x1_0007, jitter: 90 };
        let mut sender_report = [0; 14];
        sender_report[1] = 200;
        sender_report[10..].copy_from_slice(&[1, 2, 3, 4]);
        let last = LastReport::read(&sender_report, 1_000_000);
        let (packet, length) = receiver_report(1, &block, last, 1_500_000);
        let mut compound = Compound::parse(&packet[..length]).expect("a compound");
        let Some(Ok(Packet::Rr(report))) = compound.next() else { panic!("no receiver report") };
        assert_eq!(report.ssrc(), 1);
        let read = report.report_blocks().next().expect("a block");
        assert_eq!((read.ssrc(), read.fraction_lost(), read.cumulative_lost()), (2, 5, 9));
        assert_eq!((read.extended_sequence_number(), read.interarrival_jitter()), (0x1_0007, 90));
        assert_eq!(read.last_sender_report_timestamp(), 0x0102_0304);
        assert_eq!(read.delay_since_last_sender_report_timestamp(), 32_768);
    }
}
