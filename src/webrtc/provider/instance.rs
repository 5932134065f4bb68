//! A DTLS instance between str0m and dimpl.
//!
//! On weir's own side it withholds three things from str0m: the keying material, which goes into
//! the handshake's [`Tap`]; application data, which weir does not use; and a ServerHello that
//! agrees on no AES-GCM. In place of the latter it sends a fatal alert, so that the browser fails
//! at once and no key ever exists. It also withholds from dimpl a certificate that is too large for
//! dimpl to hand out.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dimpl::{DtlsCertificate, Output, ProtocolVersion, SrtpProfile as Negotiated};
use str0m_proto::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsProvider};
use str0m_proto::crypto::{CryptoError, DtlsVersion};

use super::hello::{self, SrtpRefusal};
use super::keys::{MediaKeys, SrtpProfile};
use super::records::{DtlsRecord, HANDSHAKE, HANDSHAKE_HEADER_BYTES, Records};
use crate::limits::PEER_CERTIFICATE_BYTES_MAX;

pub(super) static SERVING: Dtls = Dtls { swallow: true };
pub(super) static CALLING: Dtls = Dtls { swallow: false };

const CERTIFICATE: u8 = 11;
/// A fatal handshake_failure alert in plaintext. It has the record number of the ServerHello that
/// it replaces: without a cookie exchange that is the first.
static HANDSHAKE_FAILURE: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

/// What the DTLS instance of one handshake passes to its owner without str0m.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Mutex<Tapped>>);

/// The contents of a [`Tap`].
#[derive(Debug, Default)]
pub struct Tapped {
    /// The time for dimpl. str0m passes it on only when a timer is due.
    pub now: Option<Instant>,
    /// The keys once there are any; the owner takes them.
    pub keys: Option<MediaKeys>,
    /// Set when str0m has been given the alert to send.
    pub refusal: Option<SrtpRefusal>,
}

impl Tap {
    /// Locks what the provider noted.
    pub fn lock(&self) -> MutexGuard<'_, Tapped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static ATTACHED: RefCell<Option<Tap>> = const { RefCell::new(None) };
}

/// Makes the next serving instance that is made on this thread report to `tap`. str0m makes the
/// instance inside `RtcConfig::build`, where no argument can say which handshake it is for.
pub fn attach(tap: &Tap) {
    ATTACHED.set(Some(tap.clone()));
}

/// Makes instances. `swallow` is set for weir's own side.
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
            return Err(CryptoError::Other(format!("{version} is not supported")));
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

/// `tap` is set on weir's own side.
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
        self.tap.as_ref().is_some_and(|tap| tap.lock().refusal.is_some())
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let Some(tap) = &self.tap else {
            return self.dtls.handle_packet(packet);
        };
        if self.refused() {
            return Ok(());
        }
        let now = tap.lock().now;
        if let Some(now) = now {
            self.now = now;
            self.dtls.handle_timeout(now)?;
        }
        // One record at a time, because dimpl's bound counts calls, while each record costs memory:
        // 5 KB, with up to eight records in a datagram.
        for record in Records(packet) {
            if !too_large_a_certificate(record) {
                self.dtls.handle_packet(record.whole)?;
            }
        }
        Ok(())
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Output<'a> {
        let Some(tap) = &self.tap else {
            return self.dtls.poll_output(buffer);
        };
        if self.refused() {
            return Output::Timeout(self.now + Duration::from_secs(3600));
        }
        // A due timeout makes str0m poll again: that is how an output is withheld.
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
            Output::Packet(packet) => match hello::refusal(packet) {
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

/// Whether a plaintext record has part of a certificate that is too large as a whole. dimpl copies
/// a browser's certificate into str0m's 2000-byte buffer and requires that it fits.
fn too_large_a_certificate(record: DtlsRecord<'_>) -> bool {
    if record.kind != HANDSHAKE || record.epoch != 0 {
        return false;
    }
    let mut messages = record.fragment;
    while let Some(header) = messages.get(..HANDSHAKE_HEADER_BYTES) {
        let number = |at: usize| {
            let [high, middle, low] = [header[at], header[at + 1], header[at + 2]].map(usize::from);
            high << 16 | middle << 8 | low
        };
        if header[0] == CERTIFICATE && number(1) > PEER_CERTIFICATE_BYTES_MAX {
            return true;
        }
        let next = HANDSHAKE_HEADER_BYTES + number(9);
        messages = messages.get(next..).unwrap_or_default();
    }
    false
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

    fn too_large(kind: u8, epoch: u8, message: &[u8]) -> bool {
        let record = record(kind, epoch, message);
        too_large_a_certificate(Records(&record).next().unwrap())
    }

    #[test]
    fn a_certificate_too_large_is_found_in_any_piece_and_behind_other_messages() {
        let size = |bytes: usize| {
            let [.., a, b, c] = bytes.to_be_bytes();
            [CERTIFICATE, a, b, c, 0, 1, 0, 0, 0, 0, 0, 1, 42]
        };
        let fits = size(PEER_CERTIFICATE_BYTES_MAX);
        let does_not = size(PEER_CERTIFICATE_BYTES_MAX + 1);
        assert!(!too_large(HANDSHAKE, 0, &fits));
        assert!(too_large(HANDSHAKE, 0, &does_not));
        assert!(too_large(HANDSHAKE, 0, &[fits, does_not].concat()));
        assert!(!too_large(HANDSHAKE, 1, &does_not), "ciphertext");
        assert!(!too_large(HANDSHAKE, 0, &does_not[..11]));
    }

    #[test]
    fn what_cannot_be_read_yet_is_held_up_to_a_bound() {
        let tap = Tap::default();
        let now = crate::clock::instant(0);
        tap.lock().now = Some(now);
        attach(&tap);
        let certificate = SERVING.generate_certificate().unwrap();
        let mut server = SERVING.new_dtls(&certificate, now, DtlsVersion::Dtls12, None).unwrap();
        // Fragments of a message that is not due yet, four records in a datagram.
        let mut held = 0;
        let full = (0..100).find_map(|datagram: u8| {
            let mut records = Vec::new();
            for piece in datagram * 2..datagram * 2 + 4 {
                records.extend(record(
                    HANDSHAKE,
                    0,
                    &[16, 0, 0, 200, 0, 2, 0, 0, piece, 0, 0, 1, 7],
                ));
            }
            let result = server.handle_packet(&records);
            held += usize::from(result.is_ok());
            result.err()
        });
        assert_eq!(full, Some(DtlsImplError::ReceiveQueueFull));
        assert!(held * 4 <= 2 * crate::limits::HANDSHAKE_RECORDS_HELD_MAX);
    }
}
