//! The process's certificate, written directly as DER, and the parser for a browser's public key,
//! the only part of its certificate that is read. Trust comes from the fingerprint in the offer,
//! and never from the certificate.

use dimpl::{CryptoError, DtlsCertificate};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::ProviderError;
use crate::der::{
    BIT_STRING, COMMON_NAME, EXPLICIT_0, GENERALIZED_TIME, INTEGER, OID, SEQUENCE, SET, UTC_TIME,
    UTF8_STRING, expect,
};
use crate::random::random;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// Makes a new P-256 key and its self-signed certificate. Call it once per process.
///
/// # Errors
/// [`ProviderError::Keys`]: no random bytes, or no key from them.
pub fn generate() -> Result<DtlsCertificate, ProviderError> {
    let source = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &source)
        .map_err(|_| ProviderError::Keys)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &source)
        .map_err(|_| ProviderError::Keys)?;
    // Firefox remembers serials: two certificates of the same name must not share one.
    let mut serial: [u8; 16] = random();
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and without a leading zero
    let tbs = to_be_signed(&serial, pair.public_key().as_ref());
    let signature = pair.sign(&source, &tbs).map_err(|_| ProviderError::Keys)?;
    Ok(DtlsCertificate {
        certificate: element(
            SEQUENCE,
            &[
                &tbs,
                &element(SEQUENCE, &[&element(OID, &[ECDSA_WITH_SHA256])]),
                &element(BIT_STRING, &[&[0], signature.as_ref()]),
            ],
        ),
        private_key: pkcs8.as_ref().to_vec(),
    })
}

fn to_be_signed(serial: &[u8], point: &[u8]) -> Vec<u8> {
    let name = element(
        SEQUENCE,
        &[&element(
            SET,
            &[&element(
                SEQUENCE,
                &[&element(OID, &[COMMON_NAME]), &element(UTF8_STRING, &[b"weir"])],
            )],
        )],
    );
    // No box's clock can be outside; the end is RFC 5280's "no well-defined expiration".
    let validity = element(
        SEQUENCE,
        &[
            &element(UTC_TIME, &[b"700101000000Z"]),
            &element(GENERALIZED_TIME, &[b"99991231235959Z"]),
        ],
    );
    let public_key = element(
        SEQUENCE,
        &[
            &element(SEQUENCE, &[&element(OID, &[EC_PUBLIC_KEY]), &element(OID, &[PRIME256V1])]),
            &element(BIT_STRING, &[&[0], point]),
        ],
    );
    element(
        SEQUENCE,
        &[
            &element(EXPLICIT_0, &[&element(INTEGER, &[&[2]])]),
            &element(INTEGER, &[serial]),
            &element(SEQUENCE, &[&element(OID, &[ECDSA_WITH_SHA256])]),
            &name,
            &validity,
            &name,
            &public_key,
        ],
    )
}

/// One DER element with these parts as its contents.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    let length = u16::try_from(bytes).expect("our certificate has some 300 bytes");
    let [high, low] = length.to_be_bytes();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// The P-256 point of a certificate, found by walking to its SubjectPublicKeyInfo.
pub(super) fn p256_point(certificate: &[u8]) -> Result<&[u8], CryptoError> {
    let broken = CryptoError::CertificateParseFailed;
    let walk = || {
        let (outer, _) = expect(SEQUENCE, certificate)?;
        let (mut rest, _) = expect(SEQUENCE, outer)?;
        if rest.first() == Some(&EXPLICIT_0) {
            rest = expect(EXPLICIT_0, rest)?.1;
        }
        rest = expect(INTEGER, rest)?.1;
        // Signature algorithm, issuer, validity, subject.
        for _ in 0..4 {
            rest = expect(SEQUENCE, rest)?.1;
        }
        let (key, _) = expect(SEQUENCE, rest)?;
        let (algorithm, bits) = expect(SEQUENCE, key)?;
        let (kind, parameters) = expect(OID, algorithm)?;
        let (bits, _) = expect(BIT_STRING, bits)?;
        Some((kind, parameters, bits))
    };
    let (kind, parameters, bits) = walk().ok_or(broken)?;
    if kind != EC_PUBLIC_KEY {
        return Err(CryptoError::UnsupportedPublicKeyAlgorithm);
    }
    let (curve, _) = expect(OID, parameters).ok_or(CryptoError::MissingEcCurveParameter)?;
    if curve != PRIME256V1 {
        return Err(CryptoError::UnsupportedEcCurve);
    }
    match bits.split_first() {
        Some((0, point)) => Ok(point),
        _ => Err(CryptoError::InvalidSubjectPublicKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_is_found_and_serials_differ() {
        let first = generate().unwrap();
        let second = generate().unwrap();
        let point = p256_point(&first.certificate).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        assert!(first.certificate.len() < 400);
        assert_ne!(first.certificate, second.certificate);
    }

    #[test]
    fn a_certificate_cut_or_bent_anywhere_is_an_error_or_another_key() {
        let certificate = generate().unwrap().certificate;
        let point = p256_point(&certificate).unwrap().to_vec();
        // Only the signature follows the public key.
        let key_end = certificate.windows(65).position(|w| w == point).unwrap() + 65;
        for cut in 0..certificate.len() {
            assert!(p256_point(&certificate[..cut]).is_err());
        }
        for at in 0..key_end {
            for bit in 0..8 {
                let mut bent = certificate.clone();
                bent[at] ^= 1 << bit;
                let _ = p256_point(&bent);
            }
        }
    }
}
