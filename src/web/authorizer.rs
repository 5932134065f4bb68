//! The access check of every request: whether it is meant for weir, comes from a page that may ask,
//! and from a client that may. And the headers of every reply: which pages may read it, and what
//! browsers may do with it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::activity::Awaited;
use super::caller::Caller;
use super::pages::INLINE_SCRIPT;
use super::request_credentials::{self, PageSource, RequestAddress};
use super::route::Route;
use super::server::Client;
use super::{Reply, whep};
use super::{cookie, denial};
use crate::access::{Denial, Guard, Identity, Means, Owner, Policy, PresentedCredentials};

/// Content-Security-Policy of replies for programs, of which a browser shows nothing.
const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Checks one request, under the policy as the configuration has it at that moment.
pub(super) struct Authorizer {
    pub(super) guard: Guard,
    pub(super) policy: Arc<Policy>,
}

/// What [`Authorizer::admit`] found out about a request, for its handler and for its reply.
#[derive(Default)]
pub(super) struct RequestContext {
    /// The client as it was identified; `None` where the route needs no role.
    pub(super) identity: Option<Identity>,
    /// The browser shows the page by HTTPS.
    pub(super) is_https: bool,
    /// The owner of a session that this request makes.
    pub(super) owner: Option<Owner>,
    /// The origin of the page on another site that may read the reply.
    reader: Option<HeaderValue>,
}

impl Authorizer {
    /// The client that asks, with a proxy in between or not.
    pub(super) fn caller(&self, request: &Request<Incoming>, client: Client) -> Caller {
        let domains = self.guard.domains();
        Caller::of(request, client, &self.guard.names(&self.policy, &domains), &self.policy)
    }

    /// Lets a request in, or says why not. `context` is filled as far as the checks get.
    ///
    /// # Errors
    /// The reply for the [`Denial`], as [`denial::reply`] makes it.
    pub(super) async fn admit(
        &self,
        request: &Request<Incoming>,
        caller: Caller,
        route: Route<'_>,
        context: &mut RequestContext,
    ) -> Result<(), Reply> {
        let denied =
            |denial| denial::reply(denial, route.is_page(), request.uri(), &self.policy.prefix);
        if route == Route::Health {
            return Ok(());
        }
        let (uri, headers, method) = (request.uri(), request.headers(), request.method());
        let domains = self.guard.domains();
        let names = &self.guard.names(&self.policy, &domains);
        let host = caller.host(uri, headers).filter(|host| names.kind(host).is_some());
        let host = host.ok_or_else(|| denied(Denial::Host))?;
        let is_tls = caller.client.is_tls;
        let source = PageSource::of(headers, RequestAddress { host, is_tls, names }, &self.policy);
        context.is_https = source.is_https(headers, is_tls);
        context.reader = match &source {
            PageSource::Own => None,
            PageSource::Listed(origin) => Some(origin.clone()),
            PageSource::Foreign(origin) => {
                let may = route.is_capability()
                    || request_credentials::announces_token(method, uri, headers);
                origin.clone().filter(|_| may)
            }
        };
        if method == Method::OPTIONS {
            return Ok(());
        }
        if let Some(role) = route.needs() {
            let cookies = cookie::of(headers, is_tls).into_iter().map(|cookie| cookie.value);
            let login = self.guard.good_login(cookies);
            let mut asked = request_credentials::asked(uri, headers, caller, login);
            if let (PageSource::Foreign(_), PresentedCredentials::Password { .. }) =
                (&source, &asked.presented)
            {
                // Any page can make a browser send a password: it is not looked at, and does not
                // count as a failure of the browser's address.
                asked.presented = PresentedCredentials::Nothing;
            }
            if let (PageSource::Foreign(origin), PresentedCredentials::Token(_)) =
                (&source, &asked.presented)
            {
                // The page may read that its token is wrong.
                context.reader = origin.clone().filter(|_| self.policy.has_accounts);
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
            context.owner = Some(Owner::of(&identity, &self.policy, login, key));
            context.identity = Some(identity);
        }
        let is_harmless = matches!(*method, Method::GET | Method::HEAD) || route.is_capability();
        // A browser adds cookies by itself, and has an address; it never adds a token by itself.
        let has_token = context.identity.as_ref().is_some_and(|who| who.means == Means::Token);
        if matches!(source, PageSource::Foreign(_)) && !is_harmless && !has_token {
            return Err(denied(Denial::Origin));
        }
        Ok(())
    }

    /// Gives a reply the headers that every reply has. Called once for each, refusals too.
    pub(super) fn finish(&self, route: Option<Route>, context: RequestContext, reply: &mut Reply) {
        if let Some(route) = route.filter(|route| route.is_whep()) {
            whep::allow_other_origins(reply, route.methods(), context.reader);
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
        // Under `no-referrer` a browser sends a form's origin as `null`, so the login page sends
        // its referrer to its own site. All other pages may have a token in their URL.
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

    /// Content-Security-Policy of pages: only weir's own files are loaded and only its own script
    /// within a page runs, whatever a camera's name or a reason may contain. Only weir's own pages
    /// and the sites of `[http] origins` may frame them.
    fn content_policy(&self) -> HeaderValue {
        let origins: String =
            self.policy.origins.iter().map(|origin| format!(" {}", origin.text())).collect();
        let text = format!(
            "default-src 'self'; script-src 'self' {}; base-uri 'none'; object-src 'none'; \
             form-action 'self'; frame-ancestors 'self'{origins}",
            *INLINE_SCRIPT
        );
        HeaderValue::try_from(text).expect("origins are visible ASCII")
    }
}

/// Puts `prefix` before the path in `Location`, as the browser sees weir below that path.
fn below(prefix: &str, headers: &mut HeaderMap) {
    let location = headers.get(header::LOCATION).filter(|_| !prefix.is_empty());
    let Some(path) = location.and_then(|location| location.to_str().ok()) else { return };
    let whole = HeaderValue::try_from(format!("{prefix}{path}"));
    headers.insert(header::LOCATION, whole.expect("a path of names is visible ASCII"));
}
