//! The cookie of a login. Its name contains the box's id: cookies do not distinguish ports, and two
//! boxes behind one host name would log each other's browsers out. Over HTTPS the name has the
//! prefix with which no other page can set it (RFC 6265bis section 4.1.3): `__Host-`, or
//! `__Secure-` below a path.

use hyper::header::{self, HeaderMap};

use crate::limits::LOGIN_COOKIES_MAX;

const NAME: &str = "weir-login";
const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";

/// A login cookie of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) name: String,
    /// The login's id, as the browser sent it.
    pub(super) value: String,
}

/// Where a login cookie is set, which decides its name and attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CookieScope<'p> {
    /// Tells the cookies of boxes at one host name apart: [`crate::access::Guard::box_id`].
    pub(super) box_id: &'p str,
    /// The path below which a proxy shows weir: `[http] prefix`.
    pub(super) prefix: &'p str,
    /// The browser shows the page by HTTPS.
    pub(super) is_https: bool,
}

impl CookieScope<'_> {
    fn name(self) -> String {
        let prefix = match (self.is_https, self.prefix.is_empty()) {
            (false, _) => "",
            (true, true) => HOST_PREFIX,
            (true, false) => SECURE_PREFIX,
        };
        format!("{prefix}{NAME}-{}", self.box_id)
    }

    /// The `Set-Cookie` value that begins a login, for `lifetime_s` seconds.
    pub(super) fn keep(self, id: &str, lifetime_s: u64) -> String {
        set(&self.name(), id, lifetime_s, self.path(), self.is_https)
    }

    /// The `Set-Cookie` value that removes the cookie which [`CookieScope::keep`] set.
    pub(super) fn forget(self) -> String {
        self.keep("", 0)
    }

    /// The same for a cookie of another name: of another scheme, or from before names had an id.
    pub(super) fn forget_named(self, name: &str) -> String {
        let is_secure = name.starts_with("__");
        let path = if name.starts_with(HOST_PREFIX) { "/" } else { self.path() };
        set(name, "", 0, path, is_secure)
    }

    /// Whether it is the name that [`CookieScope::keep`] gives.
    pub(super) fn is_of(self, cookie: &Cookie) -> bool {
        cookie.name == self.name()
    }

    fn path(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { self.prefix }
    }
}

/// A `Set-Cookie` value. With `SameSite=Lax`, a link on another site, in a note or a dashboard,
/// leads to the page and not to the login. Changes by other sites' pages are refused by their
/// origin.
fn set(name: &str, value: &str, lifetime_s: u64, path: &str, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Max-Age={lifetime_s}; Path={path}; HttpOnly; SameSite=Lax{secure}")
}

/// The part of a login cookie's name after `weir-login`; `None` for other cookies.
fn plain(name: &str) -> Option<&str> {
    let name = name.strip_prefix(HOST_PREFIX).or(name.strip_prefix(SECURE_PREFIX)).unwrap_or(name);
    let rest = name.strip_prefix(NAME)?;
    (rest.is_empty() || rest.starts_with('-')).then_some(rest)
}

/// The login cookies of a request, at most [`LOGIN_COOKIES_MAX`]. Those that no other page can have
/// set come first; by HTTPS no others are returned.
pub(super) fn of(headers: &HeaderMap, is_https: bool) -> Vec<Cookie> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| plain(name).is_some());
    let rank = |name: &str| {
        [HOST_PREFIX, SECURE_PREFIX, ""].iter().position(|prefix| name.starts_with(prefix))
    };
    let most = if is_https { Some(1) } else { None };
    let mut found: Vec<(&str, &str)> =
        pairs.filter(|(name, _)| most.is_none() || rank(name) <= most).collect();
    found.sort_by_key(|(name, _)| rank(name));
    let owned = |(name, value): (&str, &str)| Cookie { name: name.into(), value: value.into() };
    found.into_iter().take(LOGIN_COOKIES_MAX).map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: CookieScope = CookieScope { box_id: "0123", prefix: "", is_https: false };

    fn names(text: &str, is_https: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, text.parse().expect("a value"));
        of(&headers, is_https).into_iter().map(|cookie| cookie.name).collect()
    }

    #[test]
    fn the_cookie_is_for_our_pages_alone() {
        let rest = "=0f; Max-Age=60; Path=/; HttpOnly; SameSite=Lax";
        assert_eq!(PLAIN.keep("0f", 60), format!("weir-login-0123{rest}"));
        let https = CookieScope { is_https: true, ..PLAIN };
        assert_eq!(https.keep("0f", 60), format!("__Host-weir-login-0123{rest}; Secure"));
        let below = CookieScope { prefix: "/weir", ..https };
        let cookie = below.keep("0f", 60);
        assert!(cookie.starts_with("__Secure-weir-login-0123=0f; "), "{cookie}");
        assert!(cookie.contains("; Path=/weir; ") && cookie.ends_with("; Secure"), "{cookie}");
        assert!(below.forget().contains("=; Max-Age=0; Path=/weir;"));
    }

    #[test]
    fn those_that_no_other_page_can_set_go_first_and_others_are_left_alone() {
        let all = "a=b; weir-login=1; weir-login-x=2; __Secure-weir-login-x=3; \
                   __Host-weir-login-x=4; weir-login2=5; __Host-other=6";
        let (host, secure) = ("__Host-weir-login-x", "__Secure-weir-login-x");
        assert_eq!(names(all, false), [host, secure, "weir-login", "weir-login-x"]);
        assert_eq!(names(all, true), [host, secure]);
        let many = (0..100).map(|number| format!("weir-login-{number}=1")).collect::<Vec<_>>();
        let many = names(&format!("{}; {host}=1", many.join("; ")), false);
        assert_eq!((many.len(), &*many[0]), (LOGIN_COOKIES_MAX, host), "no page can push it out");
        let is_of = |name: &str| PLAIN.is_of(&Cookie { name: name.to_owned(), value: "1".into() });
        assert!(is_of("weir-login-0123") && !is_of("weir-login-01234") && !is_of("weir-login"));
        let old = PLAIN.forget_named("__Host-weir-login-0123");
        assert!(old.contains("=; Max-Age=0; Path=/;") && old.ends_with("; Secure"), "{old}");
    }
}
