//! A test browser made of str0m with weir's cryptography: it offers to receive H.264, sends the
//! checks, and is the DTLS client. Its SRTP only records the keys it was derived from.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use str0m_proto::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, CryptoError, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

use crate::clock;
use crate::webrtc::provider::{self, Records};

pub(crate) fn local() -> SocketAddr {
    "192.0.2.1:8118".parse().unwrap()
}

pub(crate) fn remote() -> SocketAddr {
    "192.0.2.7:50000".parse().unwrap()
}

pub(crate) struct Client {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    use_srtp: Option<Vec<u8>>,
    pub(crate) connected: bool,
    pub(crate) closed: bool,
}

impl Client {
    pub(crate) fn new() -> Self {
        DERIVED.with_borrow_mut(Vec::clear);
        let rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(provider::calling(&NOTING).unwrap()))
            .build(clock::instant(0));
        Self { rtc, pending: None, use_srtp: None, connected: false, closed: false }
    }

    pub(crate) fn offer(&mut self) -> String {
        let host = Candidate::host(remote(), "udp").unwrap();
        self.rtc.add_local_candidate(host);
        let mut api = self.rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(crate) fn answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    }

    /// Replaces the SRTP profiles that its ClientHello offers by `profile`; an empty one removes
    /// the extension. The handshake cannot succeed, but it gets as far as the server's answer.
    pub(crate) fn offer_only(&mut self, profile: &[u8]) {
        self.use_srtp = Some(profile.to_vec());
    }

    pub(crate) fn receive(&mut self, datagram: &[u8], now_us: u64) {
        let now = clock::instant(now_us);
        let Ok(receive) = Receive::new(Protocol::Udp, local(), remote(), datagram) else {
            return; // a fuzzer's datagram may be none
        };
        // A failed handshake is an error here and an alert on the wire; tests look at the server.
        let _ = self.rtc.handle_input(Input::Receive(now, receive));
    }

    pub(crate) fn drain(&mut self, now_us: u64) -> Vec<Vec<u8>> {
        let _ = self.rtc.handle_input(Input::Timeout(clock::instant(now_us)));
        let mut sent = Vec::new();
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    assert_eq!(transmit.destination, local());
                    sent.push(self.rewritten(&transmit.contents));
                }
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(Event::Closed)) => self.closed = true,
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(_)) | Err(_) => return sent,
            }
        }
    }

    /// Whether the client's SRTP was derived from this master key and salt.
    pub(crate) fn derived_from(&self, key: &[u8], salt: &[u8]) -> bool {
        // The block of label 0 is the salt itself (RFC 3711 section 4.3.1).
        DERIVED.with_borrow(|blocks| blocks.iter().any(|(k, x)| k == key && x.starts_with(salt)))
    }

    fn rewritten(&self, datagram: &[u8]) -> Vec<u8> {
        let mut datagram = datagram.to_vec();
        let hello = Records(&datagram).any(|r| r.kind == 22 && r.fragment.first() == Some(&1));
        if let (Some(profile), true) = (&self.use_srtp, hello) {
            let starts = |window: &[u8]| window.starts_with(&[0, 14, 0, 9, 0, 6]);
            let at = datagram.windows(13).position(starts).expect("three profiles");
            if profile.is_empty() {
                datagram[at] = 0x7f; // another extension, which nobody knows
            } else {
                for slot in datagram[at + 6..at + 12].chunks_mut(2) {
                    slot.copy_from_slice(profile);
                }
            }
        }
        datagram
    }
}

thread_local! {
    static DERIVED: RefCell<Vec<(Vec<u8>, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
}

static NOTING: Noting = Noting;

#[derive(Debug)]
struct Noting;

fn note(key: &[u8], block: &[u8], output: &mut [u8]) {
    DERIVED.with_borrow_mut(|blocks| blocks.push((key.to_vec(), block.to_vec())));
    output.fill(0);
}

impl SrtpProvider for Noting {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        unreachable!("never negotiated")
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &NOTING
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &NOTING
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], block: &[u8], output: &mut [u8]) {
        note(key, block, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], block: &[u8], output: &mut [u8]) {
        note(key, block, output);
    }
}

macro_rules! noting_cipher {
    ($factory:ident, $cipher:ident, $key_bytes:literal) => {
        impl $factory for Noting {
            fn create_cipher(&self, _: [u8; $key_bytes], _: bool) -> Box<dyn $cipher> {
                Box::new(Noting)
            }
        }

        impl $cipher for Noting {
            fn encrypt(
                &mut self,
                _: &[u8; 12],
                _: &[u8],
                _: &[u8],
                _: &mut [u8],
            ) -> Result<(), CryptoError> {
                Ok(())
            }

            fn decrypt(
                &mut self,
                _: &[u8; 12],
                _: &[&[u8]],
                _: &[u8],
                _: &mut [u8],
            ) -> Result<usize, CryptoError> {
                Ok(0)
            }
        }
    };
}

noting_cipher!(SupportedAeadAes128Gcm, AeadAes128GcmCipher, 16);
noting_cipher!(SupportedAeadAes256Gcm, AeadAes256GcmCipher, 32);
