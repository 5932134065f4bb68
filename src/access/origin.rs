//! The site whose page a request comes from (RFC 6454), and the sites that are allowed.

/// An entry of `[http] origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `*`: every site is allowed.
    Any,
    /// `scheme://host[:port]`, in lower case, without the scheme's own port.
    Site(String),
}

impl Origin {
    /// Parses `*`, or an origin as a browser writes it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" { Some(Self::Any) } else { normal(text).map(Self::Site) }
    }

    /// Whether it allows `origin`, the value of an Origin header.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Site(site) => normal(origin).as_ref() == Some(site),
        }
    }

    /// The entry as a Content-Security-Policy writes it.
    pub fn text(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Site(site) => site,
        }
    }
}

/// The host of an origin, with its port where it has one; `None` where it is neither http nor
/// https.
pub fn host_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

/// Whether `origin` is the site at `host`, the value of a Host header.
pub fn is_own(origin: &str, host: &str, is_tls: bool) -> bool {
    let scheme = if is_tls { "https" } else { "http" };
    let own = normal(&format!("{scheme}://{host}"));
    own.is_some() && own == normal(origin)
}

/// The normal form of an origin: lower case, without the scheme's own port. `None` for `null` and
/// for a text that is no origin.
fn normal(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let host = rest.strip_suffix(own_port).unwrap_or(rest);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(fits);
    is_host.then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_is_the_host_that_was_asked_with_scheme_and_port() {
        for (origin, host, is_tls) in [
            ("http://weir:8117", "weir:8117", false),
            ("http://weir", "weir:80", false),
            ("https://Weir.local", "weir.local", true),
            ("https://[::1]:8443", "[::1]:8443", true),
        ] {
            assert!(is_own(origin, host, is_tls), "{origin} {host}");
        }
        for (origin, host, is_tls) in [
            ("http://weir:8118", "weir:8117", false),
            ("https://weir:8117", "weir:8117", false),
            ("http://weir:8443", "weir:8443", true),
            ("http://evil.example", "weir:8117", false),
            ("null", "weir", false),
            ("", "", false),
            ("http://", "", false),
        ] {
            assert!(!is_own(origin, host, is_tls), "{origin} {host}");
        }
    }

    #[test]
    fn a_site_of_the_list_is_that_site_alone() {
        let portal = Origin::parse("https://Portal.example:443").expect("an origin");
        assert_eq!(portal.text(), "https://portal.example");
        assert!(portal.allows("https://portal.example"));
        for other in [
            "http://portal.example",
            "https://portal.example:8443",
            "https://portal.example.evil",
            "null",
        ] {
            assert!(!portal.allows(other), "{other}");
        }
        assert!(Origin::parse("*").expect("any").allows("null"));
        for bad in
            ["portal.example", "https://portal.example/", "ftp://x", "https://", "https://a b"]
        {
            assert_eq!(Origin::parse(bad), None, "{bad}");
        }
    }
}
