//! How weir knows an encrypted camera for what it is: the keys `tls_fingerprint` and `tls_ca` of a
//! `[[camera]]`, and fingerprints of certificates.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::section::{At, TomlSection};
use crate::hex;
use crate::limits::CAMERA_CA_FILE_BYTES_MAX;
use crate::storage::file_text;

/// By what a camera's certificate is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraTrust {
    /// By the one that the camera showed first.
    #[default]
    FirstUse,
    /// By this fingerprint.
    Fingerprint(CertificateFingerprint),
    /// By the certificates of authorities in this file, and by its names.
    Authority(PathBuf),
}

/// The SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFingerprint([u8; 32]);

impl CertificateFingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits of either case, with or without colons between pairs.
    pub fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(':').collect::<Vec<_>>();
        let is_whole = pairs.len() == 1 || pairs.iter().all(|pair| pair.len() == 2);
        is_whole.then(|| hex::bytes(&pairs.concat())).flatten().map(Self)
    }
}

impl fmt::Display for CertificateFingerprint {
    /// Pairs of upper-case digits with colons, as browsers and openssl show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Reads `tls_fingerprint` or `tls_ca`; `None` with a mistake. `is_encrypted` is unknown where the
/// camera has no good URL.
pub(super) fn read(
    section: &mut TomlSection,
    directory: &Path,
    is_encrypted: Option<bool>,
    mistakes: &mut Vec<At<String>>,
) -> Option<CameraTrust> {
    let [fingerprint, authority] = ["tls_fingerprint", "tls_ca"].map(|key| {
        let text = section.text(key);
        text.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            None
        })
    });
    let mistake = |offset, value: String| Err(At { value, offset });
    let trust = match (fingerprint, authority) {
        (None, None) => Ok(CameraTrust::FirstUse),
        (Some(_), Some(other)) => {
            mistake(other.offset, "there is both `tls_fingerprint` and `tls_ca`".to_owned())
        }
        (Some(At { offset, .. }), None) | (None, Some(At { offset, .. }))
            if is_encrypted == Some(false) =>
        {
            let keys = "`tls_fingerprint` and `tls_ca` are";
            mistake(offset, format!("{keys} for a url of rtsps:// or rtsps+http:// alone"))
        }
        (Some(text), None) => match CertificateFingerprint::parse(text.value) {
            Some(fingerprint) => Ok(CameraTrust::Fingerprint(fingerprint)),
            None => mistake(
                text.offset,
                "`tls_fingerprint` is not a SHA-256 in 64 hexadecimal digits".to_owned(),
            ),
        },
        (None, Some(file)) => {
            let path = directory.join(file.value);
            // Viewers see this reason, so it does not name the path.
            match file_text(&path, CAMERA_CA_FILE_BYTES_MAX) {
                Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
                    Ok(CameraTrust::Authority(path))
                }
                Ok(_) => mistake(file.offset, "`tls_ca` has no certificate in PEM".to_owned()),
                Err(error) => mistake(file.offset, format!("`tls_ca` cannot be read: {error}")),
            }
        }
    };
    trust.map_err(|at| mistakes.push(at)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Camera, parse};
    use super::*;

    fn camera(rest: &str) -> Camera {
        let text = format!("config_version = 1\n[[camera]]\nname = \"gate\"\n{rest}\n");
        parse(&text, Path::new("/nonexistent")).config.cameras.remove(0)
    }

    #[test]
    fn a_fingerprint_is_read_in_the_forms_that_programs_show() {
        let fingerprint = CertificateFingerprint::of(b"a certificate");
        let shown = fingerprint.to_string();
        assert_eq!((shown.len(), shown.matches(':').count()), (95, 31));
        let lower = shown.to_ascii_lowercase();
        for text in [&shown, &lower, &shown.replace(':', ""), &lower.replace(':', "")] {
            assert_eq!(CertificateFingerprint::parse(text), Some(fingerprint), "{text}");
        }
        for text in ["", "AA:BB", &shown[1..], &shown.replacen(':', "", 1), &format!("{shown}:")] {
            assert_eq!(CertificateFingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_trusted_disables_the_camera() {
        let good = CertificateFingerprint::of(b"").to_string();
        let key = format!("tls_fingerprint = \"{good}\"");
        let url = |scheme: &str, rest: &str| format!("url = \"{scheme}://h/\"\n{rest}");
        let camera_of = |scheme: &str, rest: &str| camera(&url(scheme, rest));
        let expected = CameraTrust::Fingerprint(CertificateFingerprint::of(b""));
        assert_eq!(camera_of("rtsps", &key).trust, expected);
        assert_eq!(camera_of("rtsps+http", &key).trust, expected);
        assert_eq!(camera_of("rtsps", "").trust, CameraTrust::FirstUse);
        for (scheme, rest, words) in [
            ("rtsp", key.clone(), "for a url of rtsps:// or rtsps+http:// alone"),
            ("rtsp+http", key.clone(), "for a url of rtsps:// or rtsps+http:// alone"),
            ("rtsps", format!("{key}\ntls_ca = \"x\""), "there is both"),
            ("rtsps", "tls_fingerprint = \"AA\"".to_owned(), "not a SHA-256"),
            ("rtsps", "tls_fingerprint = 1".to_owned(), "tls_fingerprint"),
            ("rtsps", "tls_ca = \"x.pem\"".to_owned(), "`tls_ca` cannot be read"),
        ] {
            let problem = camera_of(scheme, &rest).problem.expect("a problem");
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn a_file_of_authorities_has_a_certificate_and_its_bound() {
        let folder = std::env::temp_dir().join(format!("weir-ca-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let read = |text: &str| {
            std::fs::write(folder.join("ca.pem"), text).expect("a file");
            let text = "config_version = 1\n[[camera]]\nname = \"gate\"\nurl = \"rtsps://h/\"\n\
                        tls_ca = \"ca.pem\"\n";
            parse(text, &folder).config.cameras.remove(0)
        };
        let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
        text += &"x".repeat(CAMERA_CA_FILE_BYTES_MAX - text.len());
        let camera = read(&text);
        assert_eq!(
            (camera.problem, camera.trust),
            (None, CameraTrust::Authority(folder.join("ca.pem")))
        );
        text.push('x');
        assert!(read(&text).problem.expect("too long").contains("more than 16384 bytes"));
        assert!(
            read("-----BEGIN PRIVATE KEY-----").problem.expect("none").contains("no certificate")
        );
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
