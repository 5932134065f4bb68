//! Authentication to a camera: the credentials, the current challenge, and the schemes that failed.
//!
//! The strongest scheme is tried first: SHA-256, MD5, Basic. If a camera's SHA-256 is broken, it
//! refuses that, and the next scheme that it offers is tried. Basic, which reveals the password, is
//! never used with a camera that accepted Digest before: a device that then asks for Basic may be
//! an impostor (RFC 7616 section 5.7). Any 401 at any time leads to a new signature (Axis rotates
//! nonces after 150 s). A new nonce is accepted only once per success, so a wrong password costs
//! few attempts and does not lock the account. Nothing here allocates.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::challenge::{Challenge, DigestChallenge, challenges};
use super::digest::{Algorithm, Signature};
use super::transmit::{Transmit, TransmitFull};
use super::url::CameraCredentials;
use crate::limits::{RTSP_PASSWORD_BYTES_MAX, RTSP_USER_BYTES_MAX};
use crate::random::random;

/// The schemes with which a camera refused the credentials, as shown in errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried([bool; 3]);

/// Why a 401 cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthError {
    /// The camera asks for a login, and none is configured.
    NoCredentials,
    /// The camera asks only for schemes that weir does not support.
    NoScheme,
    /// The camera asks for Basic alone, but accepted Digest before.
    Downgrade,
    /// Every scheme that the camera offers was refused.
    Refused(Tried),
}

/// The state of authentication with one camera.
#[derive(Debug)]
pub(super) struct Auth {
    credentials: Option<CameraCredentials>,
    challenge: Option<Challenge>,
    refused: Tried,
    /// The camera has accepted Digest, in this dialog or an earlier one.
    takes_digest: bool,
    /// A new nonce was already accepted since the last success.
    renewed: bool,
    nonce_count: u32,
    cnonce: [u8; 16],
}

impl Auth {
    /// The state before the first challenge. `takes_digest`: the camera accepted Digest earlier.
    pub(super) fn new(credentials: Option<CameraCredentials>, takes_digest: bool) -> Self {
        Self {
            credentials,
            challenge: None,
            refused: Tried::default(),
            takes_digest,
            renewed: false,
            nonce_count: 0,
            cnonce: cnonce(),
        }
    }

    /// Leaves out schemes that the camera is known to refuse.
    pub(super) fn without(mut self, refused: Tried) -> Self {
        self.refused = refused;
        self
    }

    /// The schemes that the camera has refused.
    pub(super) fn refused(&self) -> Tried {
        self.refused
    }

    pub(super) fn credentials(&self) -> Option<&CameraCredentials> {
        self.credentials.as_ref()
    }

    /// Whether requests are signed, because the camera sent a challenge.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// Whether the camera has accepted Digest, in this dialog or an earlier one.
    pub(super) fn takes_digest(&self) -> bool {
        self.takes_digest
    }

    /// Whether the password is sent in plaintext (Basic).
    pub(super) fn is_in_the_clear(&self) -> bool {
        matches!(self.challenge, Some(Challenge::Basic))
    }

