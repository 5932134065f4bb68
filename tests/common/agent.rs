//! An ICE agent with nothing around it: it posts an offer in its own words, sends the checks, and
//! leaves the rest to the test. It is the controlling one, as browsers are towards ICE-lite.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use is::stun::{StunMessage, TransId};
use ring::hmac;
use weir::clock;

use super::rtp::Kind;
use super::whep::{self, HttpError};

/// What nobody's certificate has.
pub const NO_FINGERPRINT: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                                  10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";
const UFRAG: &str = "hand";
const PASSWORD: &str = "a-password-of-22-chars";
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_millis(200);

/// An offer to receive one video, as Chromium words it, with all feedback that it knows.
pub fn offer(fingerprint: &str) -> String {
    format!(
        "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
         a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 H264/90000\r\n\
         a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
         a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
         a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    )
}

/// An offer of exactly `bytes`, most of them in lines that mean nothing.
pub fn offer_of_bytes(fingerprint: &str, bytes: usize) -> String {
    const LINE_BYTES: usize = 200;
    let mut offer = offer(fingerprint);
    while let missing @ 1.. = bytes.saturating_sub(offer.len()) {
        // A rest too short for a line of its own goes into the last one.
        let line_bytes = if missing < 2 * LINE_BYTES { missing } else { LINE_BYTES };
        offer += &format!("a=x-{}\r\n", "y".repeat(line_bytes.saturating_sub(6)));
    }
    offer
}

/// Posts an offer from an address of this machine; the answer whatever it is.
pub fn post(
    local: IpAddr,
    http: SocketAddr,
    camera: &str,
    offer: &str,
) -> Result<whep::Response, HttpError> {
    let sdp = [("Content-Type", "application/sdp")];
    whep::request_from(Some(local), http, "POST", &format!("/{camera}/whep"), &sdp, offer)
}

/// The same by whoever has a token.
pub fn post_by(
    token: &str,
    local: IpAddr,
    http: SocketAddr,
    camera: &str,
    offer: &str,
) -> Result<whep::Response, HttpError> {
    let bearer = format!("Bearer {token}");
    let headers = [("Content-Type", "application/sdp"), ("Authorization", bearer.as_str())];
    whep::request_from(Some(local), http, "POST", &format!("/{camera}/whep"), &headers, offer)
}

/// The agent, from its answer on.
#[derive(Debug)]
pub struct Agent {
    /// Its socket.
    pub socket: UdpSocket,
    /// weir's first candidate.
    pub media: SocketAddr,
    /// The answer's SDP.
    pub answer: String,
    /// The session's path.
    pub location: String,
}

impl Agent {
    /// Posts an offer with this fingerprint.
    pub fn post(http: SocketAddr, camera: &str, fingerprint: &str) -> Result<Self, HttpError> {
        Self::post_from(Ipv4Addr::LOCALHOST.into(), http, camera, &offer(fingerprint))
    }

    /// Posts any offer from an address of this machine.
    pub fn post_from(
        local: IpAddr,
        http: SocketAddr,
        camera: &str,
        offer: &str,
    ) -> Result<Self, HttpError> {
        let created = post(local, http, camera, offer)?.expect(201)?;
        let socket = UdpSocket::bind((local, 0)).expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let media = candidates(&created.body)[0];
        let location = created.header("location").expect("201 has a Location");
        Ok(Self { socket, media, location: whep::path_of(location), answer: created.body })
    }

    /// A check that nominates, with a transaction of its own.
    pub fn check(&self) -> Vec<u8> {
        check(&self.answer, UFRAG)
    }

    /// Checks until weir answers.
    pub fn nominate(&self) {
        assert!(self.is_answered(), "no answer to a check");
    }

    /// Whether one of a few checks is answered.
    fn is_answered(&self) -> bool {
        let mut buffer = [0; 2048];
        (0..TRIES).any(|_| {
            self.socket.send_to(&self.check(), self.media).expect("loopback takes it");
            let Ok((bytes, from)) = self.socket.recv_from(&mut buffer) else { return false };
            assert_eq!((from, Kind::of(&buffer[..bytes])), (self.media, Kind::Stun));
            true
        })
    }

    /// Keeps a handshake's slot by checks alone, for so long or until another gets it.
    pub fn dawdle(&self, us: u64) {
        let until_us = clock::now_us() + us;
        while clock::now_us() < until_us && self.is_answered() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A check that nominates, with the credentials of an answer or of a fragment, by the browser of
/// this ufrag.
pub fn check(answer: &str, ufrag: &str) -> Vec<u8> {
    let theirs = attribute(answer, "ice-ufrag").expect("an answer has a ufrag");
    let password = attribute(answer, "ice-pwd").expect("an answer has a password");
    let username = format!("{theirs}:{ufrag}");
    let message = StunMessage::binding_request(&username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 256];
    let written = message.to_bytes(Some(password.as_bytes()), &mut bytes, sha1_hmac);
    bytes.truncate(written.expect("room for a check"));
    bytes
}

/// The value of an attribute's first line.
pub fn attribute<'s>(sdp: &'s str, name: &str) -> Option<&'s str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

/// The addresses of an answer's candidates, in order.
pub fn candidates(sdp: &str) -> Vec<SocketAddr> {
    let lines = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    let address = |line: &str| {
        let mut words = line.split(' ').skip(4);
        let ip: IpAddr = words.next()?.parse().ok()?;
        Some(SocketAddr::new(ip, words.next()?.parse().ok()?))
    };
    lines.map(|line| address(line).expect("an address and a port")).collect()
}

/// STUN's integrity, as `is` wants it.
pub fn sha1_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &parts.concat());
    tag.as_ref().try_into().expect("SHA-1 has 20 bytes")
}
