//! The process's certificate, and the parser for a browser's public key, the only part of its
//! certificate that is read. Trust comes from the fingerprint in the offer,
//! and never from the certificate.

use std::time::Duration;

use dimpl::{CryptoError, DtlsCertificate};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

use super::ProviderError;
use crate::der::{BIT_STRING, EXPLICIT_0, INTEGER, OID, SEQUENCE, expect};

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Makes a new P-256 key and its self-signed certificate. Call it once per process.
///
/// It travels in every handshake, so it has no extensions, nothing but what a certificate must
/// have. Its serial is a digest of the key: Firefox remembers serials, and two certificates of the
/// same name must not share one.
///
/// # Errors
/// [`ProviderError::Keys`]: no random bytes, or no key from them.
pub fn generate() -> Result<DtlsCertificate, ProviderError> {
    let key = KeyPair::generate().map_err(|_| ProviderError::Keys)?; // ECDSA on P-256
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "weir");
    // No box's clock can be outside; the end is RFC 5280's "no well-defined expiration".
    parameters.not_before = date_time_ymd(1970, 1, 1);
    parameters.not_after = date_time_ymd(9999, 12, 31) + Duration::from_secs(24 * 60 * 60 - 1);
    let certificate = parameters.self_signed(&key).map_err(|_| ProviderError::Keys)?;
    Ok(DtlsCertificate {
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der(),
    })
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
        assert_ne!(serial(&first.certificate), serial(&second.certificate));
    }

    /// The serial number (RFC 5280 section 4.1.2.2).
    fn serial(certificate: &[u8]) -> &[u8] {
        let (outer, _) = expect(SEQUENCE, certificate).unwrap();
        let (version_first, _) = expect(SEQUENCE, outer).unwrap();
        let (_, rest) = expect(EXPLICIT_0, version_first).unwrap();
        expect(INTEGER, rest).unwrap().0
    }

    #[test]
    fn no_clock_is_outside_its_dates() {
        let certificate = generate().unwrap().certificate;
        let dates = b"\x17\x0d700101000000Z\x18\x0f99991231235959Z";
        assert!(certificate.windows(dates.len()).any(|window| window == dates));
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
