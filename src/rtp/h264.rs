//! The RTP payload format of H.264 (RFC 6184): single NAL units, STAP-A and FU-A, whichever
//! `packetization-mode` allows.

use super::nal::NalHeader;
use super::payload::{NalFragment, Payload};

/// STAP-A: several NAL units in one packet.
pub const STAP_A: u8 = 24;
/// FU-A: a fragment of a NAL unit.
pub const FU_A: u8 = 28;
/// The mask of the type in a NAL header.
pub const TYPE: u8 = 0x1F;
/// The mask of F and NRI in a NAL header.
pub const IMPORTANCE: u8 = 0xE0;

/// The form of a payload. The reserved bit of an FU header is ignored (`HeroSpeed` sets it).
pub fn read(payload: &[u8]) -> Payload<'_> {
    match payload {
        [] => Payload::Empty,
        // Type 0 is none: a start code.
        [0, ..] => Payload::AnnexB(payload),
        [first, rest @ ..] if first & TYPE == STAP_A => Payload::Aggregate(rest),
        [first, rest @ ..] if first & TYPE == FU_A => match rest {
            [fu_header, body @ ..] => {
                let header = NalHeader::H264(first & IMPORTANCE | fu_header & TYPE);
                Payload::Fragment(NalFragment::new(header, *fu_header, body))
            }
            [] => Payload::Empty,
        },
        _ => Payload::Single(payload),
    }
}

/// The bytes before a fragment of a NAL unit with this header; `position` is its S and E bits.
pub fn fragment_prefix(header: u8, position: u8) -> [u8; 2] {
    [header & IMPORTANCE | FU_A, position | header & TYPE]
}

#[cfg(test)]
mod tests {
    use crate::codec::Codec;
    use crate::rtp::depacketizer::Depacketizer;
    use crate::rtp::testing::Collected;

    fn nals(payloads: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut depacketizer = Depacketizer::new(Codec::H264);
        let mut sink = Collected::default();
        for payload in payloads {
            depacketizer.payload(payload, &mut sink);
        }
        sink.nals
    }

    #[test]
    fn a_padded_or_truncated_aggregate_gives_what_is_whole() {
        let padded: &[u8] = &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 0, 0, 0, 0];
        assert_eq!(nals(&[padded]), [&[0x67, 1][..], &[0x68]]);
        for (header, sound) in [(0x68, true), (0x65, false)] {
            let truncated: &[u8] = &[0x78, 0, 2, 0x67, 1, 0, 9, header, 2];
            assert_eq!(nals(&[truncated]), [[0x67, 1]]);
            let sink = &mut Collected::default();
            assert_eq!(Depacketizer::new(Codec::H264).payload(truncated, sink), sound);
        }
    }

    #[test]
    fn fragments_are_normalised() {
        // Reserved bit, another type in the middle, an empty fragment, and an empty one that ends.
        let parts: [&[u8]; 5] =
            [&[0x7C, 0xA5, 1, 2], &[0x7C, 0x01, 3], &[0x7C, 0x05], &[0x7C, 0x05, 4], &[0x7C, 0x45]];
        assert_eq!(nals(&parts), [[0x65, 1, 2, 3, 4]]);
        assert_eq!(nals(&[&[0x7C, 0xC5, 1, 2]]), [[0x65, 1, 2]]);
    }

    #[test]
    fn a_missing_end_is_made_good_and_a_missing_start_is_not() {
        let no_end: [&[u8]; 3] = [&[0x7C, 0x85, 1], &[0x7C, 0x05, 2], &[0x41, 3]];
        assert_eq!(nals(&no_end), [&[0x65, 1, 2][..], &[0x41, 3]]);
        let no_start: [&[u8]; 3] = [&[0x7C, 0x05, 1], &[0x7C, 0x45, 2], &[0x41, 3]];
        assert_eq!(nals(&no_start), [[0x41, 3]]);
        let mut depacketizer = Depacketizer::new(Codec::H264);
        let mut sink = Collected::default();
        depacketizer.payload(&[0x7C, 0x85, 1], &mut sink);
        depacketizer.broken();
        depacketizer.payload(&[0x7C, 0x45, 2], &mut sink);
        assert!(sink.nals.is_empty());
    }

    #[test]
    fn a_leading_start_code_is_taken_off() {
        let annexb: &[u8] = &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 0];
        assert_eq!(nals(&[annexb, &[0x41, 9]]), [&[0x67, 1][..], &[0x65, 2], &[0x41, 9]]);
        assert!(nals(&[&[0, 0, 0, 0]]).is_empty());
    }
}
