//! SRTP and SRTCP with AES-GCM (RFC 7714), using ring: weir's only SRTP encryption, and the
//! decryption of the SRTCP that browsers send. [`received`] decrypts media, for `weir verify`.
//!
//! The nonce rule: under one key, one (SSRC, packet number) seals one plaintext, for ever. The
//! caller passes the 48-bit number and upholds the rule ([`super::cursor`]). SRTCP packets are
//! numbered here, and their numbers never restart.
//!
//! Raw keys and salts are wiped when they are dropped. The expanded RTP key (AES round keys and
//! GHASH table) is not wiped, because ring does not do that. It stays in the session slot's memory
//! until the next session overwrites it.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use zeroize::{Zeroize, Zeroizing};

use crate::limits::SRTCP_SENDERS_MAX;

mod received;

pub use received::OpenMediaKey;

/// The size of a GCM tag in bytes.
pub const TAG_BYTES: usize = 16;
/// Bytes that SRTCP adds to a packet: the tag, and a word with the E flag and the packet number.
pub const SRTCP_OVERHEAD_BYTES: usize = TAG_BYTES + 4;
const SALT_BYTES: usize = 12;
const RTCP_HEADER_BYTES: usize = 8;
/// The E flag: the top bit of the word with the 31-bit SRTCP number.
const ENCRYPTED: u32 = 1 << 31;

/// Labels of the key derivation (RFC 3711 section 4.3.2); the salt's label is two above the key's.
const LABEL_RTP: u8 = 0;
const LABEL_RTCP: u8 = 3;

/// Seals packets. A trait, so that a test can record the plaintext sealed under each number.
pub trait Seal {
    /// Encrypts `payload` in place under (`ssrc`, `number`) and returns the tag. `header` is
    /// authenticated only.
    fn seal(&self, ssrc: u32, number: u64, header: &[u8], payload: &mut [u8]) -> [u8; TAG_BYTES];

    /// Seals the RTCP packet in `packet[..length]` in place, under its own SRTCP number, and
    /// returns the new length. `packet` must have room for [`SRTCP_OVERHEAD_BYTES`] more. `None`
    /// when the numbers are used up or the packet is shorter than an RTCP header.
    fn seal_rtcp(&mut self, packet: &mut [u8], length: usize) -> Option<usize>;
}

/// A session's send keys: the RTP key expanded, the RTCP key raw (it is expanded for each report).
pub struct SealKeys {
    rtp: LessSafeKey,
    rtp_salt: Zeroizing<[u8; SALT_BYTES]>,
    rtcp: RawKey,
    rtcp_number: u32,
}

/// A session's key for the browser's SRTCP, with a replay window per sender.
pub struct OpenKeys {
    rtcp: RawKey,
    windows: heapless::Vec<Window, SRTCP_SENDERS_MAX>,
}

/// A derived key and salt; the key is as long as the master key, 16 or 32 bytes.
struct RawKey {
    key: [u8; 32],
    key_bytes: u8,
    salt: [u8; SALT_BYTES],
}

/// The highest number of one sender, and which of the 64 numbers up to it were seen.
#[derive(Debug)]
struct Window {
    ssrc: u32,
    highest: u32,
    seen: u64,
}

/// An authentic SRTCP packet that is no replay.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'p> {
    /// The RTCP compound packet in plaintext.
    pub compound: &'p [u8],
    /// Its number is above all those seen from this sender, so it is not an older packet that was
    /// held back. False for a sender's first packet, which might be one.
    pub is_newest: bool,
}

/// Why an SRTCP packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// Shorter than header, tag and number together.
    Short,
    /// The E flag is not set: it was sent in plaintext.
    NotEncrypted,
    /// The tag does not match.
    Forged,
    /// Seen before, or too old for the replay window.
    Replayed,
    /// A further sender, when all [`SRTCP_SENDERS_MAX`] windows of the session are in use.
    TooManySenders,
}

