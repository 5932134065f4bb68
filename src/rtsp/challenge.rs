//! Parses the challenges in the `WWW-Authenticate` headers of a 401, leniently (RFC 7235 section
//! 2.1, RFC 7616 section 3.3).
//!
//! Several challenges may be in one header or in several. Quotes may be missing or misplaced
//! (`algorithm="SHA-256"`, `stale="FALSE"` of Hikvision's OEMs), and commas may trail. The fields
//! kept have fixed bounds; a challenge that exceeds them, or whose scheme weir does not support, is
//! skipped.

use heapless::Vec;

use super::digest::Algorithm;
use crate::limits::{RTSP_NONCE_BYTES_MAX, RTSP_REALM_BYTES_MAX};

/// The authentication schemes that weir supports, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scheme {
    /// The password in base64, which is readable on the network path.
    Basic = 0,
    /// Digest with MD5.
    DigestMd5 = 1,
    /// Digest with SHA-256.
    DigestSha256 = 2,
}

/// A challenge that weir can answer. Not boxed, because the media thread renews it.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Digest(DigestChallenge),
}

/// The parameters of a Digest challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DigestChallenge {
    pub algorithm: Algorithm,
    /// The camera named the algorithm, so the answer must name it too.
    pub algorithm_named: bool,
    pub realm: Vec<u8, RTSP_REALM_BYTES_MAX>,
    pub nonce: Vec<u8, RTSP_NONCE_BYTES_MAX>,
    pub opaque: Option<Vec<u8, RTSP_REALM_BYTES_MAX>>,
    /// `qop` offers `auth`; without it the signature is computed as in RFC 2069.
    pub qop: bool,
    pub stale: bool,
}

impl Challenge {
    pub(super) fn scheme(&self) -> Scheme {
        match self {
            Self::Basic => Scheme::Basic,
            Self::Digest(digest) => match digest.algorithm {
                Algorithm::Md5 => Scheme::DigestMd5,
                Algorithm::Sha256 => Scheme::DigestSha256,
            },
        }
    }
}

/// The challenges in one header value that weir can answer.
pub(super) fn challenges(value: &[u8]) -> impl Iterator<Item = Challenge> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let scheme = next_scheme(&mut rest)?;
            let mut draft = Draft::default();
            while let Some((name, value)) = next_parameter(&mut rest) {
                draft.take(name, value);
            }
            if let Some(challenge) = draft.finish(scheme) {
                return Some(challenge);
            }
        }
    })
}

/// A Digest challenge whose parameters are being parsed.
#[derive(Default)]
struct Draft<'a> {
    realm: &'a [u8],
    nonce: Option<&'a [u8]>,
    opaque: Option<&'a [u8]>,
    algorithm: Option<&'a [u8]>,
    qop: Option<&'a [u8]>,
    stale: bool,
}

impl<'a> Draft<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"realm") {
            self.realm = value;
        } else if is(b"nonce") {
            self.nonce = Some(value);
        } else if is(b"opaque") {
            self.opaque = Some(value);
        } else if is(b"algorithm") {
            self.algorithm = Some(value);
        } else if is(b"qop") {
            self.qop = Some(value);
        } else if is(b"stale") {
            self.stale = value.eq_ignore_ascii_case(b"true");
        }
    }

    fn finish(self, scheme: &[u8]) -> Option<Challenge> {
        if scheme.eq_ignore_ascii_case(b"basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case(b"digest") {
            return None;
        }
        let algorithm = match self.algorithm {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case(b"md5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case(b"sha-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let mut qops = self.qop.unwrap_or_default().split(|byte| *byte == b',');
        let qop = qops.any(|qop| qop.trim_ascii().eq_ignore_ascii_case(b"auth"));
        if !qop && self.qop.is_some_and(|qop| !qop.trim_ascii().is_empty()) {
            return None; // only auth-int, which signs bodies, is offered
        }
        Some(Challenge::Digest(DigestChallenge {
            algorithm,
            algorithm_named: self.algorithm.is_some(),
            realm: Vec::from_slice(self.realm).ok()?,
            nonce: Vec::from_slice(self.nonce?).ok()?,
            opaque: self.opaque.map(Vec::from_slice).transpose().ok()?,
            qop,
            stale: self.stale,
        }))
    }
}

fn is_separator(byte: u8) -> bool {
    byte == b',' || byte.is_ascii_whitespace()
}

fn skip(rest: &mut &[u8], skipped: impl Fn(u8) -> bool) {
    let len = rest.iter().position(|byte| !skipped(*byte)).unwrap_or(rest.len());
    *rest = &rest[len..];
}

fn take_token<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let ends = |byte: &u8| is_separator(*byte) || *byte == b'=';
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    let (token, after) = rest.split_at(len);
    *rest = after;
    token
}

