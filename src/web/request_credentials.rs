//! What a request's head says about its sender, and about the page that it comes from. None of it
//! is ever logged: a query may have a token in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Uri;

use super::caller::{self, Caller};
use super::form;
use crate::access::{AuthRequest, Names, Policy, PresentedCredentials, origin_host, origin_is_own};
use crate::limits::TOKEN_BYTES_MAX;

/// What a request presents for access; `login` is the id of the good login among its cookies.
pub(super) fn asked(
    uri: &Uri,
    headers: &HeaderMap,
    caller: Caller,
    login: Option<String>,
) -> AuthRequest {
    AuthRequest {
        sender: caller.sender(),
        is_local: caller.is_local,
        presented: presented(uri, headers),
        login,
    }
}

/// A token in `Authorization`; else one in `?token=`, for players that cannot send headers; else a
/// password in `Authorization`, which may be one that a proxy asked for.
fn presented(uri: &Uri, headers: &HeaderMap) -> PresentedCredentials {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.map(|value| authorization(value).unwrap_or(PresentedCredentials::Unreadable));
    if let Some(token @ PresentedCredentials::Token(_)) = given {
        return token;
    }
    let token = uri.query().and_then(|query| form::value(query, "token"));
    token.map(bounded).or(given).unwrap_or(PresentedCredentials::Nothing)
}

fn authorization(value: &HeaderValue) -> Option<PresentedCredentials> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(bounded(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(PresentedCredentials::Password { user: user.to_owned(), password: password.to_owned() })
}

fn bounded(token: String) -> PresentedCredentials {
    if token.len() <= TOKEN_BYTES_MAX {
        PresentedCredentials::Token(token)
    } else {
        PresentedCredentials::Unreadable
    }
}

/// The page that a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageSource {
    /// A page of weir's own, or no page at all.
    Own,
    /// A page of `[http] origins`, with the value of `Access-Control-Allow-Origin` for it.
    Listed(HeaderValue),
    /// A page of another site, with the same value in case the request has a token; `None` when its
    /// origin cannot be written back.
    Foreign(Option<HeaderValue>),
}

/// The host and the scheme that a request was sent to.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestAddress<'a> {
    /// The Host header, or what a proxy of `[http] proxies` says in its place.
    pub(super) host: &'a str,
    pub(super) is_tls: bool,
    pub(super) names: &'a Names<'a>,
}

impl PageSource {
    /// Reads `Origin` and `Sec-Fetch-Site`. The browser itself writes the latter, and no page can
    /// forge it.
    ///
    /// A page is weir's own when its origin is the address that was asked. A proxy may have changed
    /// that address on the way: the scheme where it ends TLS, which `X-Forwarded-Proto` then says,
    /// and the Host. `Sec-Fetch-Site: same-origin` says that the browser saw no difference. It
    /// would also say so for a page whose own name leads to a proxy in front of weir that writes
    /// another Host (DNS rebinding). With accounts such a page gains nothing, as cookies belong to
    /// its own name. Without accounts its origin has to be a name of weir's.
    pub(super) fn of(headers: &HeaderMap, at: RequestAddress, policy: &Policy) -> Self {
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let Some(value) = headers.get(header::ORIGIN) else {
            return match site {
                Some(b"cross-site" | b"same-site") => Self::Foreign(None),
                _ => Self::Own,
            };
        };
        let origin = value.to_str().unwrap_or_default();
        let is_own = |is_tls| origin_is_own(origin, at.host, is_tls);
        if is_own(at.is_tls) || caller::is_https(headers).is_some_and(is_own) {
            return Self::Own;
        }
        let is_our_name = || origin_host(origin).is_some_and(|host| at.names.kind(host).is_some());
        if site == Some(b"same-origin") && (policy.has_accounts || is_our_name()) {
            return Self::Own;
        }
        if policy.origins.iter().any(|listed| listed.allows(origin)) {
            return Self::Listed(value.clone());
        }
        // A value that is not visible ASCII is not an origin, and is not written back.
        let is_origin = !origin.is_empty() && origin.bytes().all(|byte| byte.is_ascii_graphic());
        Self::Foreign(is_origin.then(|| value.clone()))
    }

