//! In front of every request: is it meant for us, from a page that may, by somebody who may? And
//! behind every reply: which pages may read it, and what browsers may do with it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::activity::Awaited;
use super::caller::Caller;
use super::request_credentials::{self, Address, PageSource};
use super::route::Route;
use super::server::Client;
use super::{Reply, whep};
use super::{cookie, denial};
use crate::access::{Denial, Guard, Identity, Means, Owner, Policy, PresentedCredentials};

/// Programs read it, nothing is shown.
const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Who is let in at the moment of one request.
pub(super) struct Authorizer {
    pub(super) guard: Guard,
    pub(super) policy: Arc<Policy>,
}

/// A request that was let in.
#[derive(Default)]
pub(super) struct RequestContext {
    /// Who asks, where that was asked.
    pub(super) identity: Option<Identity>,
    /// The browser shows the page by HTTPS.
    pub(super) is_https: bool,
    /// Whose a session is that this request makes.
    pub(super) owner: Option<Owner>,
    /// The foreign page that may read the reply.
    reader: Option<HeaderValue>,
}

impl Authorizer {
    /// Who asks, a proxy in between or not.
    pub(super) fn caller(&self, request: &Request<Incoming>, client: Client) -> Caller {
        let domains = self.guard.domains();
        Caller::of(request, client, &self.guard.names(&self.policy, &domains), &self.policy)
    }

    /// Lets a request in, or says why not; `context` is filled as far as that goes.
    ///
    /// # Errors
    /// The reply that says why not.
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
        let source = PageSource::of(headers, Address { host, is_tls, names }, &self.policy);
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
                // Any page can have its visitor send one: it is not looked at, and does not count
                // as a failure of the visitor's address.
                asked.presented = PresentedCredentials::Nothing;
            }
            if let (PageSource::Foreign(origin), PresentedCredentials::Token(_)) =
                (&source, &asked.presented)
            {
                // It may read that its token is wrong.
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
        // A token is nothing that a browser adds by itself, as it adds a cookie or its address.
        let has_token = context.identity.as_ref().is_some_and(|who| who.means == Means::Token);
        if matches!(source, PageSource::Foreign(_)) && !is_harmless && !has_token {
            return Err(denied(Denial::Origin));
        }
        Ok(())
    }

    /// Gives a reply the headers that every one has.
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
