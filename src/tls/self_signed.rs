//! weir's own certificate. It is made at the first start, stored in the state folder and never
//! changed, because only its fingerprint distinguishes it from an attacker's.
//!
//! It has the names and addresses of the box at the time it was made; a browser warns of a
//! self-signed certificate in any case. Its dates do not depend on the box's clock, which may say
//! 1970 at the first start. It begins before 1 July 2019, since for later ones Apple's systems
//! refuse certificates that are valid for more than 825 days. It ends with the last year that both
//! time formats can express, so that its fingerprint need not be compared a second time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::crypto::CryptoProvider;

use super::TlsError;
use super::pair::Pair;
use crate::limits::TLS_FILE_BYTES_MAX;
use crate::net;
use crate::storage::StateFolder;

/// The file for both key and certificate, so that one is never there without the other.
const FILE: &str = "weir-tls.pem";

/// The stored certificate, or a new one.
pub(super) fn open(state: &StateFolder, provider: &Arc<CryptoProvider>) -> Result<Pair, TlsError> {
    match kept(state, provider) {
        Ok(pair) => {
            // An earlier start as root may have left the file to root.
            if let Err(error) = state.hand_over(FILE) {
                log::warn!("https: weir's user will not be able to read the certificate: {error}");
            }
            return Ok(pair);
        }
        Err(TlsError::NotMade) => log::info!("https: making a certificate"),
        Err(error) => {
            log::error!("https: {error}; a new certificate is made: browsers must trust it again")
        }
    }
    let pem = make()?;
    if let Err(error) = state.write(FILE, pem.as_bytes()) {
        log::warn!("https: cannot keep the certificate: {error}; each start makes another one");
    }
    parse(pem.as_bytes(), &place(state), provider)
}

/// The certificate that is stored in the state folder.
pub(super) fn kept(state: &StateFolder, provider: &Arc<CryptoProvider>) -> Result<Pair, TlsError> {
    let path = place(state);
    let failed = |error| TlsError::Read { path: path.clone(), error };
    let pem = state.read(FILE, TLS_FILE_BYTES_MAX).map_err(failed)?.ok_or(TlsError::NotMade)?;
    parse(&pem, &path, provider)
}

fn place(state: &StateFolder) -> PathBuf {
    state.path(FILE).unwrap_or_else(|| FILE.into())
}

fn parse(pem: &[u8], path: &Path, provider: &Arc<CryptoProvider>) -> Result<Pair, TlsError> {
    Pair::parse(pem, pem, [path, path], provider)
}

/// Makes a new key and its certificate, as PEM.
pub(super) fn make() -> Result<String, TlsError> {
    let key = KeyPair::generate().map_err(TlsError::Make)?; // ECDSA on P-256
    let names = net::host_names();
    let mut parameters = CertificateParams::default();
    parameters.not_before = date_time_ymd(2019, 1, 1);
    parameters.not_after = date_time_ymd(2049, 12, 31);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "weir");
    parameters.distinguished_name.push(DnType::CommonName, names[0].as_str());
    // No certificate authority: a client that trusts it trusts this box and no other.
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        parameters
            .subject_alt_names
            .push(SanType::DnsName(name.try_into().map_err(TlsError::Make)?));
    }
    let loopback = [[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
    let addresses = net::interfaces::addresses();
    let addresses = loopback.into_iter().chain(addresses);
    parameters.subject_alt_names.extend(addresses.map(SanType::IpAddress));
    let certificate = parameters.self_signed(&key).map_err(TlsError::Make)?;
    Ok(section("PRIVATE KEY", key.serialized_der()) + &section("CERTIFICATE", certificate.der()))
}

/// Formats a PEM section (RFC 7468).
fn section(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::ring::default_provider())
    }

    #[test]
    fn it_is_made_once_and_kept() {
        let folder = std::env::temp_dir().join(format!("weir-tls-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        let state = StateFolder::at(folder.clone());
        assert!(matches!(kept(&state, &provider()), Err(TlsError::NotMade)));
        let first = open(&state, &provider()).expect("made").info;
        assert_eq!(open(&state, &provider()).expect("kept").info, first);
        assert_eq!(first.not_before, "2019-01-01 00:00:00 UTC");
        assert_eq!(first.not_after, "2049-12-31 00:00:00 UTC");
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(first.names.iter().any(|known| known == name), "{:?}", first.names);
        }
        std::fs::write(folder.join(FILE), "damaged").expect("written");
        assert!(kept(&state, &provider()).is_err());
        let second = open(&state, &provider()).expect("made again").info;
        assert_ne!(second.fingerprint, first.fingerprint);
        assert_eq!(open(&state, &provider()).expect("kept").info, second);
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn without_a_state_folder_there_is_one_for_this_start() {
        let pair = open(&StateFolder::none(), &provider()).expect("made");
        assert_eq!(pair.info.fingerprint.len(), 32 * 3 - 1);
    }
}