/// The next token, which names a scheme; `None` at the end.
fn next_scheme<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    skip(rest, |byte| is_separator(byte) || byte == b'=');
    Some(take_token(rest)).filter(|token| !token.is_empty())
}

/// The next `name=value`; `None` at the next challenge or the end, which `rest` then begins with.
fn next_parameter<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut ahead = *rest;
    skip(&mut ahead, is_separator);
    let name = take_token(&mut ahead);
    skip(&mut ahead, |byte| byte.is_ascii_whitespace());
    ahead = ahead.strip_prefix(b"=")?;
    skip(&mut ahead, |byte| byte.is_ascii_whitespace());
    let value = take_value(&mut ahead);
    *rest = ahead;
    Some((name, value))
}

/// A quoted string without its quotes, or the text before the next comma. Escapes are kept, since
/// every camera hashes them as they are.
fn take_value<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let len = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        let (value, after) = rest.split_at(len);
        *rest = after;
        return value.trim_ascii();
    };
    let mut escaped = false;
    let len = quoted.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    let len = len.unwrap_or(quoted.len());
    *rest = quoted.get(len + 1..).unwrap_or_default();
    &quoted[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(value: &[u8]) -> std::vec::Vec<DigestChallenge> {
        let digest = |challenge| match challenge {
            Challenge::Digest(digest) => Some(digest),
            Challenge::Basic => None,
        };
        challenges(value).filter_map(digest).collect()
    }

    #[test]
    fn a_plain_challenge_of_most_cameras_is_rfc_2069() {
        let all = digests(b"Digest realm=\"IP Camera(J9558)\", nonce=\"a=,b\", stale=\"FALSE\"");
        let [digest] = all.as_slice() else { panic!("one") };
        assert_eq!(digest.realm, b"IP Camera(J9558)");
        assert_eq!(digest.nonce, b"a=,b");
        assert_eq!((digest.algorithm, digest.algorithm_named), (Algorithm::Md5, false));
        assert!(!digest.qop && !digest.stale);
    }

    #[test]
    fn quotes_may_be_anywhere_and_commas_may_trail() {
        let value = b"digest  Realm=x y , algorithm=\"SHA-256\",qop=\"auth-int, auth\" ,\
            nonce = n1, stale=TRUE, opaque=\"\",, ";
        let all = digests(value);
        let [digest] = all.as_slice() else { panic!("one") };
        assert_eq!((digest.realm.as_slice(), digest.nonce.as_slice()), (&b"x y"[..], &b"n1"[..]));
        assert_eq!((digest.algorithm, digest.algorithm_named), (Algorithm::Sha256, true));
        assert!(digest.qop && digest.stale);
        assert_eq!(digest.opaque.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let value = b"Digest realm=\"a\", nonce=\"1\", algorithm=SHA-256, Basic realm=\"b\", \
            Negotiate, Digest realm=\"c\", nonce=\"2\"";
        let schemes: std::vec::Vec<Scheme> = challenges(value).map(|c| c.scheme()).collect();
        assert_eq!(schemes, [Scheme::DigestSha256, Scheme::Basic, Scheme::DigestMd5]);
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        assert!(digests(b"Digest realm=\"a\"").is_empty(), "no nonce");
        assert!(digests(b"Digest nonce=\"1\", algorithm=MD5-sess").is_empty());
        assert!(digests(b"Digest nonce=\"1\", qop=auth-int").is_empty());
        let long = format!("Digest nonce=\"{}\"", "n".repeat(RTSP_NONCE_BYTES_MAX + 1));
        assert!(digests(long.as_bytes()).is_empty());
        let fits = format!("Digest nonce=\"{}\"", "n".repeat(RTSP_NONCE_BYTES_MAX));
        assert_eq!(digests(fits.as_bytes()).len(), 1);
        assert!(digests(b"=,\"\"=").is_empty());
    }
}
