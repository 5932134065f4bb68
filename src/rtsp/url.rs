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

use super::scheme::UrlScheme;
use crate::limits::{RTSP_PASSWORD_BYTES_MAX, RTSP_URL_BYTES_MAX, RTSP_USER_BYTES_MAX};

/// Shown instead of a part that may be secret.
const HIDDEN: &str = "(hidden)";
/// What UniFi Protect writes behind a URL whose media is then encrypted once more, within TLS.
const SRTP_QUERY: &str = "?enableSrtp";
/// The longest DNS name (RFC 1035 section 2.3.4), which also bounds an address with its zone.
const HOST_BYTES_MAX: usize = 255;

/// A camera's URL. `Display` and `Debug` show neither path nor login.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl {
    scheme: UrlScheme,
    /// As written, without userinfo.
    text: String,
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
    /// It begins with no scheme that weir knows ([`UrlScheme`]).
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
        let (scheme, rest) = strip_scheme(text)?;
        if is_ambiguous(rest) {
            return Err(UrlError::Ambiguous);
        }
        let (userinfo, rest) = split_userinfo(rest);
        let (authority, path) = split_authority(rest);
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(scheme.port_default());
        let credentials = userinfo.map(CameraCredentials::from_userinfo).transpose()?;
        // The zone is this machine's own name for an interface (RFC 6874 section 1).
        let prefix = scheme.prefix();
        let text = match (authority.find('%'), authority.find(']')) {
            (Some(zone), Some(end)) => {
                format!("{prefix}{}{}{path}", &authority[..zone], &authority[end..])
            }
            _ => format!("{prefix}{rest}"),
        };
        Ok(Self { scheme, text, host, port, credentials })
    }

    /// The name or address to connect to, without brackets, and with its zone if it has one, as in
    /// `fe80::1%eth0`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The scheme, which says how to connect.
    pub fn scheme(&self) -> UrlScheme {
        self.scheme
    }

    /// The port to connect to; if the URL has none, the usual one of its scheme.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL as written, without userinfo. It may still contain a password, so it goes only to
    /// the camera and into the configuration.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The URL for the request line of RTSP: the same, but in a tunnel with RTSP's own scheme, and
    /// without [`SRTP_QUERY`].
    pub(super) fn request(&self) -> String {
        let rest = self.after_scheme();
        let rest = rest.strip_suffix(SRTP_QUERY).unwrap_or(rest);
        format!("{}{rest}", self.scheme.request_prefix())
    }

    /// The place of another service of the same camera: all is the same but the port.
    pub fn at_port(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// Path and query; `/` if it has none. It may contain a password.
    pub fn path(&self) -> &str {
        match split_authority(self.after_scheme()).1 {
            "" => "/",
            path => path,
        }
    }

    fn after_scheme(&self) -> &str {
        &self.text[self.scheme.prefix().len()..]
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
        let path = if self.path() == "/" { "" } else { HIDDEN };
        let scheme = self.scheme.prefix();
        write!(f, "{scheme}{login}{open}{host}{close}:{}/{path}", self.port)
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
            Self::Scheme => f.write_str("does not begin with rtsp:// or rtsps://"),
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

/// The scheme that `text` begins with, with its `://` and as it is written there, if it is one of
/// RTSP requests.
pub(super) fn request_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = UrlScheme::strip(text)?;
    (!scheme.is_tunnelled()).then(|| &text[..text.len() - rest.len()])
}

/// Whether `text` begins with `rtsp://` or `rtsps://`, in any case.
pub(super) fn is_absolute(text: &str) -> bool {
    request_scheme(text).is_some()
}

/// `text` without its userinfo, which Samsung cameras put into the URLs that they announce.
pub(super) fn without_userinfo(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", split_userinfo(rest).1),
        None => text.to_owned(),
    }
}

/// The scheme and the part after it. Some people write it twice; the last one counts.
fn strip_scheme(text: &str) -> Result<(UrlScheme, &str), UrlError> {
    let mut found = UrlScheme::strip(text).ok_or(UrlError::Scheme)?;
    while let Some(next) = UrlScheme::strip(found.1) {
        found = next;
    }
    Ok(found)
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
fn split_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
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
        None | Some("") => Ok((host, None)),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host, Some(port))),
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
#[path = "url_tests.rs"]
mod tests;
