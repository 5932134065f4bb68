//! Error replies as `application/problem+json` (RFC 9457), for programs and for the player's page.

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;

use super::{Reply, reply};

#[derive(Serialize)]
struct Problem<'p> {
    schema: u32,
    /// `about:blank`: the status says which kind of problem it is (RFC 9457 section 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'p str,
    /// Line of a mistake in the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column of that mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

/// The content type of a problem's body.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A reply that reports a problem; `detail` is the text that users read.
pub(super) fn problem(status: StatusCode, detail: &str) -> Reply {
    reply(status, PROBLEM_JSON, body(status, detail))
}

/// 422 for a mistake in the configuration file; `place` is its line and column, where it has one.
pub(super) fn placed(detail: &str, place: Option<(usize, usize)>) -> Reply {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    reply(status, PROBLEM_JSON, body_placed(status, detail, place))
}

/// The JSON body of a problem.
pub(super) fn body(status: StatusCode, detail: &str) -> Vec<u8> {
    body_placed(status, detail, None)
}

fn body_placed(status: StatusCode, detail: &str, place: Option<(usize, usize)>) -> Vec<u8> {
    let body = Problem {
        schema: 1,
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
    };
    serde_json::to_vec(&body).expect("strings and numbers are JSON")
}

/// A problem that passes: `Retry-After` says when to ask again, in seconds.
pub(super) fn retry(status: StatusCode, detail: &str, retry_after_s: u32) -> Reply {
    let mut reply = problem(status, detail);
    let headers = reply.headers_mut();
    headers.insert(header::RETRY_AFTER, retry_after_s.into());
    reply
}

/// 405; `allow` lists the methods that the address takes.
pub(super) fn method_not_allowed(allow: &'static str) -> Reply {
    elsewhere(allow, &format!("this address takes {allow}"))
}

/// 405, with a `detail` that says where the request belongs.
pub(super) fn elsewhere(allow: &'static str, detail: &str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    let headers = reply.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}