    /// Whether the browser shows the page by HTTPS: what the proxy next to it says; else whether
    /// the connection has TLS or the origin of weir's own page is `https`.
    pub(super) fn is_https(&self, headers: &HeaderMap, is_tls: bool) -> bool {
        let origin = headers.get(header::ORIGIN).filter(|_| *self == Self::Own);
        let of_origin = origin.map(|origin| origin.as_bytes().starts_with(b"https://"));
        caller::is_https(headers).unwrap_or(is_tls || of_origin == Some(true))
    }
}

/// Whether a CORS preflight announces a request with a token of its own, which no browser adds by
/// itself.
pub(super) fn announces_token(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wanted = wanted.split(',').map(str::trim);
    let in_query = || uri.query().is_some_and(|query| form::value(query, "token").is_some());
    method == Method::OPTIONS
        && (wanted.any(|name| name.eq_ignore_ascii_case("authorization")) || in_query())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Origin;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = header::HeaderName::try_from(*name).expect("a name");
            headers.append(name, HeaderValue::try_from(*value).expect("a value"));
        }
        headers
    }

    fn uri(text: &'static str) -> Uri {
        Uri::from_static(text)
    }

    fn described(uri: &Uri, headers: &HeaderMap) -> String {
        match presented(uri, headers) {
            PresentedCredentials::Nothing => "nothing".to_owned(),
            PresentedCredentials::Token(token) => format!("token {token}"),
            PresentedCredentials::Password { user, password } => {
                format!("password {user} {password}")
            }
            PresentedCredentials::Unreadable => "unreadable".to_owned(),
        }
    }

    #[test]
    fn credentials_are_found_wherever_they_may_stand() {
        let long = format!("Bearer {}", "x".repeat(TOKEN_BYTES_MAX + 1));
        for (path, value, expected) in [
            ("/", "Bearer abc", "token abc"),
            ("/?token=q", "bearer  abc ", "token abc"),
            ("/", "Basic YW5uYTphOmI=", "password anna a:b"),
            ("/", "Basic YW5uYQ==", "unreadable"),
            ("/", "Basic ?", "unreadable"),
            ("/", "Digest x", "unreadable"),
            ("/", "Bearer", "unreadable"),
            ("/?token=q", "Digest x", "token q"),
            ("/?token=q", "Basic YW5uYTphOmI=", "token q"),
            ("/", &long, "unreadable"),
            ("/?a=b&token=q%2F", "", "token q/"),
            ("/?a=b", "", "nothing"),
        ] {
            let pairs = [("authorization", value)];
            let headers = headers(if value.is_empty() { &[] } else { &pairs });
            assert_eq!(described(&uri(path), &headers), expected, "{path} {value}");
        }
    }

    fn of(pairs: &[(&str, &str)], policy: &Policy) -> PageSource {
        let further = ["cams.example".to_owned()];
        let names = Names { own: "box", further: &further, domains: &[] };
        let headers = headers(pairs);
        let host = headers.get("host").map_or("", |host| host.to_str().expect("text"));
        PageSource::of(&headers, RequestAddress { host, is_tls: false, names: &names }, policy)
    }

    fn foreign(text: &'static str) -> PageSource {
        PageSource::Foreign(Some(HeaderValue::from_static(text)))
    }

    #[test]
    fn the_page_that_asks_is_ours_listed_or_foreign() {
        let origins = vec![Origin::parse("https://portal.example").expect("an origin")];
        let policy = Policy { origins, ..Policy::default() };
        let of = |pairs: &[(&str, &str)]| of(pairs, &policy);
        let host = ("host", "weir:8117");
        assert_eq!(of(&[host]), PageSource::Own);
        assert_eq!(of(&[host, ("origin", "http://weir:8117")]), PageSource::Own);
        assert_eq!(of(&[host, ("origin", "http://weir")]), foreign("http://weir"));
        assert_eq!(of(&[host, ("origin", "null")]), foreign("null"));
        let portal = HeaderValue::from_static("https://portal.example");
        assert_eq!(of(&[host, ("origin", "https://portal.example")]), PageSource::Listed(portal));
        assert_eq!(of(&[host, ("sec-fetch-site", "same-origin")]), PageSource::Own);
        assert_eq!(of(&[host, ("sec-fetch-site", "cross-site")]), PageSource::Foreign(None));
        assert_eq!(of(&[host, ("origin", "http://a\t.example")]), PageSource::Foreign(None));
    }

    #[test]
    fn a_page_behind_a_proxy_is_ours_and_one_of_another_site_is_not() {
        let closed = Policy { has_accounts: true, ..Policy::default() };
        let open = Policy { open: true, ..Policy::default() };
        let (kept, rewritten) = (("host", "cams.example"), ("host", "127.0.0.1:8117"));
        let page = ("origin", "https://cams.example");
        let (same, proto) = (("sec-fetch-site", "same-origin"), ("x-forwarded-proto", "https"));
        for pairs in [&[kept, page, proto][..], &[kept, page, same], &[rewritten, page, same]] {
            for policy in [&closed, &open] {
                assert_eq!(of(pairs, policy), PageSource::Own, "{pairs:?}");
            }
        }
        let null = [rewritten, ("origin", "null"), same];
        assert_eq!(of(&null, &closed), PageSource::Own, "a page without a referrer");
        // The page's own name leads to a proxy that writes weir's: without accounts the page would
        // see everything.
        let rebound = [rewritten, ("origin", "http://evil.example"), same];
        assert_eq!(of(&rebound, &open), foreign("http://evil.example"));
        let (evil, blog) = ("https://evil.example", "https://blog.cams.example");
        for (pairs, origin) in [
            (&[kept, ("origin", evil), ("sec-fetch-site", "cross-site"), proto][..], evil),
            (&[kept, ("origin", evil), proto], evil),
            (&[kept, ("origin", blog), ("sec-fetch-site", "same-site"), proto], blog),
            (&[kept, ("origin", "http://cams.example:8080"), proto], "http://cams.example:8080"),
            (&[rewritten, page, proto], page.1),
        ] {
            assert_eq!(of(pairs, &closed), foreign(origin), "{pairs:?}");
        }
    }

    #[test]
    fn a_page_is_secure_by_its_proxys_word_its_origin_or_its_connection() {
        let is_https =
            |pairs: &[(&str, &str)], is_tls| PageSource::Own.is_https(&headers(pairs), is_tls);
        assert!(is_https(&[], true) && !is_https(&[], false));
        assert!(is_https(&[("x-forwarded-proto", "https")], false));
        assert!(!is_https(&[("x-forwarded-proto", "http")], true));
        assert!(is_https(&[("origin", "https://cams.example")], false));
        assert!(is_https(&[("origin", "null")], true));
        let foreign = foreign("https://evil.example");
        assert!(!foreign.is_https(&headers(&[("origin", "https://evil.example")]), false));
    }

    #[test]
    fn a_preflight_that_announces_a_token_is_no_browsers_doing() {
        let announces = |path, pairs: &[(&str, &str)]| {
            announces_token(&Method::OPTIONS, &uri(path), &headers(pairs))
        };
        let wanted = "access-control-request-headers";
        assert!(announces("/", &[(wanted, "content-type,Authorization")]));
        assert!(announces("/?token=x", &[]));
        assert!(!announces("/", &[(wanted, "content-type")]));
        let get = announces_token(&Method::GET, &uri("/?token=x"), &HeaderMap::new());
        assert!(!get);
    }
}
