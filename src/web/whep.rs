//! WHEP (draft-ietf-wish-whep): the HTTP side of offers and sessions. The media is not handled
//! here.
//!
//! Nothing here answers 406, which players take for a counter-offer, and nothing redirects.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::denial::challenge;
use super::problem::{problem, retry};
use super::{Reply, empty, reply};
use crate::control::{IfMatch, OfferAnswer, OfferRefusal, PatchRefusal, Patched};
use crate::limits::SESSION_RESTART_US;

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// `Retry-After` of a refused ICE restart, in seconds: a handshake takes a moment, and restarts
/// have a minimum distance, [`SESSION_RESTART_US`].
const RETRY_RESTART_S: u32 = {
    assert!(SESSION_RESTART_US == 1_000_000);
    1
};
/// Hex digits in the secret part of a session's URL.
const SECRET_DIGITS: usize = 32;

/// Whether `text` can be the secret part of a session's URL.
pub(super) fn is_secret(text: &str) -> bool {
    text.len() == SECRET_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks that a POST's body is an offer, `application/sdp`.
///
/// # Errors
/// 415 with `Accept-Post`, for another content type or none.
pub(super) fn check_offer_type(headers: &HeaderMap) -> Result<(), Reply> {
    check_type(headers, SDP, "an offer")
}

/// Checks that a PATCH's body is a fragment, `application/trickle-ice-sdpfrag`.
///
/// # Errors
/// 415 with `Accept-Patch`, for another content type or none.
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
    let found = found.unwrap_or("none");
    let detail = format!("{what} needs the content type {wanted}, not {found}");
    let mut reply = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail);
    let name = if wanted == SDP { ACCEPT_POST } else { ACCEPT_PATCH };
    reply.headers_mut().insert(name, HeaderValue::from_static(wanted));
    Err(reply)
}

/// A body as UTF-8 text; `what` names it in an error.
///
/// # Errors
/// 400 when it is empty or not UTF-8.
pub(super) fn text(body: Bytes, what: &str) -> Result<String, Reply> {
    // The bytes have no other owner, so they are not copied.
    match String::from_utf8(body.into()) {
        Ok(text) if text.is_empty() => {
            Err(problem(StatusCode::BAD_REQUEST, &format!("{what} is empty")))
        }
        Ok(text) => Ok(text),
        Err(_) => Err(problem(StatusCode::BAD_REQUEST, &format!("{what} is not UTF-8"))),
    }
}

/// The `If-Match` condition of a PATCH. `"*"` with quotes is taken too: RFC 9725 prints it for what
/// it calls `*`.
///
/// # Errors
/// 400 when it is malformed (RFC 9110 section 13.1.1).
pub(super) fn if_match(headers: &HeaderMap) -> Result<IfMatch, Reply> {
    let malformed = || problem(StatusCode::BAD_REQUEST, "malformed If-Match");
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        for tag in value.to_str().map_err(|_| malformed())?.split(',') {
            let tag = tag.trim();
            let strong = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            match strong {
                Some("*") => return Ok(IfMatch::Any),
                Some(strong) => tags.push(strong.to_owned()),
                None if tag == "*" => return Ok(IfMatch::Any),
                // A weak tag never matches (RFC 9110 section 13.1.1), and no session has an empty
                // one.
                None if tag.starts_with("W/\"") => tags.push(String::new()),
                None => return Err(malformed()),
            }
        }
    }
    Ok(if tags.is_empty() { IfMatch::Absent } else { IfMatch::Tags(tags) })
}

/// 201: a session was made. Its address is in `Location`.
pub(super) fn created(camera: &str, answer: OfferAnswer, ice_servers: &[String]) -> Reply {
    let location = format!("/{camera}/whep/{}", answer.secret);
    let location = HeaderValue::try_from(location).expect("names and digits are visible ASCII");
    let etag = quoted(&answer.etag);
    let mut reply = reply(StatusCode::CREATED, SDP, answer.sdp);
    let headers = reply.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::ETAG, etag);
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    link(&mut reply, ice_servers);
    reply
}

