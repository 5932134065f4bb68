//! The viewer's side of a handshake: weir's provider as DTLS client, with the keying material
//! taken out before str0m sees it, as the server does. So str0m speaks ICE and DTLS only, and
//! everything that is sealed or opened goes through [`super::srtp`].

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use str0m_proto::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile,
};
use str0m_proto::crypto::{CryptoError, CryptoProvider, DtlsVersion};
use weir::webrtc::provider;

/// Where a handshake leaves its keying material and the SRTP profile it agreed on.
pub type KeyExtractor = Arc<Mutex<Option<(Vec<u8>, SrtpProfile)>>>;

/// Larger than any record dimpl hands out.
const RECORD_BYTES: usize = 2048;

thread_local! {
    /// `RtcConfig::build` makes the DTLS instance and takes no argument of ours.
    static NEXT: RefCell<Option<KeyExtractor>> = const { RefCell::new(None) };
}

static CALLING: LazyLock<CryptoProvider> = LazyLock::new(|| {
    let serving = provider::serving().expect("the provider passes its vectors");
    provider::calling(serving.srtp_provider).expect("the provider passes its vectors")
});

/// str0m's provider for a viewer; the next `Rtc` built on this thread leaves its keys in the tap.
pub fn provider() -> (Arc<CryptoProvider>, KeyExtractor) {
    let extractor = KeyExtractor::default();
    NEXT.with(|next| *next.borrow_mut() = Some(extractor.clone()));
    let provider = CryptoProvider { dtls_provider: &Tapping, ..CALLING.clone() };
    (Arc::new(provider), extractor)
}

/// One certificate for all viewers of the process.
pub fn certificate() -> DtlsCert {
    static CERTIFICATE: LazyLock<DtlsCert> = LazyLock::new(|| {
        let made = CALLING.dtls_provider.generate_certificate();
        made.expect("the provider makes certificates")
    });
    CERTIFICATE.clone()
}

#[derive(Debug)]
struct Tapping;

impl DtlsProvider for Tapping {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        CALLING.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = CALLING.dtls_provider.new_dtls(cert, now, version, mtu)?;
        let extractor = NEXT.with(|next| next.borrow_mut().take());
        let extractor = extractor.expect("a viewer's Rtc is built right after its provider");
        Ok(Box::new(Tapped { inner, extractor }))
    }
}

#[derive(Debug)]
struct Tapped {
    inner: Box<dyn DtlsInstance>,
    extractor: KeyExtractor,
}

impl DtlsInstance for Tapped {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let mut own = [0; RECORD_BYTES];
        loop {
            match self.inner.poll_output(&mut own) {
                DtlsOutput::KeyingMaterial(material, profile) => {
                    let keys = Some((material.to_vec(), profile));
                    *self.extractor.lock().expect("not poisoned") = keys;
                }
                DtlsOutput::Packet(bytes) => return DtlsOutput::Packet(copy(bytes, buf)),
                DtlsOutput::PeerCert(bytes) => return DtlsOutput::PeerCert(copy(bytes, buf)),
                DtlsOutput::ApplicationData(bytes) => {
                    return DtlsOutput::ApplicationData(copy(bytes, buf));
                }
                DtlsOutput::Timeout(at) => return DtlsOutput::Timeout(at),
                DtlsOutput::Connected => return DtlsOutput::Connected,
                DtlsOutput::CloseNotify => return DtlsOutput::CloseNotify,
                other => panic!("dimpl says {other:?}"),
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

fn copy<'a>(bytes: &[u8], into: &'a mut [u8]) -> &'a [u8] {
    into[..bytes.len()].copy_from_slice(bytes);
    &into[..bytes.len()]
}
