//! NAL unit types of H.264 (ISO/IEC 14496-10 table 7-1) and of its RTP payload (RFC 6184 table 1),
//! and the trait of types that receive NAL units.

/// A slice of a non-IDR picture, and the lowest VCL type; [`IDR_SLICE`] is the highest.
pub const SLICE: u8 = 1;
/// Partition A of a slice with data partitioning.
pub const SLICE_PARTITION_A: u8 = 2;
/// A slice of an IDR picture, and the highest VCL type.
pub const IDR_SLICE: u8 = 5;
/// A sequence parameter set (SPS).
pub const SPS: u8 = 7;
/// A picture parameter set (PPS).
pub const PPS: u8 = 8;
/// STAP-A: several NAL units in one packet.
pub const STAP_A: u8 = 24;
/// FU-A: a fragment of a NAL unit.
pub const FU_A: u8 = 28;

/// The S bit of an FU header: the first fragment.
pub const FU_START: u8 = 0x80;
/// The E bit of an FU header: the last fragment.
pub const FU_END: u8 = 0x40;
/// The mask of F and NRI in a NAL header.
pub const IMPORTANCE: u8 = 0xE0;

/// The NAL unit type in a header byte.
pub const fn kind(header: u8) -> u8 {
    header & 0x1F
}

/// Whether NAL units of this type carry picture content.
pub const fn is_vcl(kind: u8) -> bool {
    kind >= SLICE && kind <= IDR_SLICE
}

/// Whether a VCL NAL unit begins a picture: its first field, `first_mb_in_slice`, is 0. Partitions
/// B and C begin with another field, so they never do.
pub const fn begins_picture(kind: u8, first_body_byte: u8) -> bool {
    (kind == SLICE || kind == SLICE_PARTITION_A || kind == IDR_SLICE) && first_body_byte & 0x80 != 0
}

/// Receives NAL units in parts, in order: `begin`, any number of `bytes`, `end`. After a loss,
/// `begin` comes without an `end` before it.
pub trait NalSink {
    /// Begins a NAL unit with this header byte.
    fn begin(&mut self, header: u8);
    /// More bytes of the NAL unit; never empty.
    fn bytes(&mut self, bytes: &[u8]);
    /// Ends the NAL unit, which is complete.
    fn end(&mut self);
}
