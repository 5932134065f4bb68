//! A browser's texts, and its handshake without ICE and DTLS: each datagram says what is to come of
//! it.

use std::net::SocketAddr;

use crate::limits::HANDSHAKE_US_MAX;
use crate::signalling::BrowserHandshake;
use crate::webrtc::handshake::{
    Answered, Connected, DtlsIdentity, Failure, MediaKeys, Progress, SrtpProfile, SrtpRefusal,
};

/// What comes of a datagram. Its second byte is the number; the first makes it a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Outcome {
    /// It is answered, and the handshake goes on.
    Answered,
    Connected,
    NoGcm,
    Broken,
}

impl Outcome {
    pub(super) const ALL: [Self; 4] = [Self::Answered, Self::Connected, Self::NoGcm, Self::Broken];

    pub(super) fn datagram(self) -> [u8; 2] {
        [0, self as u8]
    }
}

pub(super) struct ScriptedHandshake {
    give_up_us: u64,
    /// The last datagram that was not polled for yet, with where it came from and went to.
    next: Option<(Outcome, SocketAddr, SocketAddr)>,
}

impl BrowserHandshake for ScriptedHandshake {
    fn begin(_: &Answered, _: &DtlsIdentity, _: &[SocketAddr], now_us: u64) -> Self {
        Self { give_up_us: now_us + HANDSHAKE_US_MAX, next: None }
    }

    fn receive(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], _: u64) {
        self.next = Some((Outcome::ALL[usize::from(datagram[1])], from, to));
    }

    fn poll(&mut self, now_us: u64) -> Progress {
        if now_us >= self.give_up_us {
            return Progress::Failed(Failure::TimedOut);
        }
        let Some((outcome, remote, local)) = self.next.take() else {
            return Progress::Wait { deadline_us: self.give_up_us };
        };
        match outcome {
            Outcome::Answered => {
                Progress::Transmit { to: remote, from: local, datagram: vec![1, 1] }
            }
            Outcome::Connected => Progress::Connected(Box::new(connected(remote, local))),
            Outcome::NoGcm => Progress::Failed(Failure::Refused(SrtpRefusal::NoGcm)),
            Outcome::Broken => Progress::Failed(Failure::Closed),
        }
    }
}

fn connected(remote: SocketAddr, local: SocketAddr) -> Connected {
    let keys = MediaKeys::of_server(SrtpProfile::Aes128Gcm, &[7; 2 * (16 + 12)]);
    let keys = keys.expect("that many bytes");
    Connected {
        keys,
        remote,
        local,
        flight: heapless::Vec::new(),
        close_notify: heapless::Vec::new(),
    }
}

/// An offer with its number in the ufrag.
pub(super) fn sdp(number: u64) -> String {
    let ufrag = ufrag(number, 0);
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
         a=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789abcdefghijkl\r\na=setup:actpass\r\n\
         a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
         10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
    )
}

/// The number of an offer.
pub(super) fn number(sdp: &str) -> u64 {
    let rest = sdp.split("o=- ").nth(1).expect("its second line");
    rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn ufrag(number: u64, generation: u64) -> String {
    format!("{number:06}{generation:04}")
}

/// The fragment of a PATCH with the ufrag of a generation of this offer's browser.
pub(super) fn fragment(number: u64, generation: u64) -> String {
    let ufrag = ufrag(number, generation);
    format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789abcdefghijkl\r\n")
}
