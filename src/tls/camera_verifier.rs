//! Judges a camera's certificate: by its fingerprint, or by an authority and its names. Whichever
//! it is, the camera has to show in each handshake that it holds the certificate's key.
//!
//! By fingerprint nothing but the key counts of a certificate, not even its version or its dates:
//! cameras make their own, with a clock that says 1970, in X.509 version 1, or with RSA keys of
//! 1024 bits. rustls' own check of a handshake's signature refuses these, so the key is read here.

use std::fmt;
use std::sync::Arc;

use ring::signature::{self, UnparsedPublicKey};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore,
    SignatureScheme,
};

use super::CertificateInfo;
use crate::clock;
use crate::config::{CameraTrust, CertificateFingerprint};
use crate::der::{BIT_STRING, EXPLICIT_0, INTEGER, SEQUENCE, expect};
use crate::limits::CAMERA_CA_FILE_BYTES_MAX;
use crate::storage::file_text;

/// What weir offers to cameras that are known by their fingerprint, best first. A key of 1024 bits
/// signs by PKCS #1 alone, and TLS 1.3 has no PKCS #1: so it stands before PSS.
const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];
/// A clock before this has not been set: 1 January 2024, in seconds since 1970.
const CLOCK_IS_SET_S: u64 = 1_704_067_200;

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// It is not the one that the camera showed first.
    Changed {
        /// The one it showed first.
        pinned: CertificateFingerprint,
        /// The one it shows now.
        shown: CertificateFingerprint,
    },
    /// It is not the one of `tls_fingerprint`.
    Configured {
        /// The configured one.
        configured: CertificateFingerprint,
        /// The one it shows.
        shown: CertificateFingerprint,
    },
    /// `tls_ca` cannot be read now, or has nothing that can be used.
    AuthorityFile(String),
    /// No authority of `tls_ca` vouches for it.
    UnknownIssuer,
    /// An authority vouches for it, but not for the host of the camera's URL.
    Name {
        /// The names that it is for.
        names: Vec<String>,
    },
    /// It is not valid at what this box's clock says.
    Dates {
        /// Begin of its validity.
        not_before: String,
        /// End of its validity.
        not_after: String,
    },
    /// It cannot be used otherwise.
    Unusable(String),
}

/// The judge of one connection.
#[derive(Debug)]
pub(super) enum CameraVerifier {
    /// Any certificate, or the one of this fingerprint, which is pinned or configured.
    Fingerprint {
        expected: Option<CertificateFingerprint>,
        is_configured: bool,
        algorithms: WebPkiSupportedAlgorithms,
    },
    Authority(Arc<WebPkiServerVerifier>),
}

impl CameraVerifier {
    /// # Errors
    /// [`Distrust::AuthorityFile`]: `tls_ca` cannot be read, or has no usable certificate.
    pub(super) fn new(
        trust: &CameraTrust,
        pinned: Option<CertificateFingerprint>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Distrust> {
        let algorithms = provider.signature_verification_algorithms;
        let refused = |why: String| Distrust::AuthorityFile(why);
        let path = match trust {
            CameraTrust::FirstUse => {
                return Ok(Self::Fingerprint {
                    expected: pinned,
                    is_configured: false,
                    algorithms,
                });
            }
            CameraTrust::Fingerprint(configured) => {
                let expected = Some(*configured);
                return Ok(Self::Fingerprint { expected, is_configured: true, algorithms });
            }
            CameraTrust::Authority(path) => path,
        };
        let pem = file_text(path, CAMERA_CA_FILE_BYTES_MAX);
        let pem = pem.map_err(|error| refused(format!("cannot be read: {error}")))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let unusable = |error: &dyn fmt::Display| refused(format!("cannot be used: {error}"));
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = builder.build().map_err(|error| refused(format!("cannot be used: {error}")));
        verifier.map(Self::Authority)
    }
}

impl CameraVerifier {
    /// Whether the camera holds the key of its certificate.
    fn verify_signature(
        &self,
        is_tls13: bool,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Fingerprint { algorithms, .. } => {
                verify(algorithms, is_tls13, message, certificate, signed)
            }
            Self::Authority(verifier) if is_tls13 => {
                verifier.verify_tls13_signature(message, certificate, signed)
            }
            Self::Authority(verifier) => {
                verifier.verify_tls12_signature(message, certificate, signed)
            }
        }
    }
}

