//! The RTP header (RFC 3550 section 5.1) as weir writes it, of a picture's packets and of sound's.

use crate::limits::PLAYOUT_DELAY_MS_MAX;

const FIXED_BYTES: usize = 12;
const EXTENSION_BYTES: usize = 8;

/// What the playout-delay extension of a picture's packets says. At least 0: a picture is shown as
/// soon as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// The ID of the extension by the SDP.
    pub id: u8,
    /// Whether sound goes beside the picture, which may wait for it up to [`PLAYOUT_DELAY_MS_MAX`].
    /// Without sound, at most 0.
    pub waits_for_sound: bool,
}

/// The header of one packet. It depends on packet and number alone, so a resend is identical to the
/// byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct RtpHeader {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The playout-delay extension; `None` leaves it out.
    pub(super) playout_delay: Option<PlayoutDelay>,
}

impl RtpHeader {
    /// Its length, with the extension if there is one.
    pub(super) fn bytes(&self) -> usize {
        FIXED_BYTES + if self.playout_delay.is_some() { EXTENSION_BYTES } else { 0 }
    }

    /// Writes it into `out`, which is [`Self::bytes`] long.
    pub(super) fn write(&self, out: &mut [u8]) {
        out[0] = 0x80;
        out[1] = u8::from(self.marker) << 7 | self.payload_type;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        if let Some(PlayoutDelay { id, waits_for_sound }) = self.playout_delay {
            out[0] |= 0x10;
            let most = if waits_for_sound { PLAYOUT_DELAY_MS_MAX / 10 } else { 0 };
            let [high, low] = most.to_be_bytes();
            // One-byte extension (RFC 8285): one word, with the ID and length 3 - 1, then the least
            // and the most, 12 bits each, in 10 ms.
            out[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 2, 0, high, low]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_waits_for_nothing_but_its_sound() {
        let extension = |waits_for_sound| {
            let header = RtpHeader {
                marker: false,
                payload_type: 96,
                sequence: 1,
                timestamp: 2,
                ssrc: 3,
                playout_delay: Some(PlayoutDelay { id: 5, waits_for_sound }),
            };
            let mut bytes = [0; 20];
            header.write(&mut bytes);
            bytes[16..].to_vec()
        };
        assert_eq!(extension(false), [0x52, 0, 0, 0]);
        assert_eq!(extension(true), [0x52, 0, 0, 50], "0 to 500 ms");
    }
}