impl SealKeys {
    /// Derives the keys from the DTLS-SRTP master key; `None` unless that has 16 or 32 bytes.
    pub fn derive(master_key: &[u8], master_salt: &[u8; SALT_BYTES]) -> Option<Self> {
        let rtp = RawKey::derive(master_key, master_salt, LABEL_RTP)?;
        Some(Self {
            rtp: rtp.expand()?,
            rtp_salt: Zeroizing::new(rtp.salt),
            rtcp: RawKey::derive(master_key, master_salt, LABEL_RTCP)?,
            rtcp_number: 0,
        })
    }
}

impl Seal for SealKeys {
    fn seal(&self, ssrc: u32, number: u64, header: &[u8], payload: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = rtp_nonce(ssrc, number, &self.rtp_salt);
        let tag = self
            .rtp
            .seal_in_place_separate_tag(nonce, Aad::from(header), payload)
            .expect("a packet is far below GCM's limit");
        let mut bytes = [0; TAG_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    fn seal_rtcp(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let number = self.rtcp_number;
        if number >= ENCRYPTED || length < RTCP_HEADER_BYTES {
            return None;
        }
        self.rtcp_number += 1;
        let trailer = (ENCRYPTED | number).to_be_bytes();
        let (header, rest) = packet.split_at_mut(RTCP_HEADER_BYTES);
        let (payload, after) = rest.split_at_mut(length - RTCP_HEADER_BYTES);
        let nonce = self.rtcp.rtcp_nonce(ssrc_of(header), number);
        let aad = rtcp_aad(header, trailer);
        let key = self.rtcp.expand()?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
        after[..TAG_BYTES].copy_from_slice(tag.as_ref());
        after[TAG_BYTES..SRTCP_OVERHEAD_BYTES].copy_from_slice(&trailer);
        Some(length + SRTCP_OVERHEAD_BYTES)
    }
}

impl OpenKeys {
    /// Derives the key from the DTLS-SRTP master key; `None` unless that has 16 or 32 bytes.
    pub fn derive(master_key: &[u8], master_salt: &[u8; SALT_BYTES]) -> Option<Self> {
        let rtcp = RawKey::derive(master_key, master_salt, LABEL_RTCP)?;
        Some(Self { rtcp, windows: heapless::Vec::new() })
    }

    /// Authenticates and decrypts an SRTCP packet in place.
    ///
    /// # Errors
    /// See [`OpenError`]. A packet that is refused does not change the replay windows.
    pub fn open_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Result<Opened<'p>, OpenError> {
        if packet.len() < RTCP_HEADER_BYTES + SRTCP_OVERHEAD_BYTES {
            return Err(OpenError::Short);
        }
        let length = packet.len() - SRTCP_OVERHEAD_BYTES;
        let mut trailer = [0; 4];
        trailer.copy_from_slice(&packet[length + TAG_BYTES..]);
        let number = u32::from_be_bytes(trailer);
        if number & ENCRYPTED == 0 {
            return Err(OpenError::NotEncrypted);
        }
        let number = number & !ENCRYPTED;
        let ssrc = ssrc_of(packet);
        let known = self.windows.iter().position(|window| window.ssrc == ssrc);
        match known {
            Some(at) if !self.windows[at].is_fresh(number) => return Err(OpenError::Replayed),
            None if self.windows.is_full() => return Err(OpenError::TooManySenders),
            _ => {}
        }
        let aad = rtcp_aad(&packet[..RTCP_HEADER_BYTES], trailer);
        let nonce = self.rtcp.rtcp_nonce(ssrc, number);
        let key = self.rtcp.expand().ok_or(OpenError::Forged)?;
        let sealed = &mut packet[RTCP_HEADER_BYTES..length + TAG_BYTES];
        key.open_in_place(nonce, Aad::from(aad), sealed).map_err(|_| OpenError::Forged)?;
        let is_newest = match known {
            Some(at) => self.windows[at].mark(number),
            None => {
                let window = Window { ssrc, highest: number, seen: 1 };
                self.windows.push(window).map_err(|_| OpenError::TooManySenders)?;
                false
            }
        };
        Ok(Opened { compound: &packet[..length], is_newest })
    }
}

impl RawKey {
    /// AES in counter mode over the label and the salt (RFC 3711 section 4.3.3, with the 96-bit
    /// salt of RFC 7714 section 11).
    fn derive(master_key: &[u8], salt: &[u8; SALT_BYTES], label: u8) -> Option<Self> {
        // Filled in place, so that a move leaves no copy behind.
        let mut derived = Self { key: [0; 32], key_bytes: 0, salt: [0; SALT_BYTES] };
        let key_bytes = master_key.len();
        let encrypt: &dyn Fn(&mut [u8; 16]) = match key_bytes {
            16 => {
                let cipher = aes::Aes128::new(GenericArray::from_slice(master_key));
                &move |block| cipher.encrypt_block(GenericArray::from_mut_slice(block))
            }
            32 => {
                let cipher = aes::Aes256::new(GenericArray::from_slice(master_key));
                &move |block| cipher.encrypt_block(GenericArray::from_mut_slice(block))
            }
            _ => return None,
        };
        let stream = |label: u8, counter: u8| {
            let mut block = Zeroizing::new([0; 16]);
            block[..SALT_BYTES].copy_from_slice(salt);
            block[7] ^= label;
            block[15] = counter;
            encrypt(&mut block);
            block
        };
        for (counter, chunk) in (0u8..).zip(derived.key[..key_bytes].chunks_mut(16)) {
            chunk.copy_from_slice(&*stream(label, counter));
        }
        derived.salt.copy_from_slice(&stream(label + 2, 0)[..SALT_BYTES]);
        derived.key_bytes = u8::try_from(key_bytes).ok()?;
        Some(derived)
    }