impl ServerCertVerifier for CameraVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let distrust = match self {
            Self::Fingerprint { expected, is_configured, .. } => {
                let shown = CertificateFingerprint::of(certificate);
                match (*expected, is_configured) {
                    (Some(configured), true) if shown != configured => {
                        Distrust::Configured { configured, shown }
                    }
                    (Some(pinned), false) if shown != pinned => Distrust::Changed { pinned, shown },
                    _ => return Ok(ServerCertVerified::assertion()),
                }
            }
            Self::Authority(verifier) => {
                match verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    Ok(verified) => return Ok(verified),
                    Err(Error::InvalidCertificate(why)) => of_authority(&why, certificate),
                    Err(error) => return Err(error),
                }
            }
        };
        let other = OtherError(Arc::new(distrust));
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(false, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(true, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Fingerprint { .. } => SCHEMES.to_vec(),
            Self::Authority(verifier) => verifier.supported_verify_schemes(),
        }
    }
}

/// Verifies the signature of a handshake with the key in the certificate.
fn verify(
    algorithms: &WebPkiSupportedAlgorithms,
    is_tls13: bool,
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let scheme = signed.scheme;
    let is_pkcs1 = matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    );
    // RFC 8446 section 4.2.3.
    if !SCHEMES.contains(&scheme) || (is_tls13 && is_pkcs1) {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let (algorithm, key) =
        public_key(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let signature = signed.signature();
    // In TLS 1.2 a scheme says nothing of the curve; in 1.3 it does: the first algorithm's.
    let of_scheme = algorithms.mapping.iter().find(|(known, _)| *known == scheme);
    let possible = of_scheme.map_or(&[][..], |(_, possible)| *possible);
    let possible = if is_tls13 { &possible[..possible.len().min(1)] } else { possible };
    let mut fitting = possible.iter().filter(|one| one.public_key_alg_id().as_ref() == algorithm);
    let is_good = fitting.any(|one| one.verify_signature(key, message, signature).is_ok());
    // Keys of 1024 bits: old cameras have no others, and what signs here is pinned.
    let is_good = is_good
        || scheme == SignatureScheme::RSA_PKCS1_SHA256
            && UnparsedPublicKey::new(
                &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                key,
            )
            .verify(message, signature)
            .is_ok();
    if is_good { Ok(HandshakeSignatureValid::assertion()) } else { Err(bad()) }
}

/// The parts of a certificate that are read here (RFC 5280 section 4.1).
struct CertificateParts<'c> {
    issuer: &'c [u8],
    subject: &'c [u8],
    /// The contents of SubjectPublicKeyInfo.
    key: &'c [u8],
}

fn parts(certificate: &[u8]) -> Option<CertificateParts<'_>> {
    let (outer, _) = expect(SEQUENCE, certificate)?;
    let (mut rest, _) = expect(SEQUENCE, outer)?;
    if rest.first() == Some(&EXPLICIT_0) {
        rest = expect(EXPLICIT_0, rest)?.1;
    }
    let (_, rest) = expect(INTEGER, rest)?;
    let (_signature, rest) = expect(SEQUENCE, rest)?;
    let (issuer, rest) = expect(SEQUENCE, rest)?;
    let (_validity, rest) = expect(SEQUENCE, rest)?;
    let (subject, rest) = expect(SEQUENCE, rest)?;
    let (key, _) = expect(SEQUENCE, rest)?;
    Some(CertificateParts { issuer, subject, key })
}

/// Algorithm and bits of a certificate's public key.
fn public_key(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (algorithm, rest) = expect(SEQUENCE, parts(certificate)?.key)?;
    let (bits, _) = expect(BIT_STRING, rest)?;
    // The first byte counts unused bits, of which a key has none.
    Some((algorithm, bits.strip_prefix(&[0])?))
}

/// Why an authority's check failed, in the terms of a person.
fn of_authority(why: &CertificateError, certificate: &[u8]) -> Distrust {
    let info = CertificateInfo::of(certificate);
    match why {
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Distrust::Name { names: info.names }
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            Distrust::Dates { not_before: info.not_before, not_after: info.not_after }
        }
        // A camera's own certificate that calls itself an authority has another error.
        _ if parts(certificate).is_some_and(|parts| parts.issuer == parts.subject) => {
            Distrust::UnknownIssuer
        }
        other => Distrust::Unusable(other.to_string()),
    }
}

