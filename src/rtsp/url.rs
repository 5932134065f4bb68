//! A camera's URL as people write it into a configuration, parsed leniently. This is the only
//! parser of such URLs: for the configuration, the import and redirects.
//!
//! The request text is kept byte for byte: a Digest `uri=` must equal the request line, and cameras
//! compare both with the URLs they announced. So nothing is escaped, lower-cased or normalised. The
//! length is bounded by [`RTSP_URL_BYTES_MAX`]. Names are not resolved here.
//!
//! A path or query may be a secret (`/user=admin&password=…`, `?token=…`, or a path that is the
//! secret itself), so `Display` and `Debug` show only scheme, host and port.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;

use crate::limits::{RTSP_PASSWORD_BYTES_MAX, RTSP_URL_BYTES_MAX, RTSP_USER_BYTES_MAX};

const SCHEME: &str = "rtsp://";
const PORT_DEFAULT: u16 = 554;
/// Shown instead of a part that may be secret.
const HIDDEN: &str = "(hidden)";
/// The longest DNS name (RFC 1035 section 2.3.4), which also bounds an address with its zone.
const HOST_BYTES_MAX: usize = 255;

/// A camera's URL. `Display` and `Debug` show neither path nor login.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl {
    request: String,
    host: String,
    port: u16,
    credentials: Option<CameraCredentials>,
}

/// A user's name and password. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraCredentials {
    /// The user's name, as the camera knows it.
    pub user: String,
    /// The password, as the camera knows it.
    pub password: String,
}

/// Why a text is not a valid camera URL or login. The message completes a sentence about the text
/// ("... has no host") and never quotes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlError {
    /// It does not begin with `rtsp://`.
    Scheme,
    /// The host is missing.
    NoHost,
    /// The host is neither an IP address nor a valid name.
    Host,
    /// The text after the host's colon is not a port.
    Port,
    /// A blank or a control character, which would break the request line.
    Character(u8),
    /// An `@` in the path, where the text before it may be host and port or half of a login.
    Ambiguous,
    /// Longer than [`RTSP_URL_BYTES_MAX`]; the length in bytes.
    Length(usize),
    /// The user name is longer than [`RTSP_USER_BYTES_MAX`]; its length in bytes.
    UserLength(usize),
    /// The password is longer than [`RTSP_PASSWORD_BYTES_MAX`]; its length in bytes.
    PasswordLength(usize),
    /// A control character in the login, which could forge a header.
    CredentialCharacter,
}

impl CameraUrl {
    /// Parses `text`. Userinfo may contain `@`, `:`, `/` and `?` unescaped where it can still be
    /// told from a host; percent escapes in it are decoded once.
    ///
    /// # Errors
    /// See [`UrlError`]; its message is meant for the author of the URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.len() > RTSP_URL_BYTES_MAX {
            return Err(UrlError::Length(text.len()));
        }
        if let Some(byte) = text.bytes().find(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(UrlError::Character(byte));
        }
        let rest = strip_scheme(text)?;
        if is_ambiguous(rest) {
            return Err(UrlError::Ambiguous);
        }
        let (userinfo, rest) = split_userinfo(rest);
        let (authority, path) = split_authority(rest);
        let (host, port) = split_port(authority)?;
        let credentials = userinfo.map(CameraCredentials::from_userinfo).transpose()?;
        // The zone is this machine's own name for an interface (RFC 6874 section 1).
        let request = match (authority.find('%'), authority.find(']')) {
            (Some(zone), Some(end)) => {
                format!("{SCHEME}{}{}{path}", &authority[..zone], &authority[end..])
            }
            _ => format!("{SCHEME}{rest}"),
        };
        Ok(Self { request, host, port, credentials })
    }

    /// The name or address to connect to, without brackets, and with its zone if it has one, as in
    /// `fe80::1%eth0`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to; 554 if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL for the request line: as written, without userinfo. It may still contain a password,
    /// so it goes only to the camera and into the configuration.
    pub fn reveal(&self) -> &str {
        &self.request
    }

    /// The login in the URL, percent-decoded once.
    pub fn credentials(&self) -> Option<&CameraCredentials> {
        self.credentials.as_ref()
    }

    /// Removes the login from the URL and returns it.
    pub fn take_credentials(&mut self) -> Option<CameraCredentials> {
        self.credentials.take()
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.credentials.is_some() { "(hidden)@" } else { "" };
        let host = &self.host;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let path = split_authority(&self.request[SCHEME.len()..]).1;
        let path = if matches!(path, "" | "/") { "" } else { HIDDEN };
        write!(f, "{SCHEME}{login}{open}{host}{close}:{}/{path}", self.port)
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CameraUrl({self})")
    }
}

