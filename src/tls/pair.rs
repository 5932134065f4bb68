//! A certificate and its key: read from PEM, checked to belong together, and ready to serve.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::{CertificateInfo, TlsError};
use crate::limits::{TLS_FILE_BYTES_MAX, TLS_FRAGMENT_BYTES};
use crate::storage::{file_content, open_file};

/// A certificate with its key, ready to serve.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) config: Arc<ServerConfig>,
    pub(super) info: CertificateInfo,
}

impl Pair {
    /// Reads the two files, which may be the same.
    pub(super) fn load(
        certificate: &Path,
        key: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        Self::parse(&read(certificate)?, &read(key)?, [certificate, key], provider)
    }

    /// The same from the files' contents; `paths` are for the text of errors.
    pub(super) fn parse(
        certificate_pem: &[u8],
        key_pem: &[u8],
        paths: [&Path; 2],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let [certificate, key] = paths.map(Path::to_owned);
        let chain: Vec<CertificateDer> = CertificateDer::pem_slice_iter(certificate_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(certificate.clone()))?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(certificate.clone()))?;
        let info = CertificateInfo::of(first);
        let key_der =
            PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::NoKey(key.clone()))?;
        let config = serve(chain, key_der, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate, key }
            }
            error => TlsError::Refused { certificate, error },
        })?;
        Ok(Self { config, info })
    }
}

fn serve(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // All that a client needs to resume is in its ticket: it costs no memory while it is away.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.max_fragment_size = Some(TLS_FRAGMENT_BYTES);
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read { path: path.to_owned(), error };
    let file = open_file(path).map_err(failed)?;
    file_content(file, TLS_FILE_BYTES_MAX).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::self_signed;
    use super::*;

    fn parse(certificate: &[u8], key: &[u8]) -> Result<Pair, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let paths = [Path::new("c.pem"), Path::new("k.pem")];
        Pair::parse(certificate, key, paths, &provider).map_err(|error| error.to_string())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let own = self_signed::make().expect("random bytes");
        let other = self_signed::make().expect("random bytes");
        let (own, other) = (own.as_bytes(), other.as_bytes());
        assert!(parse(own, own).is_ok());
        let no_key = "k.pem has no key in PEM (PKCS #8, PKCS #1 or SEC 1, without a password)";
        let mismatch = "the key in k.pem does not belong to the first certificate in c.pem";
        let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (certificate, key, says) in [
            (own, other, mismatch),
            (own, b"", no_key),
            (b"", own, "c.pem has no certificate in PEM"),
            (garbage, own, "the certificate in c.pem cannot be used: "),
        ] {
            let error = parse(certificate, key).expect_err(says);
            assert!(error.starts_with(says), "{error}");
        }
    }

    /// If it waited for the other end of the pipe, this test would not end.
    #[test]
    fn a_pipe_in_a_files_place_is_named() {
        let name = format!("weir-pair-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("a pipe");
        let error = read(&path).expect_err("no certificate").to_string();
        assert!(error.ends_with("not a regular file"), "{error}");
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn a_pair_damaged_anywhere_is_an_error_or_the_same_pair() {
        let own = self_signed::make().expect("random bytes").into_bytes();
        for at in 0..own.len() {
            let mut bent = own.clone();
            bent[at] ^= 0x11;
            if let Ok(pair) = parse(&bent, &bent) {
                // A bit of the signature, which is weir's own over itself, or of a name.
                assert!(!pair.info.fingerprint.is_empty());
            }
            let _ = parse(&own[..at], &own[..at]);
        }
    }
}