impl Distrust {
    /// Whether a retry cannot help before a person changes something. Dates may be wrong only as
    /// long as the box's clock is.
    pub(super) fn needs_person(&self) -> bool {
        !matches!(self, Self::Dates { .. })
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { pinned, shown } => write!(
                f,
                "the camera's certificate has changed, so it may not be the camera: SHA-256 was \
                 {pinned}, is {shown}; if it has a new one, accept it at the console: `camera trust \
                 NAME`"
            ),
            Self::Configured { configured, shown } => write!(
                f,
                "the camera's certificate is not that of `tls_fingerprint`: SHA-256 should be \
                 {configured}, is {shown}"
            ),
            Self::AuthorityFile(why) => write!(f, "`tls_ca` {why}"),
            Self::UnknownIssuer => f.write_str(
                "no authority of `tls_ca` vouches for the camera's certificate: if the camera made it \
                 itself, use `tls_fingerprint`, or neither",
            ),
            Self::Name { names } => {
                let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                write!(f, "the camera's certificate is for {names}, not for the host of its url")
            }
            Self::Dates { not_before, not_after } => {
                let now = clock::utc(clock::now_us());
                write!(
                    f,
                    "the camera's certificate is valid from {not_before} to {not_after}, and this \
                     box's clock says {now}"
                )?;
                match clock::unix_s() {
                    ..CLOCK_IS_SET_S => f.write_str(": the clock is not set"),
                    _ => Ok(()),
                }
            }
            Self::Unusable(why) => write!(f, "the camera's certificate cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Distrust {}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::version::{TLS12, TLS13};
    use rustls::{
        ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
        SupportedProtocolVersion,
    };

    use super::*;

    /// A camera that shows a certificate and signs with whatever key it has.
    #[derive(Debug)]
    struct Shown(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shown {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    fn made() -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["camera.lan".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.der().clone(), key)
    }

    fn handshake(
        expected: Option<CertificateFingerprint>,
        certificate: &CertificateDer<'static>,
        key: &KeyPair,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = CameraVerifier::new(&CameraTrust::FirstUse, expected, &provider);
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.expect("no file")))
            .with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = any_supported_type(&key)?;
        let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate.clone()], key)));
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        let name = ServerName::try_from("camera.lan").expect("a name");
        let mut client = Connection::from(ClientConnection::new(Arc::new(client), name)?);
        let mut server = Connection::from(ServerConnection::new(Arc::new(server))?);
        while client.is_handshaking() || server.is_handshaking() {
            for turn in 0..2 {
                let (from, to) = match turn {
                    0 => (&mut client, &mut server),
                    _ => (&mut server, &mut client),
                };
                let mut bytes = Vec::new();
                while from.wants_write() {
                    from.write_tls(&mut bytes).expect("a vector");
                }
                to.read_tls(&mut bytes.as_slice()).expect("a slice");
                to.process_new_packets()?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_certificate_without_its_key_is_worth_nothing() {
        let ((shown, key), (_, other)) = (made(), made());
        let pinned = Some(CertificateFingerprint::of(&shown));
        for version in [&TLS12, &TLS13] {
            assert_eq!(handshake(None, &shown, &key, version), Ok(()));
            assert_eq!(handshake(pinned, &shown, &key, version), Ok(()));
            for expected in [None, pinned] {
                let refused = handshake(expected, &shown, &other, version);
                let bad = Error::InvalidCertificate(CertificateError::BadSignature);
                assert_eq!(refused, Err(bad), "{version:?}");
            }
        }
    }

    #[test]
    fn another_certificate_is_told_from_the_pinned_one() {
        let ((shown, key), (pinned, _)) = (made(), made());
        let refused = handshake(Some(CertificateFingerprint::of(&pinned)), &shown, &key, &TLS13);
        let Err(Error::InvalidCertificate(CertificateError::Other(other))) = refused else {
            panic!("{refused:?}");
        };
        let [pinned, shown] =
            [pinned, shown].map(|certificate| CertificateFingerprint::of(&certificate));
        let expected = Distrust::Changed { pinned, shown };
        assert_eq!(other.0.downcast_ref::<Distrust>(), Some(&expected));
        let told = expected.to_string();
        assert!(told.contains(&pinned.to_string()) && told.contains(&shown.to_string()), "{told}");
    }

    #[test]
    fn a_key_is_found_in_a_whole_certificate_and_in_no_part_of_one() {
        let (certificate, key) = made();
        let (_, bits) = public_key(&certificate).expect("a key");
        assert_eq!(bits, key.public_key_raw());
        for cut in 0..certificate.len() {
            assert!(public_key(&certificate[..cut]).is_none(), "{cut}");
        }
    }
}
