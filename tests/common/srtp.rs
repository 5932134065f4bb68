//! SRTP and SRTCP with AES-GCM (RFC 7714), written from the RFC for the far side of a session.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of the authentication tag.
pub const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 12;
/// The bit of SRTCP's index word that says "encrypted".
const ENCRYPTED: u32 = 1 << 31;

/// One direction's keys.
pub struct Keys {
    rtp: LessSafeKey,
    rtp_salt: [u8; SALT_BYTES],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; SALT_BYTES],
}

impl Keys {
    /// The key derivation of RFC 3711 section 4.3.1 with the labels of RFC 7714 section 11.
    pub fn derive(master_key: &[u8], master_salt: &[u8; SALT_BYTES]) -> Self {
        let bytes = master_key.len();
        Self {
            rtp: gcm(&key_stream(master_key, master_salt, 0, bytes)),
            rtp_salt: salt(&key_stream(master_key, master_salt, 2, SALT_BYTES)),
            rtcp: gcm(&key_stream(master_key, master_salt, 3, bytes)),
            rtcp_salt: salt(&key_stream(master_key, master_salt, 5, SALT_BYTES)),
        }
    }

    /// Session keys as they are, the same for RTP and RTCP: what RFC 7714's examples use.
    pub fn of_session(key: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self { rtp: gcm(key), rtp_salt: salt, rtcp: gcm(key), rtcp_salt: salt }
    }

    /// The client's and the server's keys out of DTLS keying material (RFC 5764 section 4.2).
    pub fn pair(material: &[u8]) -> Result<(Self, Self), String> {
        let key_bytes = match material.len() {
            56 => 16,
            88 => 32,
            other => return Err(format!("keying material of {other} bytes is not for GCM")),
        };
        let (keys, salts) = material.split_at(2 * key_bytes);
        let (client_salt, server_salt) = salts.split_at(SALT_BYTES);
        Ok((
            Self::derive(&keys[..key_bytes], &salt(client_salt)),
            Self::derive(&keys[key_bytes..], &salt(server_salt)),
        ))
    }

    /// Opens a packet's payload in place; `None` when the tag does not verify.
    pub fn open_rtp<'a>(
        &self,
        packet: &'a mut [u8],
        header_bytes: usize,
        roll_over: u32,
    ) -> Option<&'a mut [u8]> {
        let (header, sealed) = packet.split_at_mut_checked(header_bytes)?;
        let nonce = rtp_nonce(header, roll_over, &self.rtp_salt);
        self.rtp.open_in_place(nonce, Aad::from(&*header), sealed).ok()
    }

    /// Seals a payload behind its header.
    pub fn seal_rtp(&self, header: &[u8], payload: &[u8], roll_over: u32) -> Vec<u8> {
        let nonce = rtp_nonce(header, roll_over, &self.rtp_salt);
        let mut sealed = payload.to_vec();
        self.rtp
            .seal_in_place_append_tag(nonce, Aad::from(header), &mut sealed)
            .expect("a packet is far below GCM's limit");
        [header, &sealed].concat()
    }

    /// Opens a compound report: its index and its plaintext with the first header.
    pub fn open_rtcp(&self, datagram: &[u8]) -> Option<(u32, Vec<u8>)> {
        let (body, index) = datagram.split_last_chunk::<4>()?;
        let (header, sealed) = body.split_at_checked(8)?;
        let word = u32::from_be_bytes(*index);
        if word & ENCRYPTED == 0 {
            return None;
        }
        let aad = [header, index].concat();
        let nonce = rtcp_nonce(header, word & !ENCRYPTED, &self.rtcp_salt);
        let mut sealed = sealed.to_vec();
        let plain = self.rtcp.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?;
        Some((word & !ENCRYPTED, [header, plain].concat()))
    }

    /// Seals a compound report under `index`.
    pub fn seal_rtcp(&self, compound: &[u8], index: u32) -> Vec<u8> {
        let (header, body) = compound.split_at(8);
        let word = (index | ENCRYPTED).to_be_bytes();
        let nonce = rtcp_nonce(header, index, &self.rtcp_salt);
        let mut sealed = body.to_vec();
        self.rtcp
            .seal_in_place_append_tag(nonce, Aad::from([header, &word].concat()), &mut sealed)
            .expect("a report is far below GCM's limit");
        [header, &sealed, &word].concat()
    }
}

/// RFC 7714 section 8.1: 00 00 | SSRC | ROC | SEQ, xor salt.
fn rtp_nonce(header: &[u8], roll_over: u32, salt: &[u8; SALT_BYTES]) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &header[8..12]);
    xor(&mut nonce[6..10], &roll_over.to_be_bytes());
    xor(&mut nonce[10..12], &header[2..4]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 section 9.1: 00 00 | SSRC | 00 00 | index, xor salt.
fn rtcp_nonce(header: &[u8], index: u32, salt: &[u8; SALT_BYTES]) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &header[4..8]);
    xor(&mut nonce[8..12], &index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, other) in into.iter_mut().zip(with) {
        *byte ^= other;
    }
}

fn gcm(key: &[u8]) -> LessSafeKey {
    let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key of 16 or 32 bytes"))
}

fn salt(bytes: &[u8]) -> [u8; SALT_BYTES] {
    bytes.try_into().expect("a salt is 12 bytes")
}

/// AES in counter mode over the labelled salt (RFC 3711 section 4.3.3), key derivation rate 0.
fn key_stream(master_key: &[u8], master_salt: &[u8], label: u8, bytes: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for counter in 0..2 {
        let mut block = [0; 16];
        block[..SALT_BYTES].copy_from_slice(master_salt);
        block[7] ^= label;
        block[15] = counter;
        let block_array = GenericArray::from_mut_slice(&mut block);
        if master_key.len() == 32 {
            aes::Aes256::new(GenericArray::from_slice(master_key)).encrypt_block(block_array);
        } else {
            aes::Aes128::new(GenericArray::from_slice(master_key)).encrypt_block(block_array);
        }
        stream.extend_from_slice(&block);
    }
    stream.truncate(bytes);
    stream
}
