//! The RTP payload format of H.265 (RFC 7798): single NAL units, aggregation packets (AP) and
//! fragmentation units (FU), without DONL fields: a camera that announces those is refused.

use super::nal::NalHeader;
use super::payload::{NalFragment, Payload};

/// AP: several NAL units in one packet.
pub const AP: u8 = 48;
/// FU: a fragment of a NAL unit.
pub const FU: u8 = 49;
/// PACI: a payload behind an extension of its header, which no camera is known to send.
const PACI: u8 = 50;
/// The mask of the type in an FU header.
pub const FU_TYPE: u8 = 0x3F;
/// The mask of F and the highest bit of the layer in the first byte of a NAL header.
const AROUND_TYPE: u8 = 0x81;
/// The payload header of an AP of base layer NAL units (section 4.4.2).
pub const AP_HEADER: [u8; 2] = [AP << 1, 1];

/// The form of a payload.
pub fn read(payload: &[u8]) -> Payload<'_> {
    match payload {
        [] | [_] => Payload::Empty,
        // A NAL header's second byte is never 0, as the temporal layer counts from 1: this is a
        // start code, where type 0 alone would be a slice.
        [0, 0, ..] => Payload::AnnexB(payload),
        [first, second, rest @ ..] => match first >> 1 & 0x3F {
            AP => Payload::Aggregate(rest),
            FU => match rest {
                [fu_header, body @ ..] => {
                    let first = first & AROUND_TYPE | (fu_header & FU_TYPE) << 1;
                    let header = NalHeader::H265([first, *second]);
                    Payload::Fragment(NalFragment::new(header, *fu_header, body))
                }
                [] => Payload::Empty,
            },
            PACI => Payload::Unknown,
            _ => Payload::Single(payload),
        },
    }
}

/// The bytes before a fragment of a NAL unit with this header; `position` is its S and E bits.
pub fn fragment_prefix(header: [u8; 2], position: u8) -> [u8; 3] {
    let [first, second] = header;
    [first & AROUND_TYPE | FU << 1, second, position | first >> 1 & FU_TYPE]
}

#[cfg(test)]
mod tests {
    use crate::codec::Codec;
    use crate::rtp::depacketizer::Depacketizer;
    use crate::rtp::testing::Collected;

    /// The NAL units of these payloads, and whether all payloads were whole.
    fn nals(payloads: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
        let mut depacketizer = Depacketizer::new(Codec::H265);
        let mut sink = Collected::default();
        let mut is_whole = true;
        for payload in payloads {
            is_whole &= depacketizer.payload(payload, &mut sink);
        }
        (sink.nals, is_whole)
    }

    #[test]
    fn single_nal_units_are_taken_whatever_their_type() {
        for kind in (0..64).filter(|kind| !(48..=50).contains(kind)) {
            let nal: &[u8] = &[kind << 1, 1, 0x80, 7];
            assert_eq!(nals(&[nal]), (vec![nal.to_vec()], true), "{kind}");
        }
        assert_eq!(nals(&[&[], &[0x26]]), (vec![], true), "nothing in it");
    }

    #[test]
    fn an_aggregate_gives_what_is_whole() {
        let padded: &[u8] = &[0x60, 1, 0, 3, 0x40, 1, 9, 0, 2, 0x42, 1, 0, 0, 0];
        assert_eq!(nals(&[padded]), (vec![vec![0x40, 1, 9], vec![0x42, 1]], true));
        for (header, is_whole) in [(0x44, true), (0x26, false)] {
            let cut: &[u8] = &[0x60, 1, 0, 3, 0x40, 1, 9, 0, 9, header, 1, 2];
            assert_eq!(nals(&[cut]), (vec![vec![0x40, 1, 9]], is_whole));
        }
    }

    #[test]
    fn fragments_are_normalised() {
        // Another type in the middle, an empty fragment, and an empty one that ends.
        let parts: [&[u8]; 5] = [
            &[0x62, 1, 0x93, 1, 2],
            &[0x62, 1, 0x01, 3],
            &[0x62, 1, 0x13],
            &[0x62, 1, 0x13, 4],
            &[0x62, 1, 0x53],
        ];
        assert_eq!(nals(&parts), (vec![vec![0x26, 1, 1, 2, 3, 4]], true));
        assert_eq!(nals(&[&[0x62, 2, 0xC0, 1, 2]]).0, [[0, 2, 1, 2]], "S and E, type 0");
        assert_eq!(nals(&[&[0x62, 1]]), (vec![], true), "no FU header");
    }

    #[test]
    fn a_missing_end_is_made_good_and_a_missing_start_is_not() {
        let no_end: [&[u8]; 3] = [&[0x62, 1, 0x93, 1], &[0x62, 1, 0x13, 2], &[0x02, 1, 3]];
        assert_eq!(nals(&no_end).0, [vec![0x26, 1, 1, 2], vec![0x02, 1, 3]]);
        let no_start: [&[u8]; 3] = [&[0x62, 1, 0x13, 1], &[0x62, 1, 0x53, 2], &[0x02, 1, 3]];
        assert_eq!(nals(&no_start).0, [[0x02, 1, 3]]);
        let mut depacketizer = Depacketizer::new(Codec::H265);
        let mut sink = Collected::default();
        depacketizer.payload(&[0x62, 1, 0x93, 1], &mut sink);
        depacketizer.broken();
        depacketizer.payload(&[0x62, 1, 0x53, 2], &mut sink);
        assert!(sink.nals.is_empty());
    }

    #[test]
    fn a_leading_start_code_is_taken_off_and_type_0_is_a_slice() {
        let annexb: &[u8] = &[0, 0, 0, 1, 0x40, 1, 5, 0, 0, 1, 0x26, 1, 2, 0];
        let expected = vec![vec![0x40, 1, 5], vec![0x26, 1, 2], vec![0, 1, 0xD0, 9]];
        assert_eq!(nals(&[annexb, &[0, 1, 0xD0, 9]]), (expected, true));
        let in_one: &[u8] = &[0x40, 1, 5, 0, 0, 0, 1, 0x42, 1, 6, 0, 0, 1, 0x26, 1, 0x80, 2];
        let expected = vec![vec![0x40, 1, 5], vec![0x42, 1, 6], vec![0x26, 1, 0x80, 2]];
        assert_eq!(nals(&[in_one]), (expected, true), "as one VPS");
    }

    #[test]
    fn what_is_behind_an_extension_is_lost() {
        assert_eq!(nals(&[&[0x64, 1, 0x26, 0, 7, 7]]), (vec![], false));
    }

    #[test]
    fn every_byte_string_is_taken_without_a_panic() {
        let mut random = crate::rtp::testing::Random(265);
        let mut depacketizer = Depacketizer::new(Codec::H265);
        let mut sink = Collected::default();
        for _ in 0..20_000 {
            let count = random.below(12);
            let mut payload = random.bytes(count);
            if let Some(first) = payload.first_mut().filter(|_| random.one_in(2)) {
                *first = [0x60, 0x62, 0x64, 0][random.below(4)];
            }
            if !depacketizer.payload(&payload, &mut sink) {
                depacketizer.broken();
            }
            sink.nals.clear();
        }
    }
}