    /// Handles a 401 with these `WWW-Authenticate` values. `Ok` means: send the request again.
    pub(super) fn challenged<'v>(
        &mut self,
        values: impl Iterator<Item = &'v [u8]> + Clone,
    ) -> Result<(), AuthError> {
        if self.credentials.is_none() {
            return Err(AuthError::NoCredentials);
        }
        if let Some(current) = &self.challenge {
            let scheme = current.scheme();
            let renewal = values.clone().flat_map(challenges).find(|offer| renews(current, offer));
            if let (Some(renewal), false) = (renewal, self.renewed) {
                self.renewed = true;
                self.answer_from_now(renewal);
                return Ok(());
            }
            self.refused.0[scheme as usize] = true;
        }
        let untried = |offer: &Challenge| !self.refused.0[offer.scheme() as usize];
        let best = values.flat_map(challenges).filter(untried).max_by_key(Challenge::scheme);
        // Basic is the weakest scheme, so no untried Digest was offered.
        let is_downgrade = self.takes_digest && best == Some(Challenge::Basic);
        let best = best.filter(|_| !is_downgrade);
        match best {
            Some(challenge) => {
                self.answer_from_now(challenge);
                Ok(())
            }
            None if self.refused != Tried::default() => Err(AuthError::Refused(self.refused)),
            None if is_downgrade => Err(AuthError::Downgrade),
            None => Err(AuthError::NoScheme),
        }
    }

    /// The camera accepted a request, so the next new nonce may be accepted too.
    pub(super) fn accepted(&mut self) {
        self.renewed = false;
    }

    /// The camera accepted a request that needs a login. OPTIONS does not count, because many
    /// cameras answer it without one.
    pub(super) fn proven(&mut self) {
        self.takes_digest |= matches!(self.challenge, Some(Challenge::Digest(_)));
    }

    /// Lets later requests try every scheme again. Called when a 401 in a session cannot be
    /// answered.
    pub(super) fn forgive(&mut self) {
        self.renewed = false;
        self.refused = Tried::default();
    }

    fn answer_from_now(&mut self, challenge: Challenge) {
        self.challenge = Some(challenge);
        self.nonce_count = 0;
    }

    /// Writes the Authorization header, if the camera sent a challenge.
    pub(super) fn sign(
        &mut self,
        method: &str,
        uri: &str,
        out: &mut Transmit,
    ) -> Result<(), TransmitFull> {
        let (Some(credentials), Some(challenge)) = (&self.credentials, &self.challenge) else {
            return Ok(());
        };
        match challenge {
            Challenge::Basic => write_basic(credentials, out),
            Challenge::Digest(digest) => {
                self.nonce_count = self.nonce_count.wrapping_add(1);
                let counted = (self.nonce_count, &self.cnonce);
                write_digest(credentials, digest, counted, (method, uri), out)
            }
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 3] = ["basic", "digest md5", "digest sha-256"];
        let mut first = true;
        for (name, _) in NAMES.iter().zip(self.0).rev().filter(|(_, tried)| *tried) {
            f.write_str(if first { "" } else { " and " })?;
            f.write_str(name)?;
            first = false;
        }
        Ok(())
    }
}

/// Whether `offer` is the challenge `current` with a nonce that was not answered yet.
fn renews(current: &Challenge, offer: &Challenge) -> bool {
    match (current, offer) {
        (Challenge::Digest(current), Challenge::Digest(offer)) => {
            current.algorithm == offer.algorithm && (offer.stale || offer.nonce != current.nonce)
        }
        _ => false,
    }
}

/// 16 random hex digits, which keep the camera from choosing the whole hash input.
fn cnonce() -> [u8; 16] {
    random().map(|byte| b"0123456789abcdef"[usize::from(byte & 15)])
}

fn write_basic(credentials: &CameraCredentials, out: &mut Transmit) -> Result<(), TransmitFull> {
    const PLAIN_BYTES_MAX: usize = RTSP_USER_BYTES_MAX + 1 + RTSP_PASSWORD_BYTES_MAX;
    let mut plain = heapless::Vec::<u8, PLAIN_BYTES_MAX>::new();
    for part in [credentials.user.as_str(), ":", credentials.password.as_str()] {
        plain.extend_from_slice(part.as_bytes()).map_err(|_| TransmitFull)?;
    }
    let mut encoded = [0; PLAIN_BYTES_MAX.div_ceil(3) * 4];
    let len = STANDARD.encode_slice(&plain, &mut encoded).map_err(|_| TransmitFull)?;
    out.push(b"Authorization: Basic ")?;
    out.push(&encoded[..len])?;
    out.push(b"\r\n")
}

fn write_digest(
    credentials: &CameraCredentials,
    challenge: &DigestChallenge,
    (nonce_count, cnonce): (u32, &[u8; 16]),
    (method, uri): (&str, &str),
    out: &mut Transmit,
) -> Result<(), TransmitFull> {
    let mut count = heapless::String::<8>::new();
    fmt::Write::write_fmt(&mut count, format_args!("{nonce_count:08x}"))
        .map_err(|_| TransmitFull)?;
    let response = Signature {
        algorithm: challenge.algorithm,
        user: credentials.user.as_bytes(),
        password: credentials.password.as_bytes(),
        realm: &challenge.realm,
        nonce: &challenge.nonce,
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        qop: challenge.qop.then_some((count.as_bytes(), cnonce)),
    }
    .response();
    out.push(b"Authorization: Digest username=\"")?;
    for byte in credentials.user.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b"\\")?;
        }
        out.push(&[byte])?;
    }
    out.push(b"\"")?;
    quoted("realm", &challenge.realm, out)?;
    quoted("nonce", &challenge.nonce, out)?;
    quoted("uri", uri.as_bytes(), out)?;
    quoted("response", response.as_bytes(), out)?;
    if challenge.algorithm_named {
        let name = match challenge.algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        };
        write!(out, ", algorithm={name}")?;
    }
    if challenge.qop {
        write!(out, ", qop=auth, nc={count}")?;
        quoted("cnonce", cnonce, out)?;
    }
    if let Some(opaque) = &challenge.opaque {
        quoted("opaque", opaque, out)?;
    }
    out.push(b"\r\n")
}

