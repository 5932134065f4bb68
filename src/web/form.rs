//! What a URL's query and a form have in them (application/x-www-form-urlencoded).

/// The value of the first `name`; `None` when there is none, or it is not text.
pub(super) fn value(text: &str, name: &str) -> Option<String> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter(|(key, _)| decoded(key).as_deref() == Some(name));
    decoded(named.next()?.1)
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
