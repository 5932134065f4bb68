//! What a request's head says about who sends it and what page it comes from. Nothing of it is
//! ever logged: a query may have a token in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Uri;

use super::form;
use super::server::Client;
use crate::access::{Asked, Policy, Presented, origin_is_own};
use crate::limits::TOKEN_BYTES_MAX;

/// The cookie of a login.
pub(super) const COOKIE: &str = "weir-login";
/// What a proxy in front of us adds.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Who sends a request.
pub(super) fn asked(uri: &Uri, headers: &HeaderMap, client: Client) -> Asked {
    let ip = client.peer.ip();
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    Asked {
        client: ip,
        is_local: ip.is_loopback() && !is_forwarded,
        presented: presented(uri, headers),
        login: cookie(headers),
    }
}

/// A token or a password: in `Authorization`, else `?token=`, for players without headers.
fn presented(uri: &Uri, headers: &HeaderMap) -> Presented {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return authorization(value).unwrap_or(Presented::Unreadable);
    }
    let token = uri.query().and_then(|query| form::value(query, "token"));
    token.map_or(Presented::Nothing, bounded)
}

fn authorization(value: &HeaderValue) -> Option<Presented> {
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
    Some(Presented::Password { user: user.to_owned(), password: password.to_owned() })
}

fn bounded(token: String) -> Presented {
    if token.len() <= TOKEN_BYTES_MAX { Presented::Token(token) } else { Presented::Unreadable }
}

/// The login's id.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then(|| value.to_owned()))
}

/// The name by which a request asks for us; `None` when it has none, or two.
pub(super) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    // A whole URL in the request line goes before Host (RFC 9112 section 3.2.2).
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// What page a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Ours, or no page at all.
    Own,
    /// One of `[http] origins`: what it is told in `Access-Control-Allow-Origin`.
    Listed(HeaderValue),
    /// Another; the same, if it turns out to have a token.
    Foreign(Option<HeaderValue>),
}

impl Source {
    /// Reads `Origin`, and `Sec-Fetch-Site` where a browser has the one and not the other.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap, is_tls: bool, policy: &Policy) -> Self {
        let Some(value) = headers.get(header::ORIGIN) else {
            let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            return match site {
                Some(b"cross-site" | b"same-site") => Self::Foreign(None),
                _ => Self::Own,
            };
        };
        let origin = value.to_str().unwrap_or_default();
        if host(uri, headers).is_some_and(|host| origin_is_own(origin, host, is_tls)) {
            return Self::Own;
        }
        if policy.origins.iter().any(|listed| listed.allows(origin)) {
            return Self::Listed(value.clone());
        }
        Self::Foreign(Some(value.clone()))
    }
}

/// Whether a preflight announces a request that brings its own token, which no browser adds by
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
            Presented::Nothing => "nothing".to_owned(),
            Presented::Token(token) => format!("token {token}"),
            Presented::Password { user, password } => format!("password {user} {password}"),
            Presented::Unreadable => "unreadable".to_owned(),
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
            ("/?token=q", "Digest x", "unreadable"),
            ("/", &long, "unreadable"),
            ("/?a=b&token=q%2F", "", "token q/"),
            ("/?a=b", "", "nothing"),
        ] {
            let pairs = [("authorization", value)];
            let headers = headers(if value.is_empty() { &[] } else { &pairs });
            assert_eq!(described(&uri(path), &headers), expected, "{path} {value}");
        }
        let cookies = headers(&[("cookie", "a=b; weir-login=0f"), ("cookie", "c=d")]);
        assert_eq!(cookie(&cookies).as_deref(), Some("0f"));
        assert_eq!(cookie(&headers(&[("cookie", "weir-login2=0f")])), None);
    }

    #[test]
    fn loopback_is_local_unless_it_asks_for_another() {
        let client = |ip: [u8; 4]| Client { peer: (ip, 1).into(), asked: ip.into(), is_tls: false };
        let is_local =
            |ip, pairs: &[(&str, &str)]| asked(&uri("/"), &headers(pairs), client(ip)).is_local;
        assert!(is_local([127, 0, 0, 1], &[]));
        assert!(!is_local([192, 0, 2, 1], &[]));
        assert!(!is_local([127, 0, 0, 1], &[("x-forwarded-for", "127.0.0.1")]));
        assert!(!is_local([127, 0, 0, 1], &[("forwarded", "for=192.0.2.1")]));
    }

    #[test]
    fn the_page_that_asks_is_ours_listed_or_foreign() {
        let origins = vec![Origin::parse("https://portal.example").expect("an origin")];
        let policy = Policy { origins, ..Policy::default() };
        let of = |pairs: &[(&str, &str)]| Source::of(&uri("/"), &headers(pairs), false, &policy);
        let foreign = |text| Source::Foreign(Some(HeaderValue::from_static(text)));
        let host = ("host", "weir:8117");
        assert_eq!(of(&[host]), Source::Own);
        assert_eq!(of(&[host, ("origin", "http://weir:8117")]), Source::Own);
        assert_eq!(of(&[host, ("origin", "http://weir")]), foreign("http://weir"));
        assert_eq!(of(&[host, ("origin", "null")]), foreign("null"));
        let portal = HeaderValue::from_static("https://portal.example");
        assert_eq!(of(&[host, ("origin", "https://portal.example")]), Source::Listed(portal));
        assert_eq!(of(&[host, ("sec-fetch-site", "same-origin")]), Source::Own);
        assert_eq!(of(&[host, ("sec-fetch-site", "cross-site")]), Source::Foreign(None));
        let two = headers(&[host, ("host", "evil.example")]);
        assert_eq!(super::host(&uri("/"), &two), None);
        assert_eq!(super::host(&uri("http://a.example/"), &two), Some("a.example"));
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
