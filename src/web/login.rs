//! The login page, its form, the logout button, and `/api/identity`. The login works without
//! JavaScript.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;

use super::authorizer::{Authorizer, RequestContext};
use super::caller::Caller;
use super::cookie::{Cookie, CookieScope};
use super::denial;
use super::problem::problem;
use super::route::{ENTERED, LoginRequest};
use super::{Reply, empty, form, pages, reply};
use crate::access::{Denial, LoggedIn, Means, Role};
use crate::config::name_problem;
use crate::limits::LOGIN_FORM_BYTES_MAX;

#[derive(Serialize)]
struct Identity<'i> {
    schema: u32,
    name: Option<&'i str>,
    role: Role,
    means: Means,
}

/// Answers a request of the login. Called once the authorizer has let it in.
pub(super) async fn answer(
    authorizer: &Authorizer,
    context: &RequestContext,
    caller: Caller,
    request: LoginRequest,
) -> Reply {
    let place = CookieScope {
        box_id: authorizer.guard.box_id(),
        prefix: &authorizer.policy.prefix,
        is_https: context.is_https,
    };
    match request {
        LoginRequest::Page { next } => page(authorizer, caller, next.as_deref()),
        LoginRequest::Enter { form } => enter(authorizer, caller, &form, place).await,
        LoginRequest::Onward { next, cookies } => onward(authorizer, next.as_deref(), cookies),
        LoginRequest::Leave { cookies } => leave(authorizer, cookies, place).await,
        LoginRequest::Identity => identity(context),
    }
}

/// Ends the login, also one whose cookie is from an earlier weir or another scheme.
async fn leave(authorizer: &Authorizer, cookies: Vec<Cookie>, place: CookieScope<'_>) -> Reply {
    let mut forgotten = vec![place.forget()];
    for cookie in cookies {
        let Some(id) = authorizer.guard.good_login(std::iter::once(cookie.value.clone())) else {
            continue;
        };
        authorizer.guard.log_out(&id).await;
        if !place.is_of(&cookie) {
            forgotten.push(place.forget_named(&cookie.name));
        }
    }
    to("/-/login", &forgotten)
}

fn page(authorizer: &Authorizer, caller: Caller, next: Option<&str>) -> Reply {
    let next = next.and_then(local).unwrap_or("/");
    if authorizer.policy.has_accounts {
        return pages::login(StatusCode::OK, "", "", next);
    }
    if caller.is_local || authorizer.policy.open {
        return to(next, &[]);
    }
    let (status, headline, detail) = denial::describe(Denial::NoAccounts);
    pages::notice(status, headline, &detail, &authorizer.policy.prefix)
}

/// Redirects to the page that was asked for; shows the form again where the cookie did not come
/// back, and says so.
fn onward(authorizer: &Authorizer, next: Option<&str>, cookies: Vec<Cookie>) -> Reply {
    let next = next.and_then(local).unwrap_or("/");
    let is_in =
        authorizer.guard.good_login(cookies.into_iter().map(|cookie| cookie.value)).is_some();
    if is_in || !authorizer.policy.has_accounts { to(next, &[]) } else { pages::login_lost(next) }
}

async fn enter(
    authorizer: &Authorizer,
    caller: Caller,
    form: &Bytes,
    place: CookieScope<'_>,
) -> Reply {
    if form.len() > LOGIN_FORM_BYTES_MAX {
        let detail = format!("login of {} bytes, max {LOGIN_FORM_BYTES_MAX}", form.len());
        return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
    }
    let form = String::from_utf8_lossy(form);
    let value = |name| form::value(&form, name).unwrap_or_default();
    let (user, password, next) = (value("user"), value("password"), value("next"));
    let next = local(&next).unwrap_or("/");
    let logged_in =
        authorizer.guard.log_in(&authorizer.policy, &user, &password, &caller.sender()).await;
    match logged_in {
        Ok(LoggedIn { id, lifetime_s }) => {
            let onward = format!("/-/login?{ENTERED}=1&next={next}");
            to(&onward, &[place.keep(&id, lifetime_s)])
        }
        Err(denial) => refused(denial, &user, next),
    }
}

/// The login page again, with the reason. Not with 401, which would need a challenge that says how
/// to log in by HTTP.
fn refused(denial: Denial, user: &str, next: &str) -> Reply {
    let (mut status, _, mut detail) = denial::describe(denial);
    if denial == Denial::Wrong {
        (status, detail) = (StatusCode::FORBIDDEN, "user or password is wrong".to_owned());
    }
    let mut reply = pages::login(status, &detail, user, next);
    if let Some(seconds) = denial::retry_after_s(denial) {
        reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    reply
}

fn identity(context: &RequestContext) -> Reply {
    let Some(who) = &context.identity else {
        return problem(StatusCode::UNAUTHORIZED, "the client was not identified");
    };
    let identity =
        Identity { schema: 1, name: who.name.as_deref(), role: who.role, means: who.means };
    let body = serde_json::to_vec(&identity).expect("this shape is JSON");
    reply(StatusCode::OK, "application/json", body)
}

/// 303 to `location`; `cookies` are `Set-Cookie` values that keep or forget a login.
fn to(location: &str, cookies: &[String]) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let headers = reply.headers_mut();
    let location = HeaderValue::try_from(location).expect("a local path is visible ASCII");
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        let cookie = HeaderValue::try_from(cookie).expect("hex digits and words");
        headers.append(header::SET_COOKIE, cookie);
    }
    reply
}

/// Where a login may lead: the first page, one of its views, the box's page, or a camera's page.
/// Users open no other pages, and nothing that a browser could read as another site gets through.
fn local(next: &str) -> Option<&str> {
    if next == "/" || next == pages::BOX || pages::VIEWS.contains(&next) {
        return Some(next);
    }
    let name = next.strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    name_problem(name).is_none().then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_only_to_pages_of_our_own() {
        for next in ["/", "/?kiosk", "/?table", "/-/box", "/gate/", "/gate", "/yard-2.sub/"] {
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
            "/-/box/",
            "/-/box?token=x",
            "/api/sessions",
            "/gate//",
            "https://evil.example/",
            "/gate/\r\nSet-Cookie: a=b",
            "/gate/?token=x",
            "/?token=x",
            "/?table&token=x",
        ] {
            assert_eq!(local(next), None, "{next}");
        }
    }

    #[test]
    fn of_an_address_only_the_view_is_kept() {
        for (address, expected) in [
            ("/?table", Some("/?table")),
            ("/?token=x&kiosk", Some("/?kiosk")),
            ("/?kiosk=1", Some("/?kiosk")),
            ("/", None),
            ("/?tables", None),
            ("/?token=table", None),
            ("/gate/?table", None),
        ] {
            assert_eq!(pages::view(&address.parse().expect("an address")), expected, "{address}");
        }
    }
}
