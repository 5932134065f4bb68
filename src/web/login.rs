//! The login page, and what its form and the logout button ask for. Works without JavaScript.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use serde::Serialize;

use super::gate::{self, Gate, Visit};
use super::presented::COOKIE;
use super::problem::problem;
use super::server::Client;
use super::{Reply, empty, form, pages, reply};
use crate::access::{Denial, LoggedIn, Means, Role};
use crate::config::name_problem;
use crate::limits::LOGIN_FORM_BYTES_MAX;

const FORM: &str = "application/x-www-form-urlencoded";

/// What a request wants here.
pub(super) enum Ask {
    /// The page.
    Page { next: Option<String> },
    /// To be logged in.
    Enter { form: Bytes },
    /// To be logged out.
    Leave { login: Option<String> },
    /// To know who it is.
    Identity,
}

#[derive(Serialize)]
struct Identity<'i> {
    schema: u32,
    name: Option<&'i str>,
    role: Role,
    means: Means,
}

/// Checks the type of a form's body.
///
/// # Errors
/// 415.
pub(super) fn check_form_type(headers: &HeaderMap) -> Result<(), Reply> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = found.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM)) {
        return Ok(());
    }
    Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("a login is {FORM}")))
}

/// Does it.
pub(super) async fn answer(gate: &Gate, visit: &Visit, client: Client, ask: Ask) -> Reply {
    match ask {
        Ask::Page { next } => page(gate, client, next.as_deref()),
        Ask::Enter { form } => enter(gate, client, &form).await,
        Ask::Leave { login } => {
            if let Some(login) = login {
                gate.guard.log_out(&login).await;
            }
            to("/-/login", Some(cookie("", 0, client.is_tls)))
        }
        Ask::Identity => identity(visit),
    }
}

fn page(gate: &Gate, client: Client, next: Option<&str>) -> Reply {
    let next = next.and_then(local).unwrap_or("/");
    if gate.policy.has_accounts {
        return pages::login(StatusCode::OK, "", "", next);
    }
    if client.peer.ip().is_loopback() || gate.policy.open {
        return to(next, None);
    }
    let (status, headline, detail) = gate::words(Denial::NoAccounts);
    pages::notice(status, headline, &detail)
}

async fn enter(gate: &Gate, client: Client, form: &Bytes) -> Reply {
    if form.len() > LOGIN_FORM_BYTES_MAX {
        let detail = format!("login of {} bytes, max {LOGIN_FORM_BYTES_MAX}", form.len());
        return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
    }
    let form = String::from_utf8_lossy(form);
    let value = |name| form::value(&form, name).unwrap_or_default();
    let (user, password, next) = (value("user"), value("password"), value("next"));
    let next = local(&next).unwrap_or("/");
    let logged_in = gate.guard.log_in(&gate.policy, &user, &password, client.peer.ip()).await;
    match logged_in {
        Ok(LoggedIn { id, lifetime_s }) => to(next, Some(cookie(&id, lifetime_s, client.is_tls))),
        Err(denial) => refused(denial, &user, next),
    }
}

/// The page again, with the reason. Not with 401, which would have to say how to do it by HTTP.
fn refused(denial: Denial, user: &str, next: &str) -> Reply {
    let (mut status, _, mut detail) = gate::words(denial);
    if denial == Denial::Wrong {
        (status, detail) = (StatusCode::FORBIDDEN, "user or password is wrong".to_owned());
    }
    let mut reply = pages::login(status, &detail, user, next);
    if let Some(seconds) = gate::retry_after_s(denial) {
        reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    reply
}

fn identity(visit: &Visit) -> Reply {
    let Some(who) = &visit.identity else {
        return problem(StatusCode::UNAUTHORIZED, "nobody asks");
    };
    let identity =
        Identity { schema: 1, name: who.name.as_deref(), role: who.role, means: who.means };
    let body = serde_json::to_vec(&identity).expect("this shape is JSON");
    reply(StatusCode::OK, "application/json", body)
}

/// 303, with a cookie to keep.
fn to(location: &str, cookie: Option<String>) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let headers = reply.headers_mut();
    let location = HeaderValue::try_from(location).expect("a local path is visible ASCII");
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie {
        let cookie = HeaderValue::try_from(cookie).expect("hex digits and words");
        headers.insert(header::SET_COOKIE, cookie);
    }
    reply
}

fn cookie(id: &str, lifetime_s: u64, is_tls: bool) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{COOKIE}={id}; Max-Age={lifetime_s}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Where a login may lead: the list, or a camera's page. Nothing else is asked for by a person,
/// and nothing that a browser could read as another site gets through.
fn local(next: &str) -> Option<&str> {
    let name = next.strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (next == "/" || name_problem(name).is_none()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_only_to_pages_of_our_own() {
        for next in ["/", "/gate/", "/gate", "/yard-2.sub/"] {
            assert_eq!(local(next), Some(next));
        }
        for next in [
            "",
            "gate",
            "//evil.example",
            "//evil.example/",
            "/\\evil.example",
            "/%2fevil",
            "/../",
            "/-/login",
            "/api/sessions",
            "/gate//",
            "https://evil.example/",
            "/gate/\r\nSet-Cookie: a=b",
            "/gate/?token=x",
        ] {
            assert_eq!(local(next), None, "{next}");
        }
    }

    #[test]
    fn the_cookie_is_for_our_pages_alone() {
        let plain = cookie("0f", 60, false);
        assert_eq!(plain, "weir-login=0f; Max-Age=60; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(cookie("0f", 60, true), format!("{plain}; Secure"));
    }
}
