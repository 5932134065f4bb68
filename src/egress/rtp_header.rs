//! The RTP header (RFC 3550 section 5.1) as weir writes it, of a picture's packets and of sound's.

const FIXED_BYTES: usize = 12;
const EXTENSION_BYTES: usize = 8;

/// The header of one packet. It depends on packet and number alone, so a resend is identical to the
/// byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct RtpHeader {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The ID of the playout-delay extension, which says 0 to 0; `None` leaves it out.
    pub(super) playout_delay_id: Option<u8>,
}

impl RtpHeader {
    /// Its length, with the extension if there is one.
    pub(super) fn bytes(&self) -> usize {
        FIXED_BYTES + if self.playout_delay_id.is_some() { EXTENSION_BYTES } else { 0 }
    }

    /// Writes it into `out`, which is [`Self::bytes`] long.
    pub(super) fn write(&self, out: &mut [u8]) {
        out[0] = 0x80;
        out[1] = u8::from(self.marker) << 7 | self.payload_type;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        if let Some(id) = self.playout_delay_id {
            out[0] |= 0x10;
            // One-byte extension (RFC 8285): one word, with the ID and length 3 - 1, then 3 zero
            // bytes.
            out[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 2, 0, 0, 0]);
        }
    }
}
