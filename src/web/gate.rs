//! In front of every request: is it meant for us, from a page that may, by somebody who may? And
//! behind every reply: which pages may read it, and what browsers may do with it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};

use super::activity::Awaited;
use super::caller::Caller;
use super::presented::{self, Address, Source};
use super::problem::{problem, retry};
use super::route::Route;
use super::server::Client;
use super::{Reply, empty, whep};
use super::{cookie, login, pages};
use crate::access::{Denial, Guard, Identity, Means, Owner, Policy, Presented};

/// When to ask again after the queue of passwords was full.
const RETRY_BUSY_S: u32 = 2;
/// Programs read it, nothing is shown.
const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Who is let in at the moment of one request.
pub(super) struct Gate {
    pub(super) guard: Guard,
    pub(super) policy: Arc<Policy>,
}

/// A request that was let in.
#[derive(Default)]
pub(super) struct Visit {
    /// Who asks, where that was asked.
    pub(super) identity: Option<Identity>,
    /// The browser shows the page by HTTPS.
    pub(super) is_https: bool,
    /// Whose a session is that this request makes.
    pub(super) owner: Option<Owner>,
    /// The foreign page that may read the reply.
    reader: Option<HeaderValue>,
}

impl Gate {
    /// Who asks, a proxy in between or not.
    pub(super) fn caller(&self, request: &Request<Incoming>, client: Client) -> Caller {
        let domains = self.guard.domains();
        Caller::of(request, client, &self.guard.names(&self.policy, &domains), &self.policy)
    }

    /// Lets a request in, or says why not; `visit` is filled as far as that goes.
    ///
    /// # Errors
    /// The reply that says why not.
    pub(super) async fn admit(
        &self,
        request: &Request<Incoming>,
        caller: Caller,
        route: Route<'_>,
        visit: &mut Visit,
    ) -> Result<(), Reply> {
        let denied = |denial| denied(denial, route, request.uri(), &self.policy);
        if route == Route::Health {
            return Ok(());
        }
        let (uri, headers, method) = (request.uri(), request.headers(), request.method());
        let domains = self.guard.domains();
        let names = &self.guard.names(&self.policy, &domains);
        let host = caller.host(uri, headers).filter(|host| names.kind(host).is_some());
        let host = host.ok_or_else(|| denied(Denial::Host))?;
        let is_tls = caller.client.is_tls;
        let source = Source::of(headers, Address { host, is_tls, names }, &self.policy);
        visit.is_https = source.is_https(headers, is_tls);
        visit.reader = match &source {
            Source::Own => None,
            Source::Listed(origin) => Some(origin.clone()),
            Source::Foreign(origin) => {
                let may = route.is_capability() || presented::announces_token(method, uri, headers);
                origin.clone().filter(|_| may)
            }
        };
        if method == Method::OPTIONS {
            return Ok(());
        }
        if let Some(role) = route.needs() {
            let cookies = cookie::of(headers, is_tls).into_iter().map(|cookie| cookie.value);
            let login = self.guard.good_login(cookies);
            let mut asked = presented::asked(uri, headers, caller, login);
            if let (Source::Foreign(_), Presented::Password { .. }) = (&source, &asked.presented) {
                // Any page can have its visitor send one: it is not looked at, and does not count
                // as a failure of the visitor's address.
                asked.presented = Presented::Nothing;
            }
            if let (Source::Foreign(origin), Presented::Token(_)) = (&source, &asked.presented) {
                // It may read that its token is wrong.
                visit.reader = origin.clone().filter(|_| self.policy.has_accounts);
            }
            let held_up = request.extensions().get::<Awaited>().map(Awaited::held_up);
            let identity = self.guard.identify(&self.policy, &asked).await;
            drop(held_up);
            let identity = identity.map_err(denied)?;
            if identity.role < role {
                let has_accounts = self.policy.has_accounts;
                let denial = if has_accounts { Denial::Role(role) } else { Denial::NoOperators };
                return Err(denied(denial));
            }
            let (login, key) = (asked.login.as_deref(), asked.sender.key);
            visit.owner = Some(Owner::of(&identity, &self.policy, login, key));
            visit.identity = Some(identity);
        }
        let is_harmless = matches!(*method, Method::GET | Method::HEAD) || route.is_capability();
        // A token is nothing that a browser adds by itself, as it adds a cookie or its address.
        let has_token = visit.identity.as_ref().is_some_and(|who| who.means == Means::Token);
        if matches!(source, Source::Foreign(_)) && !is_harmless && !has_token {
            return Err(denied(Denial::Origin));
        }
        Ok(())
    }