impl CameraCredentials {
    fn from_userinfo(userinfo: &str) -> Result<Self, UrlError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let credentials = Self { user: percent_decoded(user), password: percent_decoded(password) };
        credentials.check()?;
        Ok(credentials)
    }

    /// Checks that both can be sent to a camera.
    ///
    /// # Errors
    /// [`UrlError::UserLength`], [`UrlError::PasswordLength`] or [`UrlError::CredentialCharacter`].
    pub fn check(&self) -> Result<(), UrlError> {
        if self.user.len() > RTSP_USER_BYTES_MAX {
            return Err(UrlError::UserLength(self.user.len()));
        }
        if self.password.len() > RTSP_PASSWORD_BYTES_MAX {
            return Err(UrlError::PasswordLength(self.password.len()));
        }
        if self.user.chars().chain(self.password.chars()).any(char::is_control) {
            return Err(UrlError::CredentialCharacter);
        }
        Ok(())
    }
}

impl fmt::Debug for CameraCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("does not begin with rtsp://"),
            Self::NoHost => f.write_str("has no host"),
            Self::Host => f.write_str("has a bad host name or address"),
            Self::Port => f.write_str("has a bad port, not in 1 to 65535"),
            Self::Character(byte) => {
                write!(f, "has a space or a control character in it (byte {byte:#04x})")
            }
            Self::Ambiguous => f.write_str(
                "has an @ behind a /, and what stands before may be host and port or half a login: \
                 write the login in `user` and `password`, or the @ of a path as %40",
            ),
            Self::Length(bytes) => write!(f, "is {bytes} bytes long, max {RTSP_URL_BYTES_MAX}"),
            Self::UserLength(bytes) => {
                write!(f, "has a user of {bytes} bytes, max {RTSP_USER_BYTES_MAX}")
            }
            Self::PasswordLength(bytes) => {
                write!(f, "has a password of {bytes} bytes, max {RTSP_PASSWORD_BYTES_MAX}")
            }
            Self::CredentialCharacter => f.write_str("has a control character in its login"),
        }
    }
}

impl std::error::Error for UrlError {}

/// `host:port` of a URL with a scheme, as written in it.
pub(super) fn authority(url: &str) -> &str {
    split_authority(url.split_once("://").map_or(url, |(_, rest)| rest)).0
}

/// The part before the path or query, and the path and query.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

/// Whether `text` begins with `rtsp://`, in any case.
pub(super) fn is_absolute(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// `text` without its userinfo, which Samsung cameras put into the URLs that they announce.
pub(super) fn without_userinfo(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", split_userinfo(rest).1),
        None => text.to_owned(),
    }
}

/// The part after `rtsp://`, which some people write twice.
fn strip_scheme(text: &str) -> Result<&str, UrlError> {
    let mut rest = text;
    while is_absolute(rest) {
        rest = &rest[SCHEME.len()..];
    }
    if rest.len() < text.len() { Ok(rest) } else { Err(UrlError::Scheme) }
}

/// Userinfo and the rest. Userinfo ends at the authority's last `@`; if what follows cannot be a
/// host and port (`admin:pa/ss@host`), it ends at the last `@` of the text.
fn split_userinfo(rest: &str) -> (Option<&str>, &str) {
    let authority = split_authority(rest).0;
    let at = authority.rfind('@');
    let host = &authority[at.map_or(0, |at| at + 1)..];
    let at = if split_port(host).is_ok() { at } else { rest.rfind('@') };
    match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// Whether the text has two readings: `admin:2024/x@192.0.2.7` is a host, port and path or a login
/// and a host, and `u:p@ss/w@192.0.2.7` a login, host and path or a longer login and a host. An
/// address before the path is taken for the host, and so is a name with a dot, unless an address
/// follows the `@`.
fn is_ambiguous(rest: &str) -> bool {
    let (authority, path) = split_authority(rest);
    let Some((_, behind)) = path.rsplit_once('@') else { return false };
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let has_port = place.split_once(':').is_some_and(|(_, port)| !port.is_empty());
    let may_be_login = has_port || authority.contains('@');
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    match (split_port(place), split_port(split_authority(behind).0)) {
        (Ok((first, _)), Ok((second, _))) if may_be_login && !place.starts_with('[') => {
            !is_address(&first) && (is_address(&second) || !first.contains('.'))
        }
        _ => false,
    }
}

/// Host and port. An IPv6 address may lack its brackets; then it has no port.
fn split_port(authority: &str) -> Result<(String, u16), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => return Err(UrlError::Port),
            port => port,
        };
        (with_zone(host).ok_or(UrlError::Host)?, port)
    } else if authority.parse::<Ipv6Addr>().is_ok() {
        (authority.to_owned(), None)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if host.len() > HOST_BYTES_MAX || !host.bytes().all(fits) {
            return Err(UrlError::Host);
        }
        (host.to_owned(), port)
    };
    match port {
        None | Some("") => Ok((host, PORT_DEFAULT)),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host, port)),
        },
    }
}

