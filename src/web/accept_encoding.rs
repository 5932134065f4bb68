//! What a request says about compressed replies (RFC 9110 section 12.5.3).

use hyper::header::{self, HeaderMap};

/// Whether the reply may be gzip: the header names it, or `*`, with a weight that is not 0. Without
/// the header it may not, as nothing says that the client can unpack it.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let mut by_star = false;
    for coding in codings {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_wanted = parts.all(|parameter| !is_zero_weight(parameter));
        if ["gzip", "x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) {
            return is_wanted;
        }
        if name == "*" {
            by_star = is_wanted;
        }
    }
    by_star
}

/// Whether a parameter is a weight of zero: `q=0`, `Q=0.000`.
fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim();
    name.trim().eq_ignore_ascii_case("q")
        && !value.is_empty()
        && value.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, line.parse().expect("ASCII"));
        }
        takes_gzip(&headers)
    }

    #[test]
    fn gzip_is_for_those_who_name_it() {
        for lines in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, GZIP;q=0.2"],
            &["x-gzip"],
            &["*"],
            &["identity;q=0.5, *;q=0.1"],
            &["gzip;q=0.001"],
            &["*;q=0, gzip"],
            &["br", "gzip"],
        ] {
            assert!(takes(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip ; Q=0.000"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["gzipped"],
            &["br", "deflate"],
        ] {
            assert!(!takes(lines), "{lines:?}");
        }
    }
}