/// Adds a `Link` header for each STUN server that the configuration has.
fn link(reply: &mut Reply, ice_servers: &[String]) {
    for uri in ice_servers {
        let value = HeaderValue::try_from(format!("<{uri}>; rel=\"ice-server\""));
        let value = value.expect("the configuration's URIs are visible ASCII");
        reply.headers_mut().append(header::LINK, value);
    }
}

/// The reply to an offer that made no session.
pub(super) fn refused(refusal: &OfferRefusal) -> Reply {
    match refusal {
        OfferRefusal::NotLetIn(reason) => challenge(reason),
        OfferRefusal::UnknownCamera => {
            problem(StatusCode::NOT_FOUND, "there is no camera of that name")
        }
        OfferRefusal::BadOffer(reason) => problem(StatusCode::BAD_REQUEST, reason),
        OfferRefusal::Unsupported(reason) => problem(StatusCode::UNPROCESSABLE_ENTITY, reason),
        OfferRefusal::NotReady { reason, retry_after_s } => {
            retry(StatusCode::CONFLICT, reason, *retry_after_s)
        }
        OfferRefusal::Full { reason, retry_after_s } => {
            retry(StatusCode::SERVICE_UNAVAILABLE, reason, *retry_after_s)
        }
    }
}

/// 404 for a session that does not exist, or no longer does.
pub(super) fn no_session() -> Reply {
    problem(StatusCode::NOT_FOUND, "there is no such session")
}

/// 404 with the reason that the session ended for, where that is still known.
pub(super) fn over(reason: Option<&str>) -> Reply {
    reason.map_or_else(no_session, |reason| problem(StatusCode::NOT_FOUND, reason))
}

/// The reply to a DELETE of a session: 200, or 404 where there was none.
pub(super) fn ended(was_there: bool) -> Reply {
    if was_there { empty(StatusCode::OK) } else { no_session() }
}

/// The reply to a PATCH: 204 without an ETag for candidates, 200 for an ICE restart (RFC 9725
/// section 4.3.3).
pub(super) fn patched(patched: Result<Patched, PatchRefusal>) -> Reply {
    let restarting = "an ICE restart";
    match patched {
        Ok(Patched::Unchanged) => empty(StatusCode::NO_CONTENT),
        Ok(Patched::Restarted { fragment, etag }) => {
            let mut reply = reply(StatusCode::OK, SDP_FRAGMENT, fragment);
            reply.headers_mut().insert(header::ETAG, quoted(&etag));
            reply
        }
        Err(PatchRefusal::NoSession) => no_session(),
        Err(PatchRefusal::BadFragment(reason)) => problem(StatusCode::BAD_REQUEST, &reason),
        Err(PatchRefusal::Unmatched) => {
            problem(StatusCode::PRECONDITION_FAILED, "the session has another ETag")
        }
        Err(PatchRefusal::Unconditional) => {
            let detail = format!("{restarting} needs If-Match with * or the session's ETag");
            problem(StatusCode::PRECONDITION_REQUIRED, &detail)
        }
        Err(PatchRefusal::Handshake) => {
            let detail = format!("{restarting} has to wait until the session is connected");
            retry(StatusCode::CONFLICT, &detail, RETRY_RESTART_S)
        }
        Err(PatchRefusal::Behind) => {
            let detail = "the media thread is behind with its commands";
            retry(StatusCode::SERVICE_UNAVAILABLE, detail, RETRY_RESTART_S)
        }
        Err(PatchRefusal::TooSoon) => {
            let detail = format!("{restarting} was less than {RETRY_RESTART_S} s ago");
            retry(StatusCode::TOO_MANY_REQUESTS, &detail, RETRY_RESTART_S)
        }
    }
}

fn quoted(etag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{etag}\"")).expect("hex digits are visible ASCII")
}

