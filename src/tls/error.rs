//! Why a certificate cannot be used.

use std::io;
use std::path::PathBuf;

/// What is wrong with a certificate, its key, or the place where they are kept.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no certificate in a file.
    NoCertificate(PathBuf),
    /// There is no key that we can read in a file.
    NoKey(PathBuf),
    /// The key is another certificate's.
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls refuses the pair.
    Refused {
        /// The certificate's file.
        certificate: PathBuf,
        /// In its words.
        error: rustls::Error,
    },
    /// A certificate of our own could not be made.
    Make(rcgen::Error),
    /// There is no certificate of our own yet.
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
