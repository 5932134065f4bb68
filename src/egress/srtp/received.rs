//! Opens the media of an SRTP sender. weir itself receives none; `weir verify` does, as a viewer.

use ring::aead::{Aad, LessSafeKey};
use zeroize::Zeroizing;

use super::{LABEL_RTP, RawKey, SALT_BYTES, TAG_BYTES, rtp_nonce};

/// The key that opens the RTP packets of one sender's direction.
pub struct OpenMediaKey {
    key: LessSafeKey,
    salt: Zeroizing<[u8; SALT_BYTES]>,
}

impl OpenMediaKey {
    /// Derives the key from the DTLS-SRTP master key; `None` unless that has 16 or 32 bytes.
    pub fn derive(master_key: &[u8], master_salt: &[u8; SALT_BYTES]) -> Option<Self> {
        let raw = RawKey::derive(master_key, master_salt, LABEL_RTP)?;
        Some(Self { key: raw.expand()?, salt: Zeroizing::new(raw.salt) })
    }

    /// Authenticates a packet with a header of `header_bytes` and decrypts its payload in place.
    /// `number` is the 48-bit packet number. `None` when the tag does not match.
    pub fn open<'p>(
        &self,
        packet: &'p mut [u8],
        header_bytes: usize,
        number: u64,
    ) -> Option<&'p [u8]> {
        if header_bytes < 12 || packet.len() < header_bytes + TAG_BYTES {
            return None;
        }
        let (header, sealed) = packet.split_at_mut(header_bytes);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let nonce = rtp_nonce(ssrc, number, &self.salt);
        self.key.open_in_place(nonce, Aad::from(&*header), sealed).ok().map(|plain| &*plain)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Seal as _, SealKeys};
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_own_number_alone() {
        for key_bytes in [16, 32] {
            let (key, salt) = (vec![7; key_bytes], [9; SALT_BYTES]);
            let seal = SealKeys::derive(&key, &salt).unwrap();
            let open = OpenMediaKey::derive(&key, &salt).unwrap();
            let number = 0x1_0002;
            let header = [0x80, 96, 0, 2, 0, 0, 0, 1, 0, 0, 0, 7];
            let mut payload = *b"a slice";
            let tag = seal.seal(7, number, &header, &mut payload);
            let packet = [&header[..], &payload, &tag].concat();
            assert_eq!(open.open(&mut packet.clone(), 12, number), Some(&b"a slice"[..]));
            assert_eq!(open.open(&mut packet.clone(), 12, 2), None, "another roll-over");
            assert_eq!(open.open(&mut packet[..27].to_vec(), 12, number), None, "cut short");
            let mut forged = packet.clone();
            forged[13] ^= 1;
            assert_eq!(open.open(&mut forged, 12, number), None);
        }
    }
}
