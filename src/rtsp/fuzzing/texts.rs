//! Fuzzes the texts in a conversation: SDP, URLs, challenges.

use std::fmt::Write as _;

use http_auth::{DigestClient, PasswordParams};

use super::super::auth::Auth;
use super::super::challenge::{Challenge, DigestChallenge, challenges};
use super::super::control;
use super::super::digest::Algorithm;
use super::super::sdp::describe;
use super::super::transmit::Transmit;
use super::super::url::{CameraUrl, UrlError};
use super::{check_requests, credentials};
use crate::codec::Codec;
use crate::fuzzing::SECRET;
use crate::limits::{PARAMETER_SET_BYTES_MAX, RTSP_BODY_BYTES_MAX, RTSP_SDP_PPS_MAX};

const URI: &str = "rtsp://192.0.2.7:554/live";

/// SDP: accepted values are valid and within bounds; any line end will do; a refusal has a readable
/// message.
pub fn sdp(data: &[u8]) {
    let data = &data[..data.len().min(RTSP_BODY_BYTES_MAX)];
    let described = describe(data);
    // A line that is not UTF-8 is skipped, whatever ends it.
    if let Ok(text) = std::str::from_utf8(data) {
        let text = text.replace("\r\n", "\n");
        assert_eq!(describe(text.as_bytes()), described, "LF alone ends a line");
        assert_eq!(describe(text.replace('\n', "\r").as_bytes()), described, "so does CR");
    }
    let described = match described {
        Ok(described) => described,
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 300 && !words.contains(char::is_control), "{words:?}");
            return;
        }
    };
    assert!(described.video.payload_type < 128);
    let sets = &described.video.parameter_sets;
    for nal in sets {
        assert!((1..=PARAMETER_SET_BYTES_MAX).contains(&nal.len()));
        assert!(match described.video.codec {
            Codec::H264 => matches!(nal[0] & 0x1f, 7 | 8),
            Codec::H265 => matches!(nal[0] >> 1 & 0x3f, 32..=34),
        });
    }
    assert!(sets.len() <= 2 + RTSP_SDP_PPS_MAX);
    let problem = described.sound.problem().unwrap_or_default();
    assert!(problem.len() < 250 && !problem.contains(char::is_control), "{problem:?}");
    let control = described.control.as_deref();
    let base = control::base(described.session_control.as_deref(), None, None, URI);
    for uri in [control::append(&base, control), control::join(&base, control)] {
        assert!(!uri.contains(['\r', '\n']), "{uri:?}");
    }
}

/// URLs: an accepted URL means the same without its login, which is never displayed. A base that a
/// camera announces never contains a login or a blank.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(base) = Some(control::base(Some(text), Some(text), Some(text), URI)) {
        assert!(base.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{base:?}");
    }
    let is_login = text.matches(SECRET).count() == 1 && text.contains(&format!(":{SECRET}@"));
    let url = match CameraUrl::parse(text) {
        Ok(url) => url,
        Err(error) => {
            assert!(!is_login || !error.to_string().contains(SECRET));
            return;
        }
    };
    let prefix = url.scheme().prefix();
    assert!(url.reveal().starts_with(prefix) && url.port() > 0 && !url.host().is_empty());
    assert!(url.reveal().bytes().all(|byte| byte > b' ' && byte != 0x7f));
    if !url.host().contains(SECRET) {
        assert!(!format!("{url} {url:?}").contains(SECRET));
    }
    if CameraUrl::parse(&url.reveal()[prefix.len()..]) != Err(UrlError::Scheme) {
        return; // a scheme after a login is no host; without the login it is one more scheme
    }
    // Without its login it is a URL too, unless its path may contain another login.
    let Ok(again) = CameraUrl::parse(url.reveal()) else {
        assert!(url.reveal().contains('@'), "{}", url.reveal());
        return;
    };
    let without_zone = url.host().split('%').next().unwrap_or_default();
    assert_eq!((again.host(), again.port()), (without_zone, url.port()));
    assert_eq!(again.credentials(), None);
}

/// Challenges: each is within its bounds. If an independent implementation parses the same Digest
/// challenge, parameters and signature are equal. The signed request is unambiguous.
pub fn challenge(data: &[u8]) {
    // A header's value as the framing passes it on: no control characters except in folds.
    if data.iter().any(|byte| *byte < b' ' && *byte != b'\t') {
        return;
    }
    let mut digests = challenges(data).filter_map(|challenge| match challenge {
        Challenge::Digest(digest) => Some(digest),
        Challenge::Basic => None,
    });
    // Read them all and keep none.
    let ours = digests.next();
    let is_alone = digests.count() == 0;
    sign(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Escapes are kept as they are, which is what cameras hash.
    if !text.is_ascii() || text.contains('\\') {
        return;
    }
    let Ok(theirs) = http_auth::parse_challenges(text) else { return };
    // Compare single challenges only: where the next one begins depends on how lenient a parser is.
    if theirs.len() > 1 || text.to_ascii_lowercase().matches("digest").count() > 1 {
        return;
    }
    let theirs: Vec<DigestClient> =
        theirs.iter().filter_map(|challenge| DigestClient::try_from(challenge).ok()).collect();
    if let (Some(ours), true, Ok([theirs])) =
        (ours, is_alone, <[DigestClient; 1]>::try_from(theirs))
    {
        compare(text, &ours, theirs);
    }
}

/// Answers the challenge if possible; returns the Authorization header.
fn sign(value: &[u8]) -> Option<String> {
    let mut auth = Auth::new(Some(credentials()), false);
    auth.challenged([value].into_iter()).ok()?;
    let mut out = Transmit::new();
    write!(out, "DESCRIBE {URI} RTSP/1.0\r\n").expect("fits");
    auth.sign("DESCRIBE", URI, &mut out).expect("a signature fits");
    out.push(b"\r\n").expect("fits");
    check_requests(out.bytes());
    Some(String::from_utf8_lossy(out.bytes()).into_owned())
}

fn compare(text: &str, ours: &DigestChallenge, mut theirs: DigestClient) {
    let is_sha256 = format!("{:?}", theirs.algorithm()).contains("Sha256");
    if is_sha256 != (ours.algorithm == Algorithm::Sha256) || theirs.session() {
        return;
    }
    assert_eq!(ours.realm, theirs.realm().as_bytes());
    assert_eq!(ours.nonce, theirs.nonce().as_bytes());
    // The other implementation drops an empty value, and weir echoes it.
    let opaque = ours.opaque.as_deref().unwrap_or_default();
    assert_eq!(opaque, theirs.opaque().unwrap_or_default().as_bytes());
    let Some(header) = sign(text.as_bytes()).filter(|header| header.contains("Digest")) else {
        return;
    };
    let known = credentials();
    let asked = PasswordParams {
        username: &known.user,
        password: &known.password,
        uri: URI,
        method: "DESCRIBE",
        body: None,
    };
    let cnonce = parameter(&header, "cnonce").unwrap_or_default();
    let Ok(expected) = theirs.respond_with_testing_cnonce(&asked, cnonce) else { return };
    assert_eq!(parameter(&header, "response"), parameter(&expected, "response"), "{header}");
}

/// The quoted value of the last parameter with this name; weir's own follow the camera's texts.
fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let mut needle = String::new();
    write!(needle, " {name}=\"").expect("a string takes it");
    let (_, rest) = header.rsplit_once(&needle)?;
    rest.split('"').next()
}
