//! ECDSA: signs with our own key, and verifies with a browser's certificate.

use dimpl::crypto::{
    Buf, HashAlgorithm, KeyProvider, NamedGroup, SignatureAlgorithm, SignatureVerifier, SigningKey,
};
use dimpl::{CryptoError, CryptoOperation};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, EcdsaKeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::certificate;

pub(super) static KEYS: Keys = Keys;
pub(super) static VERIFIER: Verifier = Verifier;

#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, pkcs8: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new())
                .map_err(|_| CryptoError::InvalidPrivateKey)?;
        Ok(Box::new(Signer(pair)))
    }
}

struct Signer(EcdsaKeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer")
    }
}

impl SigningKey for Signer {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash != HashAlgorithm::SHA256 {
            return Err(CryptoError::SigningKeyUnsupportedHash {
                group: NamedGroup::Secp256r1,
                hash,
            });
        }
        let signature = self
            .0
            .sign(&SystemRandom::new(), data)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signature.as_ref());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}

#[derive(Debug)]
pub(super) struct Verifier;

impl SignatureVerifier for Verifier {
    fn verify_signature(
        &self,
        certificate_der: &[u8],
        data: &[u8],
        signature: &[u8],
        hash: HashAlgorithm,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        if algorithm != SignatureAlgorithm::ECDSA {
            return Err(CryptoError::UnsupportedSignatureAlgorithm(algorithm));
        }
        let verification: &'static dyn VerificationAlgorithm = match hash {
            HashAlgorithm::SHA256 => &ECDSA_P256_SHA256_ASN1,
            HashAlgorithm::SHA384 => &ECDSA_P256_SHA384_ASN1,
            hash => {
                return Err(CryptoError::UnsupportedSignaturePair { signature: algorithm, hash });
            }
        };
        let point = certificate::p256_point(certificate_der)?;
        UnparsedPublicKey::new(verification, point).verify(data, signature).map_err(|_| {
            CryptoError::SignatureVerificationFailed {
                signature: algorithm,
                hash,
                group: NamedGroup::Secp256r1,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_key_signs_our_certificate_verifies_and_nothing_else() {
        let certificate = certificate::generate().unwrap();
        let mut signer = KEYS.load_private_key(&certificate.private_key).unwrap();
        let mut signature = Buf::new();
        signer.sign(b"transcript", HashAlgorithm::SHA256, &mut signature).unwrap();
        let verify = |data: &[u8], hash| {
            let der = &certificate.certificate;
            VERIFIER.verify_signature(der, data, &signature, hash, SignatureAlgorithm::ECDSA)
        };
        assert_eq!(verify(b"transcript", HashAlgorithm::SHA256), Ok(()));
        assert!(verify(b"transcripT", HashAlgorithm::SHA256).is_err());
        assert!(verify(b"transcript", HashAlgorithm::SHA384).is_err());
        assert!(verify(b"transcript", HashAlgorithm::SHA1).is_err());
    }
}
