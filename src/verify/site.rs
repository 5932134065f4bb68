//! Where a weir is by its URL: scheme, host, port, and the path below which a proxy serves it.

use hyper::Uri;

/// Ports of URLs without one: those of HTTP and HTTPS.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// The place of a weir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl {
    /// Whether it is reached by HTTPS.
    pub(super) is_https: bool,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The path before weir's own, without a slash at its end.
    prefix: String,
}

impl SiteUrl {
    /// Reads `http://box:8117`, `https://box:8443/weir`.
    ///
    /// # Errors
    /// It is no such URL; a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("it begins neither with http:// nor with https://".to_owned()),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("it has a user in it; a token is told by --token-file".to_owned());
        }
        if uri.query().is_some() {
            return Err("it has a query".to_owned());
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("it has no host".to_owned());
        }
        let default = if is_https { HTTPS_PORT } else { HTTP_PORT };
        Ok(Self {
            is_https,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(default),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Host and port, as in the header `Host` and in URLs.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The path of a request for `path` of weir.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The path of weir that a `Location` names: of this site, whole or as a path alone. It has no
    /// character that could end a request's line.
    pub(super) fn path_of(&self, location: &str) -> Option<String> {
        let uri: Uri = location.parse().ok()?;
        let path = uri.path_and_query()?.as_str();
        Some(path.strip_prefix(&self.prefix).unwrap_or(path).to_owned())
    }

    /// The HTTPS site that a redirect leads to from `path` of this one.
    pub(super) fn redirected(&self, path: &str, location: &str) -> Option<Self> {
        let site = location.strip_suffix(path)?;
        Self::parse(site).ok().filter(|site| site.is_https)
    }
}

impl std::fmt::Display for SiteUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_port_and_prefix() {
        for (text, shown) in [
            ("http://box:8117", "http://box:8117"),
            ("http://box", "http://box:80"),
            ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
            ("https://portal.example/weir/", "https://portal.example:443/weir"),
        ] {
            assert_eq!(SiteUrl::parse(text).map(|site| site.to_string()), Ok(shown.to_owned()));
        }
        for wrong in ["", "box:8117", "ftp://box", "http://anna:pw@box", "http://box/?token=x"] {
            assert!(SiteUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_location_is_a_path_below_the_prefix() {
        let site = SiteUrl::parse("https://box:8443/weir").unwrap();
        let path = |location| site.path_of(location);
        assert_eq!(path("/weir/gate/whep/1").as_deref(), Some("/gate/whep/1"));
        assert_eq!(path("https://box/weir/gate/whep/1").as_deref(), Some("/gate/whep/1"));
        assert_eq!(path("/a\r\nX: 1"), None);
        assert_eq!(site.path("/healthz"), "/weir/healthz");
    }

    #[test]
    fn a_redirect_is_followed_to_https_alone() {
        let site = SiteUrl::parse("http://box:8117").unwrap();
        let led =
            |location| site.redirected("/api/identity", location).map(|site| site.to_string());
        let https = led("https://box:8443/api/identity");
        assert_eq!(https.as_deref(), Some("https://box:8443"));
        assert_eq!(led("http://box:8443/api/identity"), None);
        assert_eq!(led("https://box:8443/other"), None);
    }
}
