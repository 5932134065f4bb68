//! The report block of a receiver report (RFC 3550 section 6.4.1), and what it takes from the
//! sender's own reports: weir tells cameras by it what came, and `weir verify` tells weir.

/// The bytes of a block.
pub const REPORT_BLOCK_BYTES: usize = 24;

const SENDER_REPORT: u8 = 200;

/// The last sender report: the middle 32 bits of its NTP time, and when it came (µs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReport {
    ntp_middle: u32,
    arrival_us: u64,
}

/// What a block says of one source since it was heard first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that the block is about.
    pub ssrc: u32,
    /// Of what was expected since the last block, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all; 23 bits of it are told.
    pub lost: u32,
    /// The highest sequence number, extended to 32 bits.
    pub highest: u32,
    /// The jitter in units of the timestamp.
    pub jitter: u32,
}

impl LastReport {
    /// The sender report at the begin of a compound; `None` where there is none.
    pub fn read(compound: &[u8], arrival_us: u64) -> Option<Self> {
        let is_report = compound.get(1) == Some(&SENDER_REPORT);
        let middle = compound.get(10..14).filter(|_| is_report)?;
        let ntp_middle = u32::from_be_bytes(middle.try_into().ok()?);
        Some(Self { ntp_middle, arrival_us })
    }

    /// The time since it came, in 1/65 536 s.
    fn delay(&self, now_us: u64) -> u32 {
        let units = (now_us.saturating_sub(self.arrival_us) << 16) / 1_000_000;
        u32::try_from(units & u64::from(u32::MAX)).unwrap_or_default()
    }
}

impl ReportBlock {
    /// Writes it as it is sent at `now_us`.
    pub fn bytes(&self, last: Option<LastReport>, now_us: u64) -> [u8; REPORT_BLOCK_BYTES] {
        const LOST_MAX: u32 = 0x7f_ffff;
        let words = [
            self.ssrc,
            u32::from(self.fraction_lost) << 24 | self.lost.min(LOST_MAX),
            self.highest,
            self.jitter,
            last.map_or(0, |last| last.ntp_middle),
            last.map_or(0, |last| last.delay(now_us)),
        ];
        let mut bytes = [0; REPORT_BLOCK_BYTES];
        for (part, word) in bytes.chunks_exact_mut(4).zip(words) {
            part.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// The fraction of `expected` packets that did not come, in 1/256 (RFC 3550 appendix A.3).
pub fn fraction_lost(expected: u64, received: u64) -> u8 {
    let lost = expected.saturating_sub(received);
    u8::try_from((lost << 8).checked_div(expected).unwrap_or(0)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_report_is_read_by_the_middle_of_its_time() {
        let mut report = vec![0x80, SENDER_REPORT, 0, 6, 0, 0, 0, 1];
        report.extend([0xAA, 0xBB, 1, 2, 3, 4, 0xCC, 0xDD]);
        let expected = LastReport { ntp_middle: 0x0102_0304, arrival_us: 7 };
        assert_eq!(LastReport::read(&report, 7), Some(expected));
        assert_eq!(LastReport::read(&report[..13], 7), None);
        report[1] = 201;
        assert_eq!(LastReport::read(&report, 7), None);
    }
}