fn quoted(name: &str, value: &[u8], out: &mut Transmit) -> Result<(), TransmitFull> {
    write!(out, ", {name}=\"")?;
    out.push(value)?;
    out.push(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "rtsp://192.0.2.7:554/stream1/";

    fn viewer() -> Auth {
        Auth::new(
            Some(CameraCredentials {
                user: "viewer".to_owned(),
                password: "Circle of Life".to_owned(),
            }),
            false,
        )
    }

    fn signed(auth: &mut Auth) -> String {
        let mut out = Transmit::new();
        auth.sign("DESCRIBE", URI, &mut out).expect("fits");
        String::from_utf8(out.bytes().to_vec()).expect("ascii")
    }

    fn challenged(auth: &mut Auth, value: &str) -> Result<(), AuthError> {
        auth.challenged([value.as_bytes()].into_iter())
    }

    fn parameter<'a>(header: &'a str, name: &str) -> &'a str {
        let start = header.find(&format!("{name}=\"")).expect(name) + name.len() + 2;
        &header[start..start + header[start..].find('"').expect("closes")]
    }

    /// The response of an independent implementation to the same challenge and cnonce.
    fn oracle(challenge: &str, cnonce: &str) -> String {
        let refs = http_auth::parse_challenges(challenge).expect("parses");
        let mut client = http_auth::DigestClient::try_from(&refs[0]).expect("digest");
        let params = http_auth::PasswordParams {
            username: "viewer",
            password: "Circle of Life",
            uri: URI,
            method: "DESCRIBE",
            body: None,
        };
        let header = client.respond_with_testing_cnonce(&params, cnonce).expect("responds");
        parameter(&header, "response").to_owned()
    }

    #[test]
    fn signatures_are_those_of_an_independent_implementation() {
        for challenge in [
            "Digest realm=\"IP Camera(J9558)\", nonce=\"8b84a3b789283a8bea8da7fa7d41f08b\"",
            "Digest realm=\"cam\", nonce=\"n\", qop=\"auth\"",
            "Digest realm=\"cam\", nonce=\"n\", algorithm=MD5, qop=\"auth,auth-int\", opaque=\"o\"",
            "Digest realm=\"cam\", nonce=\"n\", algorithm=\"SHA-256\", stale=\"FALSE\"",
            "Digest realm=\"cam\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
        ] {
            let mut auth = viewer();
            challenged(&mut auth, challenge).expect("can be answered");
            let header = signed(&mut auth);
            let cnonce = std::str::from_utf8(&auth.cnonce).expect("ascii").to_owned();
            assert_eq!(parameter(&header, "response"), oracle(challenge, &cnonce), "{challenge}");
            assert_eq!(parameter(&header, "uri"), URI);
            assert_eq!(header.contains("algorithm="), challenge.contains("algorithm="));
            assert_eq!(header.contains("nc=00000001"), challenge.contains("qop"));
            assert_eq!(header.contains("opaque=\"o\""), challenge.contains("opaque"));
        }
    }

    #[test]
    fn basic_is_base64_of_both() {
        let mut auth = viewer();
        challenged(&mut auth, "Basic realm=\"cam\"").expect("can be answered");
        assert_eq!(signed(&mut auth), "Authorization: Basic dmlld2VyOkNpcmNsZSBvZiBMaWZl\r\n");
    }

    #[test]
    fn each_scheme_is_tried_once_from_the_strongest_down() {
        let offers = "Digest realm=\"c\", nonce=\"1\", Basic realm=\"c\", \
            Digest realm=\"c\", nonce=\"1\", algorithm=SHA-256";
        let mut auth = viewer();
        assert_eq!(signed(&mut auth), "");
        challenged(&mut auth, offers).expect("sha-256");
        assert!(signed(&mut auth).contains("algorithm=SHA-256"));
        challenged(&mut auth, offers).expect("md5");
        assert_eq!(parameter(&signed(&mut auth), "response").len(), 32);
        challenged(&mut auth, offers).expect("basic");
        assert!(signed(&mut auth).contains("Basic"));
        let Err(AuthError::Refused(tried)) = challenged(&mut auth, offers) else {
            panic!("nothing is left");
        };
        assert_eq!(tried.to_string(), "digest sha-256 and digest md5 and basic");
    }

    #[test]
    fn a_new_nonce_is_believed_once_for_each_success() {
        let offer = |nonce: u32| format!("Digest realm=\"c\", nonce=\"{nonce}\"");
        let mut auth = viewer();
        challenged(&mut auth, &offer(1)).expect("first");
        signed(&mut auth);
        challenged(&mut auth, &offer(2)).expect("rotated");
        assert_eq!(parameter(&signed(&mut auth), "nonce"), "2");
        auth.accepted();
        challenged(&mut auth, &offer(3)).expect("rotated again, after a success");
        challenged(&mut auth, &offer(4)).expect_err("a wrong password");
        auth.forgive();
        challenged(&mut auth, &offer(5)).expect("later");
    }

    #[test]
    fn the_same_nonce_is_stale_only_when_the_camera_says_so() {
        let mut auth = viewer();
        challenged(&mut auth, "Digest realm=\"c\", nonce=\"1\"").expect("first");
        challenged(&mut auth, "Digest realm=\"c\", nonce=\"1\", stale=true").expect("stale");
        challenged(&mut auth, "Digest realm=\"c\", nonce=\"1\"").expect_err("refused");
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let offer = "Digest realm=\"c\", nonce=\"1\"";
        assert_eq!(challenged(&mut Auth::new(None, false), offer), Err(AuthError::NoCredentials));
        assert_eq!(challenged(&mut viewer(), "Negotiate"), Err(AuthError::NoScheme));
    }

    #[test]
    fn the_longest_request_fits_an_empty_buffer() {
        use crate::limits::{
            RTSP_NONCE_BYTES_MAX, RTSP_REALM_BYTES_MAX, RTSP_REQUEST_URL_BYTES_MAX,
            RTSP_SESSION_ID_BYTES_MAX,
        };
        let longest = CameraCredentials {
            user: "\"".repeat(RTSP_USER_BYTES_MAX),
            password: "p".repeat(RTSP_PASSWORD_BYTES_MAX),
        };
        let digest = format!(
            "Digest realm=\"{r}\", nonce=\"{n}\", opaque=\"{r}\", algorithm=SHA-256, qop=auth",
            r = "r".repeat(RTSP_REALM_BYTES_MAX),
            n = "n".repeat(RTSP_NONCE_BYTES_MAX),
        );
        for challenge in [digest.as_str(), "Basic realm=\"c\""] {
            let mut auth = Auth::new(Some(longest.clone()), false);
            challenged(&mut auth, challenge).expect("within bounds");
            let request = super::super::message::RtspRequest {
                method: "GET_PARAMETER",
                uri: &"u".repeat(RTSP_REQUEST_URL_BYTES_MAX),
                cseq: u32::MAX,
                session: Some(&"s".repeat(RTSP_SESSION_ID_BYTES_MAX)),
                extra: Some("Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
            };
            request.write(&mut auth, &mut Transmit::new()).expect("fits");
        }
    }

    #[test]
    fn a_camera_that_took_digest_is_never_told_the_password_itself() {
        let digest = "Digest realm=\"c\", nonce=\"1\"";
        let basic = "Basic realm=\"c\"";
        let mut auth = viewer();
        challenged(&mut auth, digest).expect("digest");
        auth.proven();
        assert!(auth.takes_digest());
        assert_eq!(
            challenged(&mut auth, basic),
            Err(AuthError::Refused(Tried([false, true, false])))
        );
        auth.forgive();
        assert!(!signed(&mut auth).contains("Basic"));
        // The next dialog with the same camera.
        let mut auth = Auth::new(viewer().credentials, true);
        assert_eq!(challenged(&mut auth, basic), Err(AuthError::Downgrade));
        assert_eq!(signed(&mut auth), "");
        challenged(&mut auth, &format!("{basic}, {digest}")).expect("digest, as before");
        assert!(signed(&mut auth).contains("Digest") && !auth.is_in_the_clear());
    }

    #[test]
    fn a_camera_that_only_has_basic_is_told() {
        let mut auth = viewer();
        challenged(&mut auth, "Basic realm=\"c\"").expect("basic");
        auth.proven();
        assert!(auth.is_in_the_clear() && !auth.takes_digest());
        challenged(&mut viewer(), "Basic realm=\"c\"").expect("and again");
    }
}
