//! Values in a URL's query or in a form (application/x-www-form-urlencoded).

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;

use super::Reply;
use super::problem::problem;

const TYPE: &str = "application/x-www-form-urlencoded";

/// The decoded value of the first `name`; `None` when there is none, or it is not UTF-8.
pub(super) fn value(text: &str, name: &str) -> Option<String> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter(|(key, _)| decoded(key).as_deref() == Some(name));
    decoded(named.next()?.1)
}

/// Checks that a request's body is a form.
///
/// # Errors
/// 415 for another content type, or none.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Reply> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = found.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(TYPE)) {
        return Ok(());
    }
    Err(problem(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        &format!("a login form needs the content type {TYPE}"),
    ))
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
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
