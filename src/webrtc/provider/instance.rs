//! A DTLS instance between str0m and dimpl.
//!
//! On weir's side it keeps three things from str0m: the keying material, which goes into the
//! handshake's [`Tap`]; application data, which nobody here sends; and a ServerHello that agrees on
//! no AES-GCM, in whose place goes a fatal alert, so that such a browser learns it at once and no
//! key ever exists. It also keeps a certificate from dimpl that dimpl could not hand out.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dimpl::{DtlsCertificate, Output, ProtocolVersion, SrtpProfile as Negotiated};
use str0m_proto::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsProvider};
use str0m_proto::crypto::{CryptoError, DtlsVersion};

use super::keys::{MediaKeys, SrtpProfile};
use super::records::{HANDSHAKE, Records};
use crate::limits::PEER_CERTIFICATE_BYTES_MAX;

pub(super) static SERVING: Dtls = Dtls { swallow: true };
pub(super) static CALLING: Dtls = Dtls { swallow: false };

const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const HANDSHAKE_HEADER_BYTES: usize = 12;
/// The extension that agrees on SRTP (RFC 5764 section 4.1.1) and the profiles weir serves.
const USE_SRTP: u16 = 14;
const GCM_PROFILES: [u16; 2] = [0x0007, 0x0008];

/// handshake_failure, fatal, in plaintext. It takes the record number of the ServerHello in whose
/// place it goes: without a cookie exchange that is the first.
static HANDSHAKE_FAILURE: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

/// Why a browser gets no session although its handshake went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not do SRTP over DTLS.
    NoSrtp,
    /// It does SRTP, but neither AEAD_AES_256_GCM nor AEAD_AES_128_GCM.
    NoGcm,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSrtp => "no srtp",
            Self::NoGcm => "no aes-gcm",
        })
    }
}

/// What one handshake's DTLS instance has to tell its owner, past str0m.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Mutex<Tapped>>);

/// A tap's contents.
#[derive(Debug, Default)]
pub struct Tapped {
    /// The time, for dimpl, which str0m tells only when a timer is due.
    pub now: Option<Instant>,
    /// The keys, once there are any; for the owner to take.
    pub keys: Option<MediaKeys>,
    /// Set when the alert has been given to str0m to send.
    pub refusal: Option<Refusal>,
}

impl Tap {
    /// Looks inside.
    pub fn lock(&self) -> MutexGuard<'_, Tapped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static ATTACHED: RefCell<Option<Tap>> = const { RefCell::new(None) };
}

/// The next serving instance made on this thread reports to `tap`. str0m makes it inside
/// `RtcConfig::build`, which has no other way to tell it whose it is.
pub fn attach(tap: &Tap) {
    ATTACHED.set(Some(tap.clone()));
}

/// Makes instances; `swallow` is weir's own side.
#[derive(Debug)]
pub(super) struct Dtls {
    swallow: bool,
}

impl DtlsProvider for Dtls {
    fn generate_certificate(&self) -> Option<DtlsCertificate> {
        super::generate_certificate().ok()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCertificate,
        now: Instant,
        version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        if version != DtlsVersion::Dtls12 {
            return Err(CryptoError::Other(format!("{version} is not spoken")));
        }
        let config = super::config().map_err(|error| CryptoError::Other(error.to_string()))?;
        let tap = self.swallow.then(|| ATTACHED.take().unwrap_or_default());
        Ok(Box::new(Instance {
            dtls: dimpl::Dtls::new_12(config, certificate.clone(), now),
            tap,
            now,
        }))
    }
}

/// `tap` is there on weir's own side.
struct Instance {
    dtls: dimpl::Dtls,
    tap: Option<Tap>,
    now: Instant,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Instance")
    }
}

