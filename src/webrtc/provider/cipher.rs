//! AES-128-GCM for DTLS records.
//!
//! DTLS 1.3 is never negotiated (Chromium would then choose a media cipher that weir refuses). But
//! dimpl validates a provider only with a 1.3 suite, so the same cipher is also listed for 1.3.

use aes::cipher::{BlockEncrypt, KeyInit};
use dimpl::crypto::{
    Aad, Buf, Cipher, Dtls12CipherSuite, Dtls13CipherSuite, HashAlgorithm, Nonce,
    SupportedDtls12CipherSuite, SupportedDtls13CipherSuite, TmpBuf,
};
use dimpl::{CryptoError, CryptoOperation};
use ring::aead::{self, AES_128_GCM, LessSafeKey, UnboundKey};

const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

static AES_128: Aes128GcmSha256 = Aes128GcmSha256;
pub(super) static SUITES: &[&dyn SupportedDtls12CipherSuite] = &[&AES_128];
pub(super) static SUITES_13: &[&dyn SupportedDtls13CipherSuite] = &[&AES_128];

#[derive(Debug)]
struct Aes128GcmSha256;

impl SupportedDtls12CipherSuite for Aes128GcmSha256 {
    fn suite(&self) -> Dtls12CipherSuite {
        Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_lengths(&self) -> (usize, usize, usize) {
        // No MAC key, the cipher's key, the fixed part of the nonce (RFC 5288 section 3).
        (0, KEY_BYTES, 4)
    }

    fn explicit_nonce_len(&self) -> usize {
        NONCE_BYTES - 4
    }

    fn tag_len(&self) -> usize {
        TAG_BYTES
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        RecordCipher::boxed(key)
    }
}

impl SupportedDtls13CipherSuite for Aes128GcmSha256 {
    fn suite(&self) -> Dtls13CipherSuite {
        Dtls13CipherSuite::AES_128_GCM_SHA256
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_len(&self) -> usize {
        KEY_BYTES
    }

    fn iv_len(&self) -> usize {
        NONCE_BYTES
    }

    fn tag_len(&self) -> usize {
        TAG_BYTES
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        RecordCipher::boxed(key)
    }

    fn encrypt_sn(&self, sn_key: &[u8], sample: &[u8; 16]) -> [u8; 16] {
        let cipher = aes::Aes128::new_from_slice(sn_key).expect("dimpl derives key_len bytes");
        let mut block = (*sample).into();
        cipher.encrypt_block(&mut block);
        block.into()
    }
}

struct RecordCipher(LessSafeKey);

impl std::fmt::Debug for RecordCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordCipher")
    }
}

impl RecordCipher {
    fn boxed(key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let key = UnboundKey::new(&AES_128_GCM, key)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::CreateCipher))?;
        Ok(Box::new(Self(LessSafeKey::new(key))))
    }
}

impl Cipher for RecordCipher {
    fn encrypt(&mut self, record: &mut Buf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce.0);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, aead::Aad::from(&aad[..]), record)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Encrypt))?;
        record.extend_from_slice(tag.as_ref());
        Ok(())
    }

    fn decrypt(&mut self, record: &mut TmpBuf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce.0);
        let opened = self
            .0
            .open_in_place(nonce, aead::Aad::from(&aad[..]), record.as_mut())
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Decrypt))?
            .len();
        record.truncate(opened);
        Ok(())
    }
}