    /// The expanded key for ring, 544 bytes.
    fn expand(&self) -> Option<LessSafeKey> {
        let algorithm = if self.key_bytes == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, &self.key[..usize::from(self.key_bytes)]).ok()?;
        Some(LessSafeKey::new(key))
    }

    fn rtcp_nonce(&self, ssrc: u32, number: u32) -> Nonce {
        let mut nonce = [0; SALT_BYTES];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[8..12].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(xor(nonce, &self.salt))
    }
}

impl Drop for RawKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl Window {
    fn is_fresh(&self, number: u32) -> bool {
        match self.highest.checked_sub(number) {
            None => true,
            Some(age) => age < 64 && self.seen & (1 << age) == 0,
        }
    }

    /// Marks a number as seen; returns whether it is above all numbers seen before.
    fn mark(&mut self, number: u32) -> bool {
        if let Some(age) = self.highest.checked_sub(number) {
            self.seen |= 1 << age;
            return false;
        }
        let ahead = number - self.highest;
        self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
        self.highest = number;
        true
    }
}

fn rtp_nonce(ssrc: u32, number: u64, salt: &[u8; SALT_BYTES]) -> Nonce {
    let mut nonce = [0; SALT_BYTES];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    // Roll-over counter (32 bits) and sequence number (16 bits): the 48-bit number.
    nonce[6..12].copy_from_slice(&number.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(xor(nonce, salt))
}

fn xor(mut nonce: [u8; SALT_BYTES], salt: &[u8; SALT_BYTES]) -> [u8; SALT_BYTES] {
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    nonce
}

fn ssrc_of(rtcp: &[u8]) -> u32 {
    u32::from_be_bytes([rtcp[4], rtcp[5], rtcp[6], rtcp[7]])
}

fn rtcp_aad(header: &[u8], trailer: [u8; 4]) -> [u8; RTCP_HEADER_BYTES + 4] {
    let mut aad = [0; RTCP_HEADER_BYTES + 4];
    aad[..RTCP_HEADER_BYTES].copy_from_slice(&header[..RTCP_HEADER_BYTES]);
    aad[RTCP_HEADER_BYTES..].copy_from_slice(&trailer);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    /// Session keys as the test vectors of RFC 7714 give them, without key derivation.
    fn session_keys(key: &str) -> (RawKey, LessSafeKey) {
        let raw = bytes(key);
        let mut padded = [0; 32];
        padded[..raw.len()].copy_from_slice(&raw);
        let mut salt = [0; 12];
        salt.copy_from_slice(&bytes("517569642070726f2071756f"));
        let key = RawKey { key: padded, key_bytes: u8::try_from(raw.len()).unwrap(), salt };
        let expanded = key.expand().unwrap();
        (key, expanded)
    }

    #[test]
    fn rtp_is_sealed_as_rfc_7714_section_16_says() {
        for (key, sealed) in [
            (
                "000102030405060708090a0b0c0d0e0f",
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                 899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
                 7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let (raw, rtp) = session_keys(key);
            let keys =
                SealKeys { rtp, rtp_salt: Zeroizing::new(raw.salt), rtcp: raw, rtcp_number: 0 };
            let header = bytes("8040f17b8041f8d35501a0b2");
            let mut payload = bytes(
                "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
            );
            let tag = keys.seal(0x5501_a0b2, 0xf17b, &header, &mut payload);
            payload.extend_from_slice(&tag);
            assert_eq!(payload, bytes(sealed));
        }
    }

    #[test]
    fn rtcp_is_sealed_as_rfc_7714_section_17_says() {
        let (raw, rtp) = session_keys("000102030405060708090a0b0c0d0e0f");
        let mut keys =
            SealKeys { rtp, rtp_salt: Zeroizing::new(raw.salt), rtcp: raw, rtcp_number: 0x5d4 };
        let mut packet = bytes(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeef\
             deadbeefdeadbeefdeadbeef",
        );
        let length = packet.len();
        packet.resize(length + SRTCP_OVERHEAD_BYTES, 0);
        assert_eq!(keys.seal_rtcp(&mut packet, length), Some(length + SRTCP_OVERHEAD_BYTES));
        let sealed = bytes(
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
             4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        );
        assert_eq!(packet, sealed);
    }

    fn pair() -> (SealKeys, OpenKeys) {
        let key = [7; 32];
        let salt = [9; 12];
        (SealKeys::derive(&key, &salt).unwrap(), OpenKeys::derive(&key, &salt).unwrap())
    }

    fn report(keys: &mut SealKeys, ssrc: u8) -> Vec<u8> {
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, ssrc];
        packet.resize(8 + SRTCP_OVERHEAD_BYTES, 0);
        keys.seal_rtcp(&mut packet, 8).unwrap();
        packet
    }

    #[test]
    fn what_was_sealed_opens_once() {
        let (mut seal, mut open) = pair();
        let packets: Vec<Vec<u8>> = (0..70).map(|_| report(&mut seal, 1)).collect();
        let mut first = packets[0].clone();
        assert!(!open.open_rtcp(&mut first).unwrap().is_newest, "nothing to compare it with");
        let mut newest = packets[69].clone();
        let opened = open.open_rtcp(&mut newest).unwrap();
        assert_eq!(opened, Opened { compound: &[0x80, 201, 0, 1, 0, 0, 0, 1], is_newest: true });
        assert_eq!(open.open_rtcp(&mut packets[69].clone()), Err(OpenError::Replayed));
        let mut late = packets[6].clone();
        assert!(!open.open_rtcp(&mut late).expect("63 below the highest").is_newest);
        assert_eq!(open.open_rtcp(&mut packets[6].clone()), Err(OpenError::Replayed));
        assert_eq!(open.open_rtcp(&mut packets[5].clone()), Err(OpenError::Replayed), "too old");
    }

    #[test]
    fn forged_short_clear_and_too_many_senders_are_refused() {
        let (mut seal, mut open) = pair();
        let mut forged = report(&mut seal, 1);
        forged[10] ^= 1;
        assert_eq!(open.open_rtcp(&mut forged), Err(OpenError::Forged));
        let mut clear = report(&mut seal, 1);
        let at = clear.len() - 4;
        clear[at] &= 0x7f;
        assert_eq!(open.open_rtcp(&mut clear), Err(OpenError::NotEncrypted));
        assert_eq!(open.open_rtcp(&mut [0x80; 27]), Err(OpenError::Short));
        for ssrc in 1..=4 {
            assert!(open.open_rtcp(&mut report(&mut seal, ssrc)).is_ok());
        }
        assert_eq!(open.open_rtcp(&mut report(&mut seal, 5)), Err(OpenError::TooManySenders));
    }
}