impl Instance {
    fn refused(&self) -> bool {
        self.tap
            .as_ref()
            .is_some_and(|tap| tap.lock().refusal.is_some())
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        if let Some(tap) = &self.tap {
            if self.refused() || too_large_a_certificate(packet) {
                return Ok(());
            }
            let now = tap.lock().now;
            if let Some(now) = now {
                self.now = now;
                self.dtls.handle_timeout(now)?;
            }
        }
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Output<'a> {
        let Some(tap) = &self.tap else {
            return self.dtls.poll_output(buffer);
        };
        if self.refused() {
            return Output::Timeout(self.now + Duration::from_secs(3600));
        }
        // A timeout that is due makes str0m poll again: that is how an output is left out.
        match self.dtls.poll_output(buffer) {
            Output::KeyingMaterial(material, profile) => {
                let profile = match profile {
                    Negotiated::AEAD_AES_128_GCM => Some(SrtpProfile::Aes128Gcm),
                    Negotiated::AEAD_AES_256_GCM => Some(SrtpProfile::Aes256Gcm),
                    _ => None,
                };
                tap.lock().keys =
                    profile.and_then(|profile| MediaKeys::of_server(profile, &material));
                Output::Timeout(self.now)
            }
            Output::ApplicationData(_) => Output::Timeout(self.now),
            Output::Packet(packet) => match refusal(packet) {
                Some(refusal) => {
                    tap.lock().refusal = Some(refusal);
                    Output::Packet(&HANDSHAKE_FAILURE)
                }
                None => Output::Packet(packet),
            },
            other => other,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        if self.refused() {
            return Ok(());
        }
        self.now = now;
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

/// Whether a plaintext record has a piece of a certificate that is too large as a whole. dimpl
/// copies a browser's certificate into str0m's 2000-byte buffer and insists that it fits.
fn too_large_a_certificate(packet: &[u8]) -> bool {
    let mut records = Records(packet).filter(|record| record.kind == HANDSHAKE);
    records.any(|record| {
        let mut rest = record.fragment;
        while let Some(header) = rest.get(..HANDSHAKE_HEADER_BYTES) {
            let number = |at: usize| {
                usize::from(header[at]) << 16
                    | usize::from(header[at + 1]) << 8
                    | usize::from(header[at + 2])
            };
            if record.epoch == 0
                && header[0] == CERTIFICATE
                && number(1) > PEER_CERTIFICATE_BYTES_MAX
            {
                return true;
            }
            rest = rest
                .get(HANDSHAKE_HEADER_BYTES + number(9)..)
                .unwrap_or_default();
        }
        false
    })
}

/// What our own ServerHello, if `packet` has it, agrees on that weir refuses.
fn refusal(packet: &[u8]) -> Option<Refusal> {
    let mut records =
        Records(packet).filter(|record| record.kind == HANDSHAKE && record.epoch == 0);
    let hello = records.find(|record| record.fragment.first() == Some(&SERVER_HELLO))?;
    match srtp_profile(hello.fragment.get(HANDSHAKE_HEADER_BYTES..)?) {
        None => Some(Refusal::NoSrtp),
        Some(profile) if !GCM_PROFILES.contains(&profile) => Some(Refusal::NoGcm),
        Some(_) => None,
    }
}

/// The profile in a ServerHello's use_srtp extension.
fn srtp_profile(hello: &[u8]) -> Option<u16> {
    let session_id = hello.get(2 + 32..)?;
    let behind_it = session_id.get(1 + usize::from(*session_id.first()?)..)?;
    // Cipher suite, compression method, length of the extensions.
    let mut extensions = behind_it.get(2 + 1 + 2..)?;
    while let Some(header) = extensions.get(..4) {
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let content = extensions.get(4..4 + length)?;
        if kind == USE_SRTP {
            // Bytes of the list, then the one profile chosen.
            return Some(u16::from_be_bytes([*content.get(2)?, *content.get(3)?]));
        }
        extensions = &extensions[4 + length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let mut out = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0];
        out.extend(length);
        out.extend(message);
        out
    }

    fn server_hello(extensions: &[u8]) -> Vec<u8> {
        let mut message = vec![SERVER_HELLO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xfd];
        message.extend([0; 32]);
        message.extend([1, 99, 0xc0, 0x2b, 0]);
        message.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        message.extend(extensions);
        record(HANDSHAKE, 0, &message)
    }

    #[test]
    fn a_server_hello_without_gcm_is_found() {
        let ems = [0, 23, 0, 0];
        let srtp = |profile| [0, 23, 0, 0, 0, 14, 0, 5, 0, 2, 0, profile, 0];
        assert_eq!(refusal(&server_hello(&ems)), Some(Refusal::NoSrtp));
        assert_eq!(refusal(&server_hello(&srtp(1))), Some(Refusal::NoGcm));
        assert_eq!(refusal(&server_hello(&srtp(7))), None);
        assert_eq!(refusal(&server_hello(&srtp(8))), None);
    }

    #[test]
    fn other_packets_are_no_server_hello() {
        assert_eq!(
            refusal(&record(HANDSHAKE, 0, &[CERTIFICATE, 0, 0, 0])),
            None
        );
        assert_eq!(refusal(&record(HANDSHAKE, 1, &[SERVER_HELLO; 64])), None);
        assert_eq!(refusal(&[]), None);
    }

    #[test]
    fn a_certificate_too_large_is_found_in_any_piece_and_behind_other_messages() {
        let size = |bytes: usize| {
            let [.., a, b, c] = bytes.to_be_bytes();
            [CERTIFICATE, a, b, c, 0, 1, 0, 0, 0, 0, 0, 1, 42]
        };
        let fits = size(PEER_CERTIFICATE_BYTES_MAX);
        let does_not = size(PEER_CERTIFICATE_BYTES_MAX + 1);
        assert!(!too_large_a_certificate(&record(HANDSHAKE, 0, &fits)));
        assert!(too_large_a_certificate(&record(HANDSHAKE, 0, &does_not)));
        let both = [&fits[..], &does_not[..]].concat();
        assert!(too_large_a_certificate(&record(HANDSHAKE, 0, &both)));
        let two = [record(20, 0, &[1]), record(HANDSHAKE, 0, &does_not)].concat();
        assert!(too_large_a_certificate(&two));
        assert!(!too_large_a_certificate(&record(HANDSHAKE, 1, &does_not)));
    }
}
