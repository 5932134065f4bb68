//! The offer of `weir verify`, and what it reads of the answer.
//!
//! The offer is that of a browser that decodes everything: it has each profile of H.264 that
//! cameras send, and Main and Main 10 of H.265 at their highest level.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::codec::Codec;
use crate::limits::VERIFY_CANDIDATES_MAX;

/// H.264: High, Main and Constrained Baseline at level 5.2.
const H264_PROFILES: [&str; 3] = ["640034", "4d0034", "42e034"];
/// H.265: Main and Main 10 at level 6.2.
const H265_PROFILES: [u8; 2] = [1, 2];
const PAYLOAD_TYPE_FIRST: u8 = 96;

/// Who the viewer is.
pub(super) struct ViewerOffer {
    pub(super) ufrag: String,
    pub(super) password: String,
    /// SHA-256 of its certificate, as SDP writes it.
    pub(super) fingerprint: String,
}

impl ViewerOffer {
    /// An offer to receive one video.
    pub(super) fn offer(&self) -> String {
        let Self { ufrag, password, fingerprint } = self;
        let count = H264_PROFILES.len() + H265_PROFILES.len();
        let types = || (PAYLOAD_TYPE_FIRST..).take(count);
        let list: Vec<String> = types().map(|number| number.to_string()).collect();
        let mut text = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\na=mid:0\r\n\
             a=recvonly\r\na=rtcp-mux\r\n",
            list.join(" ")
        );
        let h264 = H264_PROFILES.map(|id| {
            let parameters = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=";
            (Codec::H264, format!("{parameters}{id}"))
        });
        let h265 = H265_PROFILES.map(|id| {
            (Codec::H265, format!("profile-id={id};tier-flag=1;level-id=186;tx-mode=SRST"))
        });
        for (number, (codec, parameters)) in types().zip(h264.into_iter().chain(h265)) {
            let name = codec.name();
            let _ =
                write!(text, "a=rtpmap:{number} {name}/90000\r\na=fmtp:{number} {parameters}\r\n");
        }
        text
    }
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) fingerprint: String,
    pub(super) codec: Codec,
    /// In the answer's order, up to [`VERIFY_CANDIDATES_MAX`].
    pub(super) candidates: Vec<SocketAddr>,
    /// Whether RTP and RTCP share the port.
    pub(super) has_rtcp_mux: bool,
}

impl Answer {
    /// # Errors
    /// What it lacks.
    pub(super) fn parse(sdp: &str) -> Result<Self, &'static str> {
        let attribute = |name: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
        };
        let word = |name: &str| attribute(name).map(str::trim).filter(|word| !word.is_empty());
        let encoding = word("rtpmap").and_then(|rtpmap| rtpmap.split(' ').nth(1));
        let codec = encoding.and_then(|encoding| Codec::from_name(encoding.split('/').next()?));
        let fingerprint = word("fingerprint").and_then(|line| line.strip_prefix("sha-256 "));
        let candidates: Vec<SocketAddr> =
            sdp.lines().filter_map(candidate).take(VERIFY_CANDIDATES_MAX).collect();
        if candidates.is_empty() {
            return Err("the answer has no candidate");
        }
        Ok(Self {
            ufrag: word("ice-ufrag").ok_or("the answer has no ice-ufrag")?.to_owned(),
            password: word("ice-pwd").ok_or("the answer has no ice-pwd")?.to_owned(),
            fingerprint: fingerprint.ok_or("the answer has no fingerprint")?.to_ascii_uppercase(),
            codec: codec.ok_or("the answer has neither H.264 nor H.265")?,
            candidates,
            has_rtcp_mux: sdp.lines().any(|line| line.trim_end() == "a=rtcp-mux"),
        })
    }
}

/// The address of a candidate's line: foundation, component, transport, priority, address, port.
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("a=candidate:")?.split(' ').skip(2);
    let is_udp = words.next()?.eq_ignore_ascii_case("udp");
    let ip: IpAddr = words.nth(1)?.parse().ok()?;
    let port = words.next()?.parse().ok()?;
    is_udp.then_some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webrtc::offer::{Decoder, Offer};

    fn viewer() -> ViewerOffer {
        let fingerprint = ["AB"; 32].join(":");
        ViewerOffer { ufrag: "abcd".to_owned(), password: "p".repeat(22), fingerprint }
    }

    #[test]
    fn weir_reads_every_format_of_the_offer() {
        let text = viewer().offer();
        let offer = Offer::read(&text).expect("an offer");
        assert_eq!(offer.formats.len(), H264_PROFILES.len() + H265_PROFILES.len());
        let h265 = offer.formats.iter().filter(|f| matches!(f.decoder, Decoder::H265 { .. }));
        assert_eq!(h265.count(), H265_PROFILES.len());
    }

    #[test]
    fn an_answer_is_read_and_what_it_lacks_is_named() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8118 typ host\r\n\
                   a=candidate:2 1 udp 2130706175 2001:db8::1 8118 typ host\r\n\
                   a=candidate:3 1 tcp 1 192.0.2.1 9 typ host\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
                   a=fingerprint:sha-256 ab:cd\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n";
        let answer = Answer::parse(sdp).expect("an answer");
        assert_eq!((answer.ufrag.as_str(), answer.password.as_str()), ("u", "p"));
        assert_eq!((answer.fingerprint.as_str(), answer.codec), ("AB:CD", Codec::H264));
        let both = ["192.0.2.1:8118", "[2001:db8::1]:8118"].map(|text| text.parse().unwrap());
        assert_eq!(answer.candidates, both);
        assert!(answer.has_rtcp_mux);
        for (lacks, says) in [
            ("candidate", "the answer has no candidate"),
            ("ice-pwd", "the answer has no ice-pwd"),
            ("rtpmap", "the answer has neither H.264 nor H.265"),
            ("fingerprint", "the answer has no fingerprint"),
        ] {
            assert_eq!(Answer::parse(&sdp.replace(lacks, "x")), Err(says));
        }
    }
}
