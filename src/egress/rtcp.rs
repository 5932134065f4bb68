//! RTCP in plaintext: parsing the browsers' feedback (RFC 3550 receiver reports; RFC 4585 NACK and
//! PLI; RFC 5104 FIR), and writing sender reports.

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const FORMAT_NACK: u8 = 1;
const FORMAT_PLI: u8 = 1;
const FORMAT_FIR: u8 = 4;

/// Bytes of a sender report with its SDES, before it is sealed.
pub const REPORT_BYTES: usize = 28 + 16;

/// One feedback message of a browser about one of weir's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Packets that it lacks: `first`, and those whose bit is set in `following`.
    Nack {
        /// The SSRC of the stream.
        ssrc: u32,
        /// The first sequence number that it lacks.
        first: u16,
        /// Bit n stands for the sequence number `first + n + 1`.
        following: u16,
    },
    /// It cannot decode and needs a key frame: PLI or FIR.
    KeyFrame {
        /// The SSRC of the stream.
        ssrc: u32,
    },
    /// A report block (RFC 3550 section 6.4.1).
    Report {
        /// The SSRC of the stream.
        ssrc: u32,
        /// The fraction lost since the last report, in 1/256.
        fraction_lost: u8,
        /// The middle 32 bits of the NTP time of the last sender report that it got; 0 for none.
        last_report: u32,
        /// The time since it got that report, in 1/65536 s.
        delay: u32,
    },
}

impl Feedback {
    /// The SSRC of the stream that the feedback is about.
    pub fn ssrc(&self) -> u32 {
        match *self {
            Self::Nack { ssrc, .. } | Self::KeyFrame { ssrc } | Self::Report { ssrc, .. } => ssrc,
        }
    }
}

/// Calls `act` for each feedback message in a compound packet. Parsing ends at the first malformed
/// packet.
pub fn parse(mut compound: &[u8], mut act: impl FnMut(Feedback)) {
    while let [head, kind, high, low, ..] = *compound {
        let bytes = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if head >> 6 != 2 || bytes > compound.len() || bytes < 8 {
            return;
        }
        let (packet, rest) = compound.split_at(bytes);
        let count = head & 0x1f;
        match (kind, count) {
            (RECEIVER_REPORT, _) => report_blocks(&packet[8..], count, &mut act),
            (SENDER_REPORT, _) if bytes >= 28 => report_blocks(&packet[28..], count, &mut act),
            (TRANSPORT_FEEDBACK, FORMAT_NACK) if bytes >= 12 => nacks(packet, &mut act),
            (PAYLOAD_FEEDBACK, FORMAT_PLI) if bytes >= 12 => {
                act(Feedback::KeyFrame { ssrc: word(packet, 8) });
            }
            (PAYLOAD_FEEDBACK, FORMAT_FIR) if bytes >= 20 => {
                for entry in packet[12..].chunks_exact(8) {
                    act(Feedback::KeyFrame { ssrc: word(entry, 0) });
                }
            }
            _ => {}
        }
        compound = rest;
    }
}

/// Reports the blocks that the header counts, or as many as there are if it counts more. Data after
/// them is a profile-specific extension (RFC 3550 section 6.4.3) and is skipped.
fn report_blocks(blocks: &[u8], count: u8, act: &mut impl FnMut(Feedback)) {
    for block in blocks.chunks_exact(24).take(usize::from(count)) {
        act(Feedback::Report {
            ssrc: word(block, 0),
            fraction_lost: block[4],
            last_report: word(block, 16),
            delay: word(block, 20),
        });
    }
}

