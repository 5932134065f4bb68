//! WHEP (draft-ietf-wish-whep): offers, sessions, and their answers; the media is elsewhere.
//!
//! Nothing here answers 406, which players take for a counter-offer, and nothing redirects.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::problem::{problem, retry};
use super::{Reply, empty, reply};
use crate::control::{Answer, Refusal};

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Hex digits in the secret part of a session's URL.
const SECRET_DIGITS: usize = 32;

/// Whether `text` can be the secret part of a session's URL.
pub(super) fn is_secret(text: &str) -> bool {
    text.len() == SECRET_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks the type of a POST's body.
///
/// # Errors
/// 415.
pub(super) fn check_offer_type(headers: &HeaderMap) -> Result<(), Reply> {
    check_type(headers, SDP, "an offer")
}

/// Checks the type of a PATCH's body.
///
/// # Errors
/// 415.
pub(super) fn check_fragment_type(headers: &HeaderMap) -> Result<(), Reply> {
    check_type(headers, SDP_FRAGMENT, "a patch")
}

fn check_type(headers: &HeaderMap, wanted: &'static str, what: &str) -> Result<(), Reply> {
    let found = headers.get(header::CONTENT_TYPE);
    let found = found.and_then(|value| value.to_str().ok());
    let essence = found.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let detail = format!("{what} is {wanted}");
    let mut reply = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail);
    if wanted == SDP {
        accept_post(&mut reply);
    }
    Err(reply)
}

/// The body of a POST as text.
///
/// # Errors
/// 400 when it is none.
pub(super) fn offer_text(body: &Bytes) -> Result<String, Reply> {
    match std::str::from_utf8(body) {
        Ok("") => Err(problem(StatusCode::BAD_REQUEST, "the offer is empty")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(problem(StatusCode::BAD_REQUEST, "the offer is not text")),
    }
}

/// 201: a session was made.
pub(super) fn created(camera: &str, answer: Answer) -> Reply {
    let location = format!("/{camera}/whep/{}", answer.secret);
    let etag = format!("\"{}\"", answer.etag);
    let mut reply = reply(StatusCode::CREATED, SDP, answer.sdp);
    for (name, value) in [(header::LOCATION, location), (header::ETAG, etag)] {
        let value = HeaderValue::try_from(value).expect("names and hex digits are visible ASCII");
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// No session was made.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::UnknownCamera => problem(StatusCode::NOT_FOUND, "there is no camera of that name"),
        Refusal::BadOffer(reason) => problem(StatusCode::BAD_REQUEST, reason),
        Refusal::Unsupported(reason) => problem(StatusCode::UNPROCESSABLE_ENTITY, reason),
        Refusal::NotReady { reason, retry_after_s } => {
            retry(StatusCode::CONFLICT, reason, *retry_after_s)
        }
        Refusal::Full { reason, retry_after_s } => {
            retry(StatusCode::SERVICE_UNAVAILABLE, reason, *retry_after_s)
        }
    }
}

/// 404 for a session that is not, or no longer.
pub(super) fn no_session() -> Reply {
    problem(StatusCode::NOT_FOUND, "there is no such session")
}

/// The same, with the reason that it ended for, where that is still known.
pub(super) fn over(reason: Option<&str>) -> Reply {
    reason.map_or_else(no_session, |reason| problem(StatusCode::NOT_FOUND, reason))
}

/// A DELETE's answer.
pub(super) fn ended(was_there: bool) -> Reply {
    if was_there { empty(StatusCode::OK) } else { no_session() }
}

/// A PATCH's answer. Candidates are welcome and of no use: an ICE-lite agent answers the checks
/// that come, from wherever they come.
pub(super) fn patched(etag: Option<&str>, if_match: Option<&str>) -> Reply {
    match (etag, if_match) {
        (None, _) => no_session(),
        (Some(_), None | Some("*")) => empty(StatusCode::NO_CONTENT),
        (Some(etag), Some(wanted)) if wanted.trim_matches('"') == etag => {
            empty(StatusCode::NO_CONTENT)
        }
        _ => problem(StatusCode::PRECONDITION_FAILED, "the session has another etag"),
    }
}

/// A GET or HEAD: there is nothing to read, but it is there (draft-03 section 4.1).
pub(super) fn present(is_head: bool) -> Reply {
    if is_head { reply(StatusCode::OK, SDP, Bytes::new()) } else { empty(StatusCode::NO_CONTENT) }
}

/// An OPTIONS.
pub(super) fn options(is_endpoint: bool) -> Reply {
    let mut reply = empty(StatusCode::OK);
    if is_endpoint {
        accept_post(&mut reply);
    }
    reply
}

fn accept_post(reply: &mut Reply) {
    let headers = reply.headers_mut();
    headers.insert("accept-post", HeaderValue::from_static(SDP));
}

/// What players on other sites need; the answer itself is for `reader`'s pages, and for our own.
pub(super) fn allow_other_origins(
    reply: &mut Reply,
    methods: &'static str,
    reader: Option<HeaderValue>,
) {
    let headers = reply.headers_mut();
    if let Some(reader) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
    }
    for (name, value) in [
        (header::VARY, "Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Location, ETag, Link, Retry-After"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_status_and_says_when_to_ask_again() {
        let reason = || "reason".to_owned();
        let (not_ready, full) = (
            Refusal::NotReady { reason: reason(), retry_after_s: 3 },
            Refusal::Full { reason: reason(), retry_after_s: 5 },
        );
        for (refusal, status, retry_after) in [
            (Refusal::UnknownCamera, 404, None),
            (Refusal::BadOffer(reason()), 400, None),
            (Refusal::Unsupported(reason()), 422, None),
            (not_ready, 409, Some("3")),
            (full, 503, Some("5")),
        ] {
            let reply = refused(&refusal);
            assert_eq!(reply.status(), status);
            let header = reply.headers().get("retry-after");
            assert_eq!(header.map(|v| v.to_str().expect("text")), retry_after);
            assert_eq!(reply.headers()["content-type"], "application/problem+json");
        }
    }

    #[test]
    fn a_session_is_told_by_its_location_and_etag() {
        let reply = created(
            "gate",
            Answer { sdp: "v=0".to_owned(), secret: "00ff".to_owned(), etag: "abc".to_owned() },
        );
        assert_eq!(reply.status(), 201);
        assert_eq!(reply.headers()["location"], "/gate/whep/00ff");
        assert_eq!(reply.headers()["etag"], "\"abc\"");
        assert_eq!(reply.headers()["content-type"], "application/sdp");
    }

    #[test]
    fn a_patch_must_match_when_it_says_so() {
        for (etag, if_match, status) in [
            (Some("a"), None, 204),
            (Some("a"), Some("*"), 204),
            (Some("a"), Some("\"a\""), 204),
            (Some("a"), Some("\"b\""), 412),
            (None, Some("*"), 404),
        ] {
            assert_eq!(patched(etag, if_match).status(), status, "{etag:?} {if_match:?}");
        }
    }
}
