//! The reply to a denied request: its status and text, the redirect to the login page, and
//! `Retry-After`.

use hyper::header::{self, HeaderValue};
use hyper::{StatusCode, Uri};

use super::problem::{problem, retry};
use super::{Reply, empty, pages};
use crate::access::Denial;

/// `Retry-After` when the queue of passwords is full, in seconds.
const RETRY_BUSY_S: u32 = 2;

/// The reply to a denied request. Where a browser opens a page (`is_page`) it is a page or leads to
/// the login, else it is a problem. `prefix` is `[http] prefix`.
pub(super) fn reply(denial: Denial, is_page: bool, uri: &Uri, prefix: &str) -> Reply {
    let (status, headline, detail) = describe(denial);
    match (denial, retry_after_s(denial)) {
        (Denial::Unknown | Denial::Wrong, _) if is_page => to_login(uri),
        (Denial::Unknown | Denial::Wrong, _) => challenge(&detail),
        (_, Some(seconds)) => retry(status, &detail, seconds),
        _ if is_page => pages::notice(status, headline, &detail, prefix),
        _ => problem(status, &detail),
    }
}

/// `Retry-After` in seconds; `None` where asking again would not help.
pub(super) fn retry_after_s(denial: Denial) -> Option<u32> {
    match denial {
        Denial::Wait { seconds } => Some(seconds),
        Denial::Busy => Some(RETRY_BUSY_S),
        _ => None,
    }
}

/// Status, headline and explanation of a denial.
pub(super) fn describe(denial: Denial) -> (StatusCode, &'static str, String) {
    let forbidden = StatusCode::FORBIDDEN;
    let (status, headline, detail) = match denial {
        Denial::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "This host name is not weir's",
            "this host name is not weir's: use its address, or add the name to `names` in [http]",
        ),
        Denial::Origin => (
            forbidden,
            "Not from that page",
            "this comes from a page of another site, which is not among `origins` in [http]. If it is \
             weir's own behind a proxy, its name belongs in `names` and the proxy's address in \
             `proxies`",
        ),
        Denial::NoAccounts => (
            forbidden,
            "No users are configured",
            "no users are configured: the cameras are shown on this machine alone. Set a password \
             with `weir password` and add a [[user]] to weir.toml, or set `open = true` in [http] \
             to show them to everybody",
        ),
        Denial::NoOperators => (
            forbidden,
            "Not allowed",
            "this needs an operator, and no users are configured: add a [[user]] or [[token]] with \
             the role operator, or ask on the machine itself, by `weir console` or SIGHUP",
        ),
        Denial::Unknown => (StatusCode::UNAUTHORIZED, "Log in", "this needs a login or a token"),
        Denial::Wrong => {
            (StatusCode::UNAUTHORIZED, "Wrong", "user and password, or the token, are wrong")
        }
        Denial::Wait { seconds } => {
            let detail = format!("too many failed logins from your address: wait {seconds} s");
            return (StatusCode::TOO_MANY_REQUESTS, "Too many failed logins", detail);
        }
        Denial::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many logins at once",
            "too many logins at once: try again in a moment",
        ),
        Denial::Role(role) => {
            let detail = format!("this needs the role {}", role.name());
            return (forbidden, "Not allowed", detail);
        }
    };
    (status, headline, detail.to_owned())
}

/// 303 to the login page, which leads back. Only the view is kept of a query, which may have a
/// token in it.
fn to_login(uri: &Uri) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let next = pages::view(uri).unwrap_or(uri.path());
    let location = HeaderValue::try_from(format!("/-/login?next={next}"));
    let location = location.unwrap_or(HeaderValue::from_static("/-/login"));
    let headers = reply.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 401 with a Bearer challenge. Basic is taken but never asked for: a browser would show a dialog
/// of its own.
pub(super) fn challenge(detail: &str) -> Reply {
    let mut reply = problem(StatusCode::UNAUTHORIZED, detail);
    let bearer = HeaderValue::from_static("Bearer realm=\"weir\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    reply
}
