//! The certificate that identifies weir to all browsers of one process.

use std::sync::Arc;

use str0m::{IceCreds, Rtc, RtcConfig};

use crate::clock;
use crate::webrtc::provider::{self, DtlsCertificate, ProviderError, Tap};

/// The certificate and the cryptography that all handshakes of the process share.
#[derive(Debug)]
pub struct DtlsIdentity {
    certificate: DtlsCertificate,
    /// SHA-256 of the certificate, as written in the answer.
    pub(super) fingerprint: String,
    provider: Arc<str0m::config::CryptoProvider>,
}

impl DtlsIdentity {
    /// Makes a new certificate, and checks the cryptography by its test vectors.
    ///
    /// # Errors
    /// [`ProviderError`]: no random keys, or wrong test vectors. weir cannot serve without them.
    pub fn new() -> Result<Self, ProviderError> {
        let provider = provider::serving()?;
        let certificate = provider::generate_certificate()?;
        let digest = provider.sha256_provider.sha256(&certificate.certificate);
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self { certificate, fingerprint: pairs.join(":"), provider: Arc::new(provider) })
    }

    /// A new `Rtc` that reports its keys and refusals to `tap`.
    pub(super) fn rtc(&self, local: &IceCreds, tap: &Tap, now_us: u64) -> Rtc {
        provider::attach(tap);
        RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.provider))
            .set_dtls_cert(self.certificate.clone())
            .set_local_ice_credentials(local.clone())
            .set_ice_lite(true)
            .clear_codecs()
            .clear_extension_map()
            .build(clock::instant(now_us))
    }
}
