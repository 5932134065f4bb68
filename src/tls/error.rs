//! Errors of certificates.

use std::io;
use std::path::PathBuf;

/// What is wrong with a certificate, its key, or the files that hold them.
#[derive(Debug)]
pub enum TlsError {
    /// A file could not be read.
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The file has no certificate in PEM.
    NoCertificate(PathBuf),
    /// The file has no key that weir can read.
    NoKey(PathBuf),
    /// The key does not belong to the certificate.
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls does not accept the pair.
    Refused {
        /// The certificate's file.
        certificate: PathBuf,
        /// The error of rustls.
        error: rustls::Error,
    },
    /// weir's own certificate could not be made.
    Make(rcgen::Error),
    /// weir's own certificate has not been made yet.
    NotMade,
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoCertificate(path) => {
                write!(f, "{} has no certificate in PEM", path.display())
            }
            Self::NoKey(path) => write!(
                f,
                "{} has no key in PEM (PKCS #8, PKCS #1 or SEC 1, without a password)",
                path.display()
            ),
            Self::Mismatch { certificate, key } => write!(
                f,
                "the key in {} does not belong to the first certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Refused { certificate, error } => {
                write!(f, "the certificate in {} cannot be used: {error}", certificate.display())
            }
            Self::Make(error) => write!(f, "cannot make a certificate: {error}"),
            Self::NotMade => {
                f.write_str("there is no certificate yet: `weir run` makes it at its first start")
            }
        }
    }
}

impl std::error::Error for TlsError {}
