//! Hashes, MACs and random bytes.

use dimpl::crypto::{Buf, HashAlgorithm, HashContext, HashProvider, HmacProvider, SecureRandom};
use dimpl::{CryptoError, CryptoOperation};
use ring::digest;
use ring::hmac;
use ring::rand::SystemRandom;
use str0m_proto::crypto::{Sha1HmacProvider, Sha1Provider, Sha256Provider};

pub(super) static RANDOM: Random = Random;
pub(super) static HASHES: Hashes = Hashes;
pub(super) static HMAC: Hmac = Hmac;
pub(super) static STUN_HMAC: StunHmac = StunHmac;
pub(super) static FINGERPRINT: Fingerprint = Fingerprint;

#[derive(Debug)]
pub(super) struct Random;

impl SecureRandom for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), CryptoError> {
        ring::rand::SecureRandom::fill(&SystemRandom::new(), buffer)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::FillRandom))
    }
}

#[derive(Debug)]
pub(super) struct Hashes;

/// The transcript hash. The suite sets its algorithm; ours has SHA-256.
struct Transcript(digest::Context);

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript")
    }
}

impl HashProvider for Hashes {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        let algorithm = match algorithm {
            HashAlgorithm::SHA384 => &digest::SHA384,
            _ => &digest::SHA256,
        };
        Box::new(Transcript(digest::Context::new(algorithm)))
    }
}

impl HashContext for Transcript {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        out.clear();
        out.extend_from_slice(self.0.clone().finish().as_ref());
    }
}

#[derive(Debug)]
pub(super) struct Hmac;

impl HmacProvider for Hmac {
    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let algorithm = match hash {
            HashAlgorithm::SHA256 => hmac::HMAC_SHA256,
            HashAlgorithm::SHA384 => hmac::HMAC_SHA384,
            other => return Err(CryptoError::UnsupportedHmacHash(other)),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, key), data);
        let tag = tag.as_ref();
        out.get_mut(..tag.len())
            .ok_or(CryptoError::OperationFailed(CryptoOperation::ComputeHmac))?
            .copy_from_slice(tag);
        Ok(tag.len())
    }
}

/// MESSAGE-INTEGRITY of STUN (RFC 8489 section 14.5).
#[derive(Debug)]
pub(super) struct StunHmac;

impl Sha1HmacProvider for StunHmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        for payload in payloads {
            context.update(payload);
        }
        array(context.sign().as_ref())
    }
}

/// The hashes for certificates' fingerprints.
#[derive(Debug)]
pub(super) struct Fingerprint;

impl Sha1Provider for Fingerprint {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        array(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
    }
}

impl Sha256Provider for Fingerprint {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, data).as_ref())
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a hash is as long as its algorithm says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hmac_sha1_is_that_of_rfc_2202_in_pieces_too() {
        let expected = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        let whole = StunHmac.sha1_hmac(b"Jefe", &[b"what do ya want for nothing?"]);
        let pieces = StunHmac.sha1_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&whole), expected);
        assert_eq!(hex(&pieces), expected);
    }

    #[test]
    fn sha1_and_sha256_of_abc() {
        assert_eq!(hex(&FINGERPRINT.sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex(&FINGERPRINT.sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_mac_that_does_not_fit_is_an_error() {
        let refused = HMAC.hmac(HashAlgorithm::SHA256, b"key", b"data", &mut [0; 31]);
        assert!(refused.is_err());
    }
}
