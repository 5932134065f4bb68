//! Bounds of a request's head: [`HTTP_HEADERS_MAX`] headers, [`HTTP_HEAD_BYTES_MAX`] bytes in all,
//! and framing that gives the body only one possible end. A request that is refused here closes its
//! connection.

use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};

use super::Reply;
use super::framing::Fault;
use super::problem::problem;
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// The reply that refuses a request by its head: 400 for faulty framing, 431 for too many headers
/// or bytes. `None` when the head is good.
pub(super) fn refusal<B>(request: &Request<B>, fault: &Fault) -> Option<Reply> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| header_bytes(name, value)).sum();
    let bytes = bytes + request.uri().to_string().len();
    let (status, detail) = if let Some(fault) = fault.words() {
        (StatusCode::BAD_REQUEST, fault.to_owned())
    } else if headers.len() > HTTP_HEADERS_MAX {
        let detail = format!("{} request headers, max {HTTP_HEADERS_MAX}", headers.len());
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    } else if bytes > HTTP_HEAD_BYTES_MAX {
        let detail =
            format!("request head of {bytes} bytes, max {HTTP_HEAD_BYTES_MAX}{}", cookies(request));
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    } else {
        return None;
    };
    let mut reply = problem(status, &detail);
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(reply)
}

fn header_bytes(name: &header::HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len() + ": \r\n".len()
}

/// The part of the error text about cookies: those of other programs on the same host are what
/// makes a browser's head long.
fn cookies<B>(request: &Request<B>) -> String {
    let cookies = request.headers().get_all(header::COOKIE).iter();
    let bytes: usize = cookies.map(HeaderValue::len).sum();
    if bytes == 0 {
        return String::new();
    }
    format!(", of which {bytes} are cookies: those of other programs on this host come here too")
}