fn nacks(packet: &[u8], act: &mut impl FnMut(Feedback)) {
    let ssrc = word(packet, 8);
    for entry in packet[12..].chunks_exact(4) {
        let first = u16::from_be_bytes([entry[0], entry[1]]);
        let following = u16::from_be_bytes([entry[2], entry[3]]);
        act(Feedback::Nack { ssrc, first, following });
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The contents of a sender report.
#[derive(Debug, Clone, Copy)]
pub struct SenderReport {
    /// The SSRC of the stream.
    pub ssrc: u32,
    /// The current time as a 64-bit NTP timestamp.
    pub ntp: u64,
    /// The current time on the stream's RTP clock, as this browser sees it.
    pub timestamp: u32,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent, modulo 2^32.
    pub bytes: u32,
}

impl SenderReport {
    /// Writes the compound packet: the report and an SDES with the CNAME `weir`.
    pub fn write(&self, out: &mut [u8; REPORT_BYTES]) {
        let ssrc = self.ssrc.to_be_bytes();
        out[..4].copy_from_slice(&[0x80, SENDER_REPORT, 0, 6]);
        out[4..8].copy_from_slice(&ssrc);
        out[8..16].copy_from_slice(&self.ntp.to_be_bytes());
        out[16..20].copy_from_slice(&self.timestamp.to_be_bytes());
        out[20..24].copy_from_slice(&self.packets.to_be_bytes());
        out[24..28].copy_from_slice(&self.bytes.to_be_bytes());
        out[28..32].copy_from_slice(&[0x81, SOURCE_DESCRIPTION, 0, 3]);
        out[32..36].copy_from_slice(&ssrc);
        out[36..44].copy_from_slice(b"\x01\x04weir\0\0");
    }
}

/// The round-trip time in µs from a report block (RFC 3550 section 6.4.1); `None` before the
/// browser got a sender report, or when the value makes no sense.
pub fn round_trip_us(now_ntp: u64, last_report: u32, delay: u32) -> Option<u32> {
    if last_report == 0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // only the middle 32 bits are compared
    let now = (now_ntp >> 16) as u32;
    let elapsed = now.wrapping_sub(last_report).wrapping_sub(delay);
    // Above a minute the value is wrong, or the receiver's rounding made it negative.
    (elapsed < 60 << 16).then(|| u32::try_from((u64::from(elapsed) * 1_000_000) >> 16).ok())?
}

#[cfg(test)]
mod tests {
    use rtcp_types::prelude::*;
    use rtcp_types::{
        Compound, Fir, Nack, Packet, PayloadFeedback, Pli, ReceiverReport, ReportBlock, SdesItem,
        TransportFeedback,
    };

    use super::*;

    fn all(compound: &[u8]) -> Vec<Feedback> {
        let mut all = Vec::new();
        parse(compound, |feedback| all.push(feedback));
        all
    }

    #[test]
    fn a_compound_of_report_nack_pli_and_fir_is_read_in_order() {
        let mut compound = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        compound.extend([0, 0, 0, 9, 51, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
        compound.extend([0, 0, 0, 5, 0, 0, 0, 6]);
        compound.extend([0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 0x80, 1, 3, 4, 0, 0]);
        compound.extend([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9]);
        compound.extend([0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0]);
        assert_eq!(
            all(&compound),
            [
                Feedback::Report { ssrc: 9, fraction_lost: 51, last_report: 5, delay: 6 },
                Feedback::Nack { ssrc: 9, first: 0x102, following: 0x8001 },
                Feedback::Nack { ssrc: 9, first: 0x304, following: 0 },
                Feedback::KeyFrame { ssrc: 9 },
                Feedback::KeyFrame { ssrc: 8 },
            ]
        );
    }

    #[test]
    fn a_report_has_as_many_blocks_as_its_head_says() {
        for (kind, fixed) in [(201, 8), (200, 28)] {
            for (count, expected) in [(0, 0), (1, 1), (2, 2), (3, 2), (31, 2)] {
                let mut report = vec![0; fixed + 2 * 24];
                report[0] = 0x80 | count;
                report[1] = kind;
                report[3] = u8::try_from(report.len() / 4 - 1).unwrap();
                assert_eq!(all(&report).len(), expected, "{kind} with {count}");
            }
        }
    }

    #[test]
    fn malformed_compounds_end_quietly() {
        let whole = [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 0x80, 1, 3, 4, 0, 0];
        for length in 0..whole.len() {
            assert_eq!(all(&whole[..length]), [], "cut at {length}");
        }
        assert_eq!(all(&[0x41, 205, 0, 0]), []);
        assert_eq!(all(&[0x9f, 201, 0, 1, 0, 0, 0, 1]), [], "a count without blocks");
        assert_eq!(all(&[0x80, 200, 0, 1, 0, 0, 0, 1]), [], "a short sender report");
        assert_eq!(all(&[0x81, 206, 0, 1, 0, 0, 0, 1]), [], "a short PLI");
    }

    #[test]
    fn a_report_is_written_whole() {
        let report = SenderReport { ssrc: 7, ntp: 1 << 32, timestamp: 90, packets: 3, bytes: 4 };
        let mut out = [0xff; REPORT_BYTES];
        report.write(&mut out);
        assert_eq!(out.len() % 4, 0);
        assert_eq!(all(&out), [], "no blocks");
        assert_eq!(&out[38..42], b"weir");
    }

    #[test]
    fn an_independent_reader_finds_what_was_written() {
        let report = SenderReport { ssrc: 7, ntp: 3 << 40, timestamp: 90, packets: 3, bytes: 4 };
        let mut out = [0xff; REPORT_BYTES];
        report.write(&mut out);
        let parts: Vec<_> = Compound::parse(&out).unwrap().map(Result::unwrap).collect();
        let [Packet::Sr(sent), Packet::Sdes(names)] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((sent.ssrc(), sent.ntp_timestamp(), sent.n_reports()), (7, 3 << 40, 0));
        let counts = (sent.rtp_timestamp(), sent.packet_count(), sent.octet_count());
        assert_eq!(counts, (90, 3, 4));
        let chunk = names.chunks().next().expect("one");
        let item = chunk.items().next().expect("one");
        assert_eq!((chunk.ssrc(), item.type_()), (7, SdesItem::CNAME));
        assert_eq!(item.value(), b"weir");
    }

    #[test]
    fn what_an_independent_writer_wrote_is_read() {
        let block = ReportBlock::builder(9)
            .fraction_lost(51)
            .last_sender_report_timestamp(5)
            .delay_since_last_sender_report_timestamp(6);
        let lost = [65_534, 65_535, 0, 15, 40];
        let nack = lost.iter().fold(Nack::builder(), |nack, one| nack.add_rtp_sequence(*one));
        let (pli, fir) = (Pli::builder(), Fir::builder().add_ssrc(8, 1));
        let compound = Compound::builder()
            .add_packet(ReceiverReport::builder(1).add_report_block(block))
            .add_packet(TransportFeedback::builder(&nack).sender_ssrc(1).media_ssrc(9))
            .add_packet(PayloadFeedback::builder(&pli).sender_ssrc(1).media_ssrc(9))
            .add_packet(PayloadFeedback::builder(&fir).sender_ssrc(1));
        let mut bytes = [0; 256];
        let length = compound.write_into(&mut bytes).expect("room");
        let (mut others, mut lacks) = (Vec::new(), Vec::new());
        parse(&bytes[..length], |feedback| match feedback {
            Feedback::Nack { ssrc: 9, first, following } => {
                let more = (0..16).filter(|bit| following >> bit & 1 == 1);
                lacks.push(first);
                lacks.extend(more.map(|bit| first.wrapping_add(bit + 1)));
            }
            other => others.push(other),
        });
        lacks.sort_unstable();
        assert_eq!(lacks, [0, 15, 40, 65_534, 65_535]);
        assert_eq!(
            others,
            [
                Feedback::Report { ssrc: 9, fraction_lost: 51, last_report: 5, delay: 6 },
                Feedback::KeyFrame { ssrc: 9 },
                Feedback::KeyFrame { ssrc: 8 },
            ]
        );
    }

    #[test]
    fn a_round_trip_is_what_the_delay_leaves() {
        let ntp = 1000u64 << 32;
        let last = u32::try_from((999 << 16) & 0xffff_ffff_u64).unwrap();
        assert_eq!(round_trip_us(ntp, last, 1 << 15), Some(500_000));
        assert_eq!(round_trip_us(ntp, 0, 0), None);
        assert_eq!(round_trip_us(ntp, last, 2 << 16), None, "negative");
    }
}
