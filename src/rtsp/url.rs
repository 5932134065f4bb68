//! A camera's URL as people write it into a configuration, taken apart leniently.
//!
//! The request text is kept to the byte: a Digest `uri=` must equal the request line, and cameras
//! compare both with what they announced, so nothing is escaped, lower-cased or normalised. Bounded
//! by [`RTSP_URL_BYTES_MAX`]. Names are not resolved here.

use std::fmt;

use crate::limits::{RTSP_CREDENTIAL_BYTES_MAX, RTSP_URL_BYTES_MAX};

const SCHEME: &str = "rtsp://";
const PORT_DEFAULT: u16 = 554;

/// A camera's URL, without its userinfo in whatever is shown or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraUrl {
    text: String,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// A user's name and password. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name, as the camera knows it.
    pub user: String,
    /// The password, as the camera knows it.
    pub password: String,
}

/// Why a text is no camera's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlError {
    /// The scheme is another one than `rtsp`.
    Scheme(String),
    /// There is no `scheme://`.
    NoScheme,
    /// There is no host.
    NoHost,
    /// What stands behind the host's colon is no port.
    Port,
    /// A blank or a control character, which would break the request line.
    Character(u8),
    /// Longer than [`RTSP_URL_BYTES_MAX`].
    Length(usize),
    /// A name or password longer than [`RTSP_CREDENTIAL_BYTES_MAX`].
    CredentialLength(usize),
}

impl CameraUrl {
    /// Takes `text` apart. Userinfo may hold `@`, `:` and `/` unescaped; percent escapes in it are
    /// decoded once.
    ///
    /// # Errors
    /// [`UrlError`], in words for the person who wrote it; it never repeats the userinfo.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.len() > RTSP_URL_BYTES_MAX {
            return Err(UrlError::Length(text.len()));
        }
        if let Some(byte) = text.bytes().find(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(UrlError::Character(byte));
        }
        let rest = strip_scheme(text)?;
        let (userinfo, rest) = split_userinfo(rest);
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, port) = split_port(&rest[..authority_len])?;
        let credentials = userinfo.map(Credentials::from_userinfo).transpose()?;
        Ok(Self { text: format!("{SCHEME}{rest}"), host: host.to_owned(), port, credentials })
    }

    /// The name or address to connect to, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to; 554 where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What goes into the request line: the URL as written, without userinfo.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The userinfo, percent-decoded once.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Credentials {
    fn from_userinfo(userinfo: &str) -> Result<Self, UrlError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let credentials = Self { user: percent_decoded(user), password: percent_decoded(password) };
        credentials.check()?;
        Ok(credentials)
    }

    /// Whether both fit the bounds.
    pub(super) fn check(&self) -> Result<(), UrlError> {
        match self.user.len().max(self.password.len()) {
            0..=RTSP_CREDENTIAL_BYTES_MAX => Ok(()),
            bytes => Err(UrlError::CredentialLength(bytes)),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "scheme {scheme} is not served, only rtsp"),
            Self::NoScheme => f.write_str("no scheme, a camera's url begins with rtsp://"),
            Self::NoHost => f.write_str("no host in the url"),
            Self::Port => f.write_str("no port from 1 to 65535 behind the host's colon"),
            Self::Character(byte) => write!(f, "byte {byte:#04x} in the url"),
            Self::Length(bytes) => write!(f, "url {bytes} bytes, max {RTSP_URL_BYTES_MAX}"),
            Self::CredentialLength(bytes) => {
                write!(f, "user or password {bytes} bytes, max {RTSP_CREDENTIAL_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for UrlError {}

/// `host:port` of a URL with a scheme, as written.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
}

/// Whether `text` begins with `rtsp://`, in any case.
pub(super) fn is_absolute(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// `text` without its userinfo, which cameras of Samsung put into URLs they announce.
pub(super) fn without_userinfo(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", split_userinfo(rest).1),
        None => text.to_owned(),
    }
}

/// What follows `rtsp://`, which some write twice.
fn strip_scheme(text: &str) -> Result<&str, UrlError> {
    let mut rest = text;
    while is_absolute(rest) {
        rest = &rest[SCHEME.len()..];
    }
    if rest.len() < text.len() {
        return Ok(rest);
    }
    match text.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(UrlError::Scheme(scheme.to_owned()))
        }
        _ => Err(UrlError::NoScheme),
    }
}

/// Userinfo and the rest. It ends at the authority's last `@`; when what is left cannot be a host
/// and port (`admin:pa/ss@host`), at the last `@` of the text.
fn split_userinfo(rest: &str) -> (Option<&str>, &str) {
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    let at = rest[..authority_len].rfind('@');
    let host = &rest[at.map_or(0, |at| at + 1)..authority_len];
    let at = if split_port(host).is_ok() { at } else { rest.rfind('@') };
    match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// Host and port; an IPv6 address may lack its brackets, and then has no port.
fn split_port(authority: &str) -> Result<(&str, u16), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::NoHost)?;
        (host, rest.strip_prefix(':'))
    } else if authority.parse::<std::net::Ipv6Addr>().is_ok() {
        (authority, None)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    match port {
        None | Some("") => Ok((host, PORT_DEFAULT)),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host, port)),
        },
    }
}

/// Percent escapes decoded once; what is no escape, or would be no UTF-8, stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).zip(Some(after)),
            _ => None,
        };
        if let Some(((high, low), after)) = escape {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, Option<(String, String)>) {
        let url = CameraUrl::parse(text).expect(text);
        let credentials = url.credentials.map(|c| (c.user, c.password));
        (url.host, url.port, url.text, credentials)
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
        assert_eq!(parts("rtsp://h:554/x@y").3, None);
        assert_eq!(parts("rtsp://h/x?token=a@b").3, None);
    }

    #[test]
    fn odd_forms_are_understood() {
        assert_eq!(parts("RTSP://h").1, 554);
        assert_eq!(parts("rtsp://rtsp://cam.lan:554/stream1/").0, "cam.lan");
        assert_eq!(parts("rtsp://[fe80::1]:5540/x").0, "fe80::1");
        assert_eq!(parts("rtsp://::ffff:192.168.1.123/x").0, "::ffff:192.168.1.123");
        assert_eq!(parts("rtsp://h:/x").1, 554);
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let error = |text: &str| CameraUrl::parse(text).unwrap_err();
        assert_eq!(error("rtsps://h/x"), UrlError::Scheme("rtsps".to_owned()));
        assert_eq!(error("192.0.2.7/x"), UrlError::NoScheme);
        assert_eq!(error("rtsp:///x"), UrlError::NoHost);
        assert_eq!(error("rtsp://h:99999/x"), UrlError::Port);
        assert_eq!(error("rtsp://h/x\r\nEvil: 1"), UrlError::Character(b'\r'));
        let long = format!("rtsp://h/{}", "x".repeat(RTSP_URL_BYTES_MAX));
        assert_eq!(error(&long), UrlError::Length(long.len()));
        assert!(CameraUrl::parse(&long[..RTSP_URL_BYTES_MAX]).is_ok());
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = CameraUrl::parse("rtsp://viewer:sesame@h/x").expect("parses");
        assert!(!format!("{url} {url:?}").contains("sesame"));
    }
}