/// An IPv6 address with its zone after `%`; the text has `%25` (RFC 6874 section 2) or a plain `%`.
fn with_zone(host: &str) -> Option<String> {
    let Some((address, zone)) = host.split_once('%') else {
        return host.parse::<Ipv6Addr>().is_ok().then(|| host.to_owned());
    };
    // An interface name has at most 15 bytes. It may be all digits, or even be called 25.
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_good = (1..=15).contains(&zone.len()) && zone.bytes().all(fits);
    (is_good && address.parse::<Ipv6Addr>().is_ok()).then(|| format!("{address}%{zone}"))
}

/// Decodes percent escapes once. An invalid escape stays. If the result is not UTF-8, returns
/// `text`.
fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, Option<(String, String)>) {
        let url = CameraUrl::parse(text).expect(text);
        let credentials = url.credentials.map(|c| (c.user, c.password));
        (url.host, url.port, url.request, credentials)
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn the_request_text_is_verbatim_and_without_userinfo() {
        let text = "rtsp://u:p@Cam.LAN:554/cam/realmonitor?channel=1&subtype=%200";
        let (host, port, text, credentials) = parts(text);
        assert_eq!((host.as_str(), port), ("Cam.LAN", 554));
        assert_eq!(text, "rtsp://Cam.LAN:554/cam/realmonitor?channel=1&subtype=%200");
        assert_eq!(credentials, pair("u", "p"));
    }

    #[test]
    fn userinfo_may_hold_any_of_its_delimiters() {
        assert_eq!(parts("rtsp://a:p@ss:w/rd@h:8554/x").3, pair("a", "p@ss:w/rd"));
        assert_eq!(parts("rtsp://a:p/s?s@h/x").3, pair("a", "p/s?s"));
        assert_eq!(parts("rtsp://a:p%40s%2525@h/").3, pair("a", "p@s%25"));
        assert_eq!(parts("rtsp://a:50%zz@h/").3, pair("a", "50%zz"));
        assert_eq!(parts("rtsp://cam.lan:554/x@y").3, None);
        assert_eq!(parts("rtsp://h/x?token=a@b").3, None);
    }

    #[test]
    fn odd_forms_are_understood() {
        assert_eq!(parts("RTSP://h").1, 554);
        assert_eq!(parts("rtsp://rtsp://cam.lan:554/stream1/").0, "cam.lan");
        assert_eq!(parts("rtsp://[fe80::1]:5540/x").0, "fe80::1");
        assert_eq!(parts("rtsp://::ffff:192.168.1.123/x").0, "::ffff:192.168.1.123");
        assert_eq!(parts("rtsp://h:/x").1, 554);
        assert_eq!(parts("rtsp://u:p@ss@h/").3, pair("u", "p@ss"));
        assert_eq!(parts("rtsp://u:a#b@h/").3, pair("u", "a#b"));
        assert_eq!(parts("rtsp://u:Dt4%0Xy@h/").3, pair("u", "Dt4%0Xy"));
    }

    #[test]
    fn a_zone_says_where_to_connect_and_is_not_sent() {
        for text in ["rtsp://[fe80::1%25eth0]:5540/x", "rtsp://[fe80::1%eth0]:5540/x"] {
            let (host, port, request, _) = parts(text);
            assert_eq!((host.as_str(), port), ("fe80::1%eth0", 5540));
            assert_eq!(request, "rtsp://[fe80::1]:5540/x");
        }
        assert_eq!(parts("rtsp://[fe80::1%25]/").0, "fe80::1%25", "an interface by its number");
        assert_eq!(CameraUrl::parse("rtsp://[fe80::1%]/"), Err(UrlError::Host));
        assert_eq!(CameraUrl::parse("rtsp://[fe80::1%a=b]/"), Err(UrlError::Host));
        assert_eq!(CameraUrl::parse("rtsp://[cam]/"), Err(UrlError::Host));
    }

    #[test]
    fn half_a_password_is_never_a_host() {
        for text in [
            "admin:2024/x@192.0.2.7/s1",
            "admin:12?x@192.0.2.7",
            "admin:1/2@cam.lan:8554/",
            "u:p@ss/w?rd@192.0.2.7:554/1",
            "u:p@ss/w@gate/1",
            "u:p@s.s/w@192.0.2.7/1",
        ] {
            let error = CameraUrl::parse(&format!("rtsp://{text}")).expect_err(text);
            assert_eq!(error, UrlError::Ambiguous, "{text}");
            assert!(error.to_string().contains("`password`"), "{error}");
        }
        assert_eq!(parts("rtsp://admin:ab/cd@192.0.2.7/s1").3, pair("admin", "ab/cd"));
        assert_eq!(parts("rtsp://admin:why?@192.0.2.7:554/s1").3, pair("admin", "why?"));
        for text in ["192.0.2.7:554/x@192.0.2.8/", "cam.lan:554/u@cam.lan", "cam/x@192.0.2.8"] {
            assert_eq!(parts(&format!("rtsp://{text}")).3, None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let error = |text: &str| CameraUrl::parse(text).unwrap_err();
        assert_eq!(error("rtsps://h/x"), UrlError::Scheme);
        assert_eq!(error("192.0.2.7/x"), UrlError::Scheme);
        assert_eq!(error("rtsp:///x"), UrlError::NoHost);
        assert_eq!(error("rtsp://user=admin_password=hunter2/x"), UrlError::Host);
        assert_eq!(error("rtsp://h:99999/x"), UrlError::Port);
        assert_eq!(error("rtsp://h/x\r\nEvil: 1"), UrlError::Character(b'\r'));
        let long = format!("rtsp://h/{}", "x".repeat(RTSP_URL_BYTES_MAX));
        assert_eq!(error(&long), UrlError::Length(long.len()));
        assert!(CameraUrl::parse(&long[..RTSP_URL_BYTES_MAX]).is_ok());
    }

    #[test]
    fn a_login_has_its_bounds() {
        let of = |user: usize, password: usize| {
            let (user, password) = ("u".repeat(user), "p".repeat(password));
            CameraUrl::parse(&format!("rtsp://{user}:{password}@h/"))
        };
        assert!(of(RTSP_USER_BYTES_MAX, RTSP_PASSWORD_BYTES_MAX).is_ok());
        let long = of(RTSP_USER_BYTES_MAX + 1, 1).expect_err("a long user");
        assert_eq!(long.to_string(), "has a user of 65 bytes, max 64");
        let long = of(1, RTSP_PASSWORD_BYTES_MAX + 1).expect_err("a long password");
        assert_eq!(long.to_string(), "has a password of 257 bytes, max 256");
        let error = CameraUrl::parse("rtsp://u:%0d%0aX: y@h/".replace(' ', "").as_str());
        assert_eq!(error, Err(UrlError::CredentialCharacter));
    }

    #[test]
    fn nothing_that_may_be_a_secret_is_shown() {
        for (text, shown) in [
            ("rtsp://viewer:sesame@h/x", "rtsp://(hidden)@h:554/(hidden)"),
            ("rtsp://h:8554/user=admin&password=sesame&stream=0.sdp", "rtsp://h:8554/(hidden)"),
            ("rtsp://h?token=sesame", "rtsp://h:554/(hidden)"),
            ("rtsp://[2001:db8::7]/sesame", "rtsp://[2001:db8::7]:554/(hidden)"),
            ("rtsp://h/", "rtsp://h:554/"),
        ] {
            let url = CameraUrl::parse(text).expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("CameraUrl({shown})"));
        }
    }

    #[test]
    fn no_error_repeats_what_was_written() {
        for text in [
            "sesame://h/x",
            "rtsps://u:sesame@h/x",
            "u:sesame@h/x",
            "rtsp://u:sesame@/x",
            "rtsp://u:sesame@h=h/x",
            "rtsp://u:sesame@h:x/x",
            "rtsp://u:sesame @h/x",
            "rtsp://u:2/sesame@192.0.2.7/x",
            "rtsp://u:sesame%0a@h/x",
        ] {
            let error = CameraUrl::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
        }
    }
}
