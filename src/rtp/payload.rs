//! What an RTP payload carries, in the words that the payload formats of H.264 and H.265 share.

use super::nal::NalHeader;

/// The S bit of an FU header: the first fragment.
pub const FU_START: u8 = 0x80;
/// The E bit of an FU header: the last fragment.
pub const FU_END: u8 = 0x40;

/// A payload, by the form of its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'p> {
    /// Nothing.
    Empty,
    /// One NAL unit.
    Single(&'p [u8]),
    /// NAL units, each after its size in two bytes.
    Aggregate(&'p [u8]),
    /// A part of a NAL unit.
    Fragment(NalFragment<'p>),
    /// Start codes and NAL units (Annex B), where RTP has no such thing.
    AnnexB(&'p [u8]),
    /// A form that weir does not know, so that what it carries is lost.
    Unknown,
}

/// A part of a NAL unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalFragment<'p> {
    /// The header of the NAL unit; only that of the first fragment counts.
    pub header: NalHeader,
    /// The S bit of its FU header.
    pub is_first: bool,
    /// The E bit of its FU header.
    pub is_last: bool,
    /// The bytes after the FU header.
    pub body: &'p [u8],
}

impl<'p> NalFragment<'p> {
    /// A fragment with these S and E bits in its FU header.
    pub fn new(header: NalHeader, fu_header: u8, body: &'p [u8]) -> Self {
        let (is_first, is_last) = (fu_header & FU_START != 0, fu_header & FU_END != 0);
        Self { header, is_first, is_last, body }
    }
}