    /// Gives a reply the headers that every one has.
    pub(super) fn finish(&self, route: Option<Route>, visit: Visit, reply: &mut Reply) {
        if let Some(route) = route.filter(|route| route.is_whep()) {
            whep::allow_other_origins(reply, route.methods(), visit.reader);
        }
        let headers = reply.headers_mut();
        below(&self.policy.prefix, headers);
        let of_program = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|found| found.as_bytes().starts_with(b"application/"));
        let content = if of_program {
            HeaderValue::from_static(NO_CONTENT_POLICY)
        } else {
            self.content_policy()
        };
        headers.insert(header::CONTENT_SECURITY_POLICY, content);
        // A browser gives a form's origin as `null` where there is to be no referrer at all, so
        // that the login page says who it is to itself; all others may have a token in their URL.
        let is_login = route == Some(Route::Login);
        let referrer = if is_login { "same-origin" } else { "no-referrer" };
        for (name, value) in [
            (header::REFERRER_POLICY, referrer),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }

    /// Only our own files, whatever a camera's name or a reason may hold; in frames of our own and
    /// of the sites that the configuration names.
    fn content_policy(&self) -> HeaderValue {
        let origins: String =
            self.policy.origins.iter().map(|origin| format!(" {}", origin.text())).collect();
        let text = format!(
            "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; \
             frame-ancestors 'self'{origins}"
        );
        HeaderValue::try_from(text).expect("origins are visible ASCII")
    }
}

/// Leads to an address of ours by the path that a browser has for it.
fn below(prefix: &str, headers: &mut HeaderMap) {
    let location = headers.get(header::LOCATION).filter(|_| !prefix.is_empty());
    let Some(path) = location.and_then(|location| location.to_str().ok()) else { return };
    let whole = HeaderValue::try_from(format!("{prefix}{path}"));
    headers.insert(header::LOCATION, whole.expect("a path of names is visible ASCII"));
}

/// Why a request is not answered: a page for a person who asks for one, else a problem.
fn denied(denial: Denial, route: Route, uri: &Uri, policy: &Policy) -> Reply {
    let (status, headline, detail) = words(denial);
    match (denial, retry_after_s(denial)) {
        (Denial::Unknown | Denial::Wrong, _) if route.is_page() => to_login(uri),
        (Denial::Unknown | Denial::Wrong, _) => challenge(&detail),
        (_, Some(seconds)) => retry(status, &detail, seconds),
        _ if route.is_page() => pages::notice(status, headline, &detail, &policy.prefix),
        _ => problem(status, &detail),
    }
}

/// When to ask again, where that helps.
pub(super) fn retry_after_s(denial: Denial) -> Option<u32> {
    match denial {
        Denial::Wait { seconds } => Some(seconds),
        Denial::Busy => Some(RETRY_BUSY_S),
        _ => None,
    }
}

/// Status, headline and explanation.
pub(super) fn words(denial: Denial) -> (StatusCode, &'static str, String) {
    let forbidden = StatusCode::FORBIDDEN;
    let (status, headline, detail) = match denial {
        Denial::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "weir does not know itself by this name",
            "this is no name of weir's: ask for its address, or add the name to `names` in [http]",
        ),
        Denial::Origin => (
            forbidden,
            "Not from that page",
            "this comes from a page of another site, which is not among `origins` in [http]. If it is \
             weir's own behind a proxy, its name belongs into `names` and the proxy's address into \
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

/// 303 to the login page, which leads back. Of a query only the view: it may have a token in it.
fn to_login(uri: &Uri) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let next = login::view(uri).unwrap_or(uri.path());
    let location = HeaderValue::try_from(format!("/-/login?next={next}"));
    let location = location.unwrap_or(HeaderValue::from_static("/-/login"));
    let headers = reply.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 401. Basic is taken but never asked for: a browser would show a dialog of its own.
pub(super) fn challenge(detail: &str) -> Reply {
    let mut reply = problem(StatusCode::UNAUTHORIZED, detail);
    let bearer = HeaderValue::from_static("Bearer realm=\"weir\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    reply
}
