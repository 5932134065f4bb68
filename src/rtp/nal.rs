//! NAL units of H.264 (ISO/IEC 14496-10 section 7.3.1) and H.265 (ISO/IEC 23008-2 section 7.3.1):
//! their headers, what weir does with each type, and the trait of types that receive NAL units.

use crate::codec::Codec;

/// A NAL unit's header: one byte of H.264, two of H.265.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalHeader {
    /// F, NRI and a type of five bits.
    H264(u8),
    /// F, a type of six bits, layer and temporal layer.
    H265([u8; 2]),
}

/// What a NAL unit is to weir.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalRole {
    /// A parameter set, which is kept and published before each key frame.
    ParameterSet(SetKind),
    /// A slice of a picture that decoding can begin with: an IDR picture, or an IRAP picture of
    /// H.265.
    KeySlice,
    /// A slice of any other picture.
    Slice,
    /// A slice of a RASL picture of H.265 (random access skipped leading). It follows a key frame
    /// and refers to pictures before it. No viewer gets it: one that begins or goes on at that key
    /// frame cannot decode it, and would not know, as packet numbers have no gap there. Nothing but
    /// another RASL picture refers to it, and only cameras with B-frames send any.
    SkippedSlice,
    /// What a decoder does not need: delimiters, SEI, filler, further layers, unknown types.
    Other,
}

/// The kinds of parameter sets, in the order in which they are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// A video parameter set, of H.265 alone.
    Vps,
    /// A sequence parameter set.
    Sps,
    /// A picture parameter set.
    Pps,
}

impl NalHeader {
    /// The header at the beginning of `nal`, and the bytes after it; `None` if it is cut short.
    pub fn read(codec: Codec, nal: &[u8]) -> Option<(Self, &[u8])> {
        match (codec, nal) {
            (Codec::H264, [header, body @ ..]) => Some((Self::H264(*header), body)),
            (Codec::H265, [first, second, body @ ..]) => {
                Some((Self::H265([*first, *second]), body))
            }
            _ => None,
        }
    }

    /// Its one or two bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::H264(byte) => std::slice::from_ref(byte),
            Self::H265(bytes) => bytes,
        }
    }

    /// What the NAL unit is to weir.
    pub fn role(self) -> NalRole {
        match self {
            Self::H264(byte) => h264_role(byte & 0x1F),
            Self::H265([first, second]) => {
                let layer = (first & 1) << 5 | second >> 3;
                // The temporal layer counts from 1.
                let is_sound = layer == 0 && second & 7 > 0;
                if is_sound { h265_role(first >> 1 & 0x3F) } else { NalRole::Other }
            }
        }
    }

    /// Whether a NAL unit with this byte after the header is a picture's first slice: its
    /// `first_mb_in_slice` is 0, or its `first_slice_segment_in_pic_flag` 1. Partitions B and C of
    /// H.264 begin with another field, so they never are.
    pub fn begins_picture(self, first_body_byte: u8) -> bool {
        let is_partition = matches!(self, Self::H264(byte) if matches!(byte & 0x1F, 3 | 4));
        self.role().is_slice() && !is_partition && first_body_byte & 0x80 != 0
    }
}

/// The role of a type of ISO/IEC 14496-10 table 7-1.
fn h264_role(kind: u8) -> NalRole {
    match kind {
        1..=4 => NalRole::Slice,
        5 => NalRole::KeySlice,
        7 => NalRole::ParameterSet(SetKind::Sps),
        8 => NalRole::ParameterSet(SetKind::Pps),
        _ => NalRole::Other,
    }
}

/// The role of a type of ISO/IEC 23008-2 table 7-1.
fn h265_role(kind: u8) -> NalRole {
    match kind {
        0..=7 => NalRole::Slice,
        8 | 9 => NalRole::SkippedSlice,
        // BLA, IDR and CRA pictures.
        16..=21 => NalRole::KeySlice,
        32 => NalRole::ParameterSet(SetKind::Vps),
        33 => NalRole::ParameterSet(SetKind::Sps),
        34 => NalRole::ParameterSet(SetKind::Pps),
        _ => NalRole::Other,
    }
}

/// Whether a NAL unit with this first byte is a parameter set.
pub fn is_parameter_set(codec: Codec, first: u8) -> bool {
    let role = match codec {
        Codec::H264 => h264_role(first & 0x1F),
        Codec::H265 => h265_role(first >> 1 & 0x3F),
    };
    matches!(role, NalRole::ParameterSet(_))
}

impl NalRole {
    /// Whether it carries picture content.
    pub fn is_slice(self) -> bool {
        matches!(self, Self::KeySlice | Self::Slice | Self::SkippedSlice)
    }
}

/// Receives NAL units in parts, in order: `begin`, any number of `bytes`, `end`. After a loss,
/// `begin` comes without an `end` before it.
pub trait NalSink {
    /// Begins a NAL unit with this first byte of its header.
    fn begin(&mut self, first: u8);
    /// More bytes of the NAL unit; never empty.
    fn bytes(&mut self, bytes: &[u8]);
    /// Ends the NAL unit, which is complete.
    fn end(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_role() {
        use NalRole::{KeySlice, Other, ParameterSet, SkippedSlice, Slice};
        for kind in 0..32 {
            let expected = match kind {
                1..=4 => Slice,
                5 => KeySlice,
                7 => ParameterSet(SetKind::Sps),
                8 => ParameterSet(SetKind::Pps),
                _ => Other,
            };
            assert_eq!(NalHeader::H264(0x60 | kind).role(), expected, "{kind}");
            assert_eq!(
                is_parameter_set(Codec::H264, 0x60 | kind),
                matches!(expected, ParameterSet(_))
            );
        }
        for kind in 0..64 {
            let expected = match kind {
                0..=7 => Slice,
                8 | 9 => SkippedSlice,
                16..=21 => KeySlice,
                32 => ParameterSet(SetKind::Vps),
                33 => ParameterSet(SetKind::Sps),
                34 => ParameterSet(SetKind::Pps),
                _ => Other,
            };
            assert_eq!(NalHeader::H265([kind << 1, 1]).role(), expected, "{kind}");
            assert_eq!(NalHeader::H265([kind << 1, 0x09]).role(), Other, "of layer 1");
            assert_eq!(NalHeader::H265([kind << 1 | 1, 1]).role(), Other, "of layer 32");
            assert_eq!(NalHeader::H265([kind << 1, 0]).role(), Other, "of no temporal layer");
        }
    }

    #[test]
    fn a_picture_begins_with_its_first_slice() {
        assert!(NalHeader::H264(0x65).begins_picture(0x88));
        assert!(!NalHeader::H264(0x65).begins_picture(0x48));
        assert!(!NalHeader::H264(0x63).begins_picture(0x88), "partition B");
        assert!(NalHeader::H265([0x26, 1]).begins_picture(0x80));
        assert!(!NalHeader::H265([0x26, 1]).begins_picture(0x7f));
        assert!(!NalHeader::H265([0x42, 1]).begins_picture(0x80), "an SPS");
    }
}
