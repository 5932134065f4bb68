//! `[https]`: where pages, API and WHEP are served over TLS, and with which certificate.
//!
//! A mistake never results in plain HTTP: weir then uses its own certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::place::{Problems, Severity};
use super::section::{At, TomlSection};

/// The `[https]` section: whether TLS is served, where, and with whose certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Https {
    /// Address of the TLS listener; `[::]` accepts IPv4 too.
    pub listen: SocketAddr,
    /// Whether TLS is on, and with which certificate.
    pub tls: TlsMode,
}

/// Where the TLS certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS: pages, API and WHEP are plain HTTP.
    Off,
    /// weir's own certificate, made at the first start.
    SelfSigned,
    /// The operator's certificate and key.
    Files {
        /// PEM file of the certificate and those it depends on.
        certificate: PathBuf,
        /// PEM file of the certificate's private key.
        key: PathBuf,
    },
}

impl Https {
    /// Defaults without an `[https]` section: TLS is on, with weir's own certificate, if there are
    /// users or tokens.
    pub(super) fn default_for(has_logins: bool) -> Self {
        let tls = if has_logins { TlsMode::SelfSigned } else { TlsMode::Off };
        Self { listen: SocketAddr::from(([0; 8], 8443)), tls }
    }
}

/// Reads the section; relative paths are resolved in `directory`.
pub(super) fn read(
    mut section: TomlSection,
    directory: &Path,
    https: &mut Https,
    problems: &mut Problems,
) {
    https.listen = section.listen(https.listen, problems);
    let mut text = |key, problems: &mut Problems| match section.text(key) {
        Ok(text) => text,
        Err(At { value, offset }) => {
            problems.note(offset, Severity::Warning, value);
            None
        }
    };
    let tls = text("tls", problems);
    let certificate = text("certificate", problems);
    let key = text("key", problems);
    let offset = tls.as_ref().map_or(0, |tls| tls.offset);
    let wants_files = tls.as_ref().is_some_and(|tls| tls.value == "files");
    match tls.map(|tls| tls.value) {
        None => {}
        Some("off") => https.tls = TlsMode::Off,
        Some("self-signed") => https.tls = TlsMode::SelfSigned,
        Some("files") => match (&certificate, &key) {
            (Some(certificate), Some(key)) => {
                https.tls = TlsMode::Files {
                    certificate: directory.join(certificate.value),
                    key: directory.join(key.value),
                };
            }
            _ => {
                https.tls = TlsMode::SelfSigned;
                let message = "`tls = \"files\"` in [https] needs `certificate` and `key`: weir's \
                               own certificate is used";
                problems.note(offset, Severity::Warning, message.to_owned());
            }
        },
        Some(_) => {
            https.tls = TlsMode::SelfSigned;
            let message = "`tls` in [https] is not \"off\", \"self-signed\" or \"files\": weir's \
                           own certificate is used";
            problems.note(offset, Severity::Warning, message.to_owned());
        }
    }
    for (key, text) in [("certificate", certificate), ("key", key)] {
        if let Some(text) = text.filter(|_| !wants_files) {
            let message = format!("`{key}` in [https] is read with `tls = \"files\"` only");
            problems.note(text.offset, Severity::Warning, message);
        }
    }
    section.finish(problems);
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn read(text: &str) -> (Https, Vec<String>) {
        let loaded = parse(&format!("config_version = 1\n{text}"), Path::new("/etc/weir"));
        let problems = loaded.problems.iter().map(ToString::to_string).collect();
        (loaded.config.https, problems)
    }

    #[test]
    fn it_is_off_unless_asked_for() {
        assert_eq!(read(""), (Https::default_for(false), vec![]));
        let (https, problems) = read("[https]\nlisten = \"127.0.0.1:1\"\ntls = \"self-signed\"");
        assert_eq!(https.tls, TlsMode::SelfSigned);
        assert_eq!(https.listen, "127.0.0.1:1".parse().expect("an address"));
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn with_logins_it_is_on_unless_switched_off() {
        assert_eq!(read("[[user]]\n").0.tls, TlsMode::SelfSigned);
        assert_eq!(read("[[token]]\n").0.tls, TlsMode::SelfSigned);
        assert_eq!(read("[https]\ntls = \"off\"\n[[user]]\n").0.tls, TlsMode::Off);
    }

    #[test]
    fn files_are_looked_for_beside_the_configuration() {
        let (https, problems) =
            read("[https]\ntls = \"files\"\ncertificate = \"a.pem\"\nkey = \"/k.pem\"\n");
        let expected =
            TlsMode::Files { certificate: "/etc/weir/a.pem".into(), key: "/k.pem".into() };
        assert_eq!((https.tls, problems), (expected, vec![]));
    }

    #[test]
    fn a_mistake_never_ends_in_plain_http() {
        for (text, says) in [
            ("tls = \"on\"", "line 3, column 7: `tls` in [https] is not \"off\""),
            (
                "tls = \"files\"\nkey = \"k\"",
                "line 3, column 7: `tls = \"files\"` in [https] needs",
            ),
        ] {
            let (https, problems) = read(&format!("[https]\n{text}"));
            assert_eq!(https.tls, TlsMode::SelfSigned, "{text}");
            assert!(problems.len() == 1 && problems[0].starts_with(says), "{problems:?}");
        }
        let (_, problems) = read("[https]\ntls = \"self-signed\"\nkey = \"k\"\n");
        assert!(problems[0].contains("`key` in [https] is read with"), "{problems:?}");
    }
}
