//! What weir answers to init on this machine: its health and its first page, over HTTP/1.0.
//!
//! Only the texts are here; init has the socket. An answer is read up to
//! [`crate::limits::HEALTH_ANSWER_BYTES_MAX`].

use serde::Deserialize;

/// The state of weir that `/healthz` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct WeirHealth {
    /// Cameras of the configuration.
    pub cameras: u32,
    /// Those of them that play.
    #[serde(rename = "cameras_playing")]
    pub playing: u32,
}

/// The request for a path, as a client on this machine sends it.
pub fn http_request(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// The status code of an answer; `None` if it is none of HTTP/1.
pub fn http_status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let (version, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let code = rest.split(' ').next()?;
    let is_plain = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    (version.starts_with("HTTP/1.") && is_plain).then(|| code.parse().ok()).flatten()
}

/// Whether the pages are there: a page, a redirect to the encrypted one, or the question who asks.
pub fn has_page(answer: &[u8]) -> bool {
    http_status(answer).is_some_and(|code| (200..500).contains(&code))
}

impl WeirHealth {
    /// Reads the answer to `GET /healthz`; `None` if weir is not well.
    pub fn of_answer(answer: &[u8]) -> Option<Self> {
        if http_status(answer) != Some(200) {
            return None;
        }
        let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        serde_json::from_slice(answer.get(body..)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_as_weir_writes_it() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\
            {\"schema\":1,\"status\":\"ok\",\"version\":\"0.1.0\",\"cameras\":4,\"cameras_playing\":3}";
        assert_eq!(WeirHealth::of_answer(answer), Some(WeirHealth { cameras: 4, playing: 3 }));
        for end in 0..answer.len() {
            assert_eq!(WeirHealth::of_answer(&answer[..end]), None, "{end}");
        }
        let down = b"HTTP/1.1 503 Busy\r\n\r\n{\"cameras\":4,\"cameras_playing\":3}";
        assert_eq!(WeirHealth::of_answer(down), None);
    }

    #[test]
    fn a_page_may_be_a_redirect_or_a_login() {
        for good in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 308 There\r\n", "HTTP/1.1 401 Who\r\n"] {
            assert!(has_page(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "HTTP/1.1 503 Busy\r\n",
            "HTTP/2 200\r\n",
            "RTSP/1.0 200 OK\r\n",
            "HTTP/1.1 +20 OK\r\n",
            "HTTP/1.1 \r\n",
        ] {
            assert!(!has_page(bad.as_bytes()), "{bad}");
        }
        assert!(http_request("/").ends_with("\r\n\r\n"));
    }
}