/// The reply to a GET or HEAD of what exists: there is nothing to read (draft-03 section 4.1).
pub(super) fn present(is_head: bool) -> Reply {
    if is_head { reply(StatusCode::OK, SDP, Bytes::new()) } else { empty(StatusCode::NO_CONTENT) }
}

/// The reply to OPTIONS. Some players look for ICE servers here and nowhere else.
pub(super) fn options(is_endpoint: bool, ice_servers: &[String]) -> Reply {
    let mut reply = empty(StatusCode::OK);
    let (name, value) = if is_endpoint { (ACCEPT_POST, SDP) } else { (ACCEPT_PATCH, SDP_FRAGMENT) };
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    if is_endpoint {
        link(&mut reply, ice_servers);
    }
    reply
}

/// Adds the CORS headers that players on other sites need. Only pages of `reader`, and weir's own,
/// may read the reply itself.
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
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch",
        ),
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
            OfferRefusal::NotReady { reason: reason(), retry_after_s: 3 },
            OfferRefusal::Full { reason: reason(), retry_after_s: 5 },
        );
        for (refusal, status, retry_after) in [
            (OfferRefusal::UnknownCamera, 404, None),
            (OfferRefusal::BadOffer(reason()), 400, None),
            (OfferRefusal::Unsupported(reason()), 422, None),
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
            OfferAnswer {
                sdp: "v=0".to_owned(),
                secret: "00ff".to_owned(),
                etag: "abc".to_owned(),
            },
            &["stun:a".to_owned()],
        );
        assert_eq!(reply.status(), 201);
        assert_eq!(reply.headers()["location"], "/gate/whep/00ff");
        assert_eq!(reply.headers()["etag"], "\"abc\"");
        assert_eq!(reply.headers()["content-type"], "application/sdp");
        assert_eq!(reply.headers()["link"], "<stun:a>; rel=\"ice-server\"");
    }

    #[test]
    fn each_outcome_of_a_patch_has_its_status() {
        let restarted = Patched::Restarted { fragment: "a=x".to_owned(), etag: "b".to_owned() };
        let bad = PatchRefusal::BadFragment("reason".to_owned());
        for (outcome, status, etag, retry_after) in [
            (Ok(Patched::Unchanged), 204, None, None),
            (Ok(restarted), 200, Some("\"b\""), None),
            (Err(PatchRefusal::NoSession), 404, None, None),
            (Err(bad), 400, None, None),
            (Err(PatchRefusal::Unmatched), 412, None, None),
            (Err(PatchRefusal::Unconditional), 428, None, None),
            (Err(PatchRefusal::Handshake), 409, None, Some("1")),
            (Err(PatchRefusal::TooSoon), 429, None, Some("1")),
        ] {
            let reply = patched(outcome);
            assert_eq!(reply.status(), status);
            let text = |name| reply.headers().get(name).map(|v| v.to_str().expect("text"));
            assert_eq!((text("etag"), text("retry-after")), (etag, retry_after), "{status}");
        }
    }

    #[test]
    fn a_condition_is_read_as_http_has_it() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            }
            if_match(&headers).map_err(|reply| reply.status())
        };
        let tags = |tags: &[&str]| Ok(IfMatch::Tags(tags.iter().map(|&tag| tag.into()).collect()));
        assert_eq!(read(&[]), Ok(IfMatch::Absent));
        for any in ["*", " * ", "\"*\"", "\"a\", *"] {
            assert_eq!(read(&[any]), Ok(IfMatch::Any), "{any}");
        }
        assert_eq!(read(&["\"a\""]), tags(&["a"]));
        assert_eq!(read(&["\"a\" ,\"b\"", "\"c\""]), tags(&["a", "b", "c"]));
        for bad in ["a", "\"a", "", "'*'"] {
            assert_eq!(read(&[bad]), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
        let weak = read(&["W/\"a\""]).expect("it is well formed");
        assert!(!weak.admits("a") && IfMatch::Any.admits("a") && IfMatch::Absent.admits("a"));
    }
}
