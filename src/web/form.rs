//! What a URL's query and a form have in them (application/x-www-form-urlencoded).

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};

use super::Reply;
use super::problem::problem;

const TYPE: &str = "application/x-www-form-urlencoded";

/// The value of the first `name`; `None` when there is none, or it is not text.
pub(super) fn value(text: &str, name: &str) -> Option<String> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter(|(key, _)| decoded(key).as_deref() == Some(name));
    decoded(named.next()?.1)
}

/// Checks the type of a form's body.
///
/// # Errors
/// The reply for another type: 415.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Reply> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = found.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(TYPE)) {
        return Ok(());
    }
    Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("a login is {TYPE}")))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let (byte, tail) = match (first, hex) {
            (b'%', Some(byte)) => (byte, &tail[2..]),
            (b'+', _) => (b' ', tail),
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_decoded() {
        let text = "user=an%C3%A9+b&password=a%26b%3D%2B&empty=&flag&user=second&bad=%ff&pct=100%";
        for (name, expected) in [
            ("user", Some("ané b")),
            ("password", Some("a&b=+")),
            ("empty", Some("")),
            ("flag", Some("")),
            ("bad", None),
            ("pct", Some("100%")),
            ("other", None),
        ] {
            assert_eq!(value(text, name).as_deref(), expected, "{name}");
        }
        assert_eq!(value("", "user"), None);
        assert_eq!(value("t%6Fken=x", "token").as_deref(), Some("x"));
    }
}
