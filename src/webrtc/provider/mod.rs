//! The cryptography of a handshake, all of it by ring: what dimpl needs for DTLS 1.2 and what str0m
//! needs around it.
//!
//! There are two key exchanges (X25519 and P-256) and one cipher suite
//! (ECDHE_ECDSA_AES128_GCM_SHA256). Certificate and configuration are made once per process,
//! because making a configuration runs the provider's test vectors and costs as much as a
//! handshake.
//!
//! [`serving`] is weir's own side: keying material goes to a [`Tap`] and never to str0m, so str0m
//! cannot encrypt media and cannot use up a nonce. [`calling`] is the client side, for the viewers
//! in tests: it hands the keys to str0m, and its caller brings an SRTP provider. [`client`] is the
//! client side of `weir verify`, which needs no more than the keys.

mod certificate;
mod cipher;
mod exchange;
mod hash;
mod hello;
mod instance;
mod keys;
mod records;
mod signature;
mod srtp;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use str0m_proto::crypto::{CryptoProvider, SrtpProvider};

use crate::limits::{HANDSHAKE_RECORDS_HELD_MAX, HANDSHAKE_US_MAX};

pub use certificate::generate as generate_certificate;
pub use dimpl::DtlsCertificate;
pub use hello::SrtpRefusal;
pub use instance::{Tap, Tapped, attach};
pub use keys::{MediaKeys, SALT_BYTES, SrtpProfile};
pub(crate) use records::{ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, Records};

/// Bytes of the largest DTLS datagram that we send: with IPv6 and UDP headers it passes any path of
/// 1280 bytes.
const DTLS_DATAGRAM_BYTES: usize = 1200;
/// When we first repeat a flight unasked; the browser, which starts at 50 ms, is faster.
const FLIGHT_RTO: Duration = Duration::from_millis(200);

/// Cryptography that the process cannot do without is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderError {
    /// No random bytes, or no key from them.
    Keys,
    /// dimpl's test vectors gave wrong results: a broken build or CPU.
    Vectors(String),
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys => write!(f, "cannot generate random keys"),
            Self::Vectors(reason) => write!(f, "cryptography fails its test vectors: {reason}"),
        }
    }
}

impl std::error::Error for ProviderError {}

/// str0m's provider for weir's own side: keys are withheld, SRTP is refused.
///
/// # Errors
/// [`ProviderError::Vectors`]: the cryptography fails its test vectors.
pub fn serving() -> Result<CryptoProvider, ProviderError> {
    config()?;
    Ok(provider(&srtp::REFUSING, &instance::SERVING))
}

/// str0m's provider for a client, which gets the keys and uses them with `srtp`.
///
/// # Errors
/// [`ProviderError::Vectors`]: the cryptography fails its test vectors.
pub fn calling(srtp: &'static dyn SrtpProvider) -> Result<CryptoProvider, ProviderError> {
    config()?;
    Ok(provider(srtp, &instance::CALLING))
}

/// The client side of DTLS 1.2 without str0m: its caller passes on datagrams and takes the keys.
///
/// # Errors
/// [`ProviderError`]: no random keys, or the cryptography fails its test vectors.
pub fn client(certificate: &DtlsCertificate, now: Instant) -> Result<dimpl::Dtls, ProviderError> {
    let mut dtls = dimpl::Dtls::new_12(config()?, certificate.clone(), now);
    dtls.set_active(true);
    Ok(dtls)
}

fn provider(
    srtp_provider: &'static dyn SrtpProvider,
    dtls_provider: &'static instance::Dtls,
) -> CryptoProvider {
    CryptoProvider {
        srtp_provider,
        sha1_hmac_provider: &hash::STUN_HMAC,
        sha1_provider: &hash::FINGERPRINT,
        sha256_provider: &hash::FINGERPRINT,
        dtls_provider,
    }
}

/// The DTLS configuration that all handshakes of the process share.
fn config() -> Result<Arc<dimpl::Config>, ProviderError> {
    static CONFIG: OnceLock<Arc<dimpl::Config>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let config = dimpl::Config::builder()
        .with_crypto_provider(dimpl::crypto::CryptoProvider {
            kx_groups: exchange::GROUPS,
            signature_verification: &signature::VERIFIER,
            key_provider: &signature::KEYS,
            secure_random: &hash::RANDOM,
            hash_provider: &hash::HASHES,
            hmac_provider: &hash::HMAC,
            cipher_suites: cipher::SUITES,
            dtls13_cipher_suites: cipher::SUITES_13,
        })
        .mtu(DTLS_DATAGRAM_BYTES)
        // ICE has already proven the address; a cookie would only cost a round trip.
        .use_server_cookie(false)
        .max_queue_rx(HANDSHAKE_RECORDS_HELD_MAX)
        .flight_start_rto(FLIGHT_RTO)
        .flight_retries(6)
        .handshake_timeout(Duration::from_micros(HANDSHAKE_US_MAX))
        .build()
        .map_err(|error| ProviderError::Vectors(error.to_string()))?;
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

#[cfg(test)]
mod tests {
    use dimpl::{Dtls, KeyingMaterial, Output, SrtpProfile};

    use super::*;
    use crate::clock;

    #[derive(Default)]
    struct Side {
        connected: bool,
        peer: Option<Vec<u8>>,
        keys: Option<(KeyingMaterial, SrtpProfile)>,
    }

    fn drain(dtls: &mut Dtls, side: &mut Side, now: Instant) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut buffer = [0; 2000];
        dtls.handle_timeout(now).unwrap();
        loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => sent.push(packet.to_vec()),
                Output::Connected => side.connected = true,
                Output::PeerCert(der) => side.peer = Some(der.to_vec()),
                Output::KeyingMaterial(keys, profile) => side.keys = Some((keys, profile)),
                Output::Timeout(_) => return sent,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn two_of_ours_shake_hands_and_agree_on_keys() {
        let now = clock::instant(0);
        let config = config().expect("dimpl's own vectors pass");
        let (ours, theirs) = (generate_certificate().unwrap(), generate_certificate().unwrap());
        let mut server = Dtls::new_12(config, ours.clone(), now);
        let mut client = client(&theirs, now).unwrap();
        // dimpl needs the time before the first packet.
        server.handle_timeout(now).unwrap();
        let (mut at_server, mut at_client) = (Side::default(), Side::default());
        for _ in 0..8 {
            for packet in drain(&mut client, &mut at_client, now) {
                assert!(packet.len() <= DTLS_DATAGRAM_BYTES);
                server.handle_packet(&packet).unwrap();
            }
            for packet in drain(&mut server, &mut at_server, now) {
                assert!(packet.len() <= DTLS_DATAGRAM_BYTES);
                client.handle_packet(&packet).unwrap();
            }
        }
        assert!(at_server.connected && at_client.connected);
        assert_eq!(at_server.peer, Some(theirs.certificate));
        assert_eq!(at_client.peer, Some(ours.certificate));
        let (server_keys, profile) = at_server.keys.unwrap();
        let (client_keys, _) = at_client.keys.unwrap();
        assert_eq!(profile, SrtpProfile::AEAD_AES_256_GCM);
        assert_eq!(server_keys.len(), 2 * (32 + 12));
        assert_eq!(&server_keys[..], &client_keys[..]);
    }
}
