//! NAL unit types of H.264 (ISO/IEC 14496-10 table 7-1) and of its RTP payload (RFC 6184
//! table 1), and what takes NAL units as they are found.

/// A slice of another picture than an IDR; with [`IDR_SLICE`] the bounds of the VCL types.
pub const SLICE: u8 = 1;
/// The first partition of a slice in three.
pub const SLICE_PARTITION_A: u8 = 2;
/// A slice of an IDR picture.
pub const IDR_SLICE: u8 = 5;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Several NAL units in one packet.
pub const STAP_A: u8 = 24;
/// A part of a NAL unit.
pub const FU_A: u8 = 28;

/// The S bit of an FU header: the NAL unit's first part.
pub const FU_START: u8 = 0x80;
/// The E bit: its last.
pub const FU_END: u8 = 0x40;
/// F and NRI of a NAL header.
pub const IMPORTANCE: u8 = 0xE0;

/// The type of a NAL unit, from its first byte.
pub const fn kind(header: u8) -> u8 {
    header & 0x1F
}

/// Whether NAL units of this type carry picture content.
pub const fn is_vcl(kind: u8) -> bool {
    kind >= SLICE && kind <= IDR_SLICE
}

/// Whether a VCL NAL unit begins a picture: `first_mb_in_slice`, its first field, is 0. The
/// partitions B and C begin with another field.
pub const fn begins_picture(kind: u8, first_body_byte: u8) -> bool {
    (kind == SLICE || kind == SLICE_PARTITION_A || kind == IDR_SLICE) && first_body_byte & 0x80 != 0
}

/// Takes NAL units in parts, in order: `begin`, any number of `bytes`, `end`. A `begin` without
/// an `end` before it follows a loss.
pub trait NalSink {
    /// A NAL unit with this header byte.
    fn begin(&mut self, header: u8);
    /// More bytes of it; never empty.
    fn bytes(&mut self, bytes: &[u8]);
    /// It is whole.
    fn end(&mut self);
}
