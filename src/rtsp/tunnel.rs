//! RTSP in an HTTP tunnel, as QuickTime first had it: the answer to a GET carries what the camera
//! says, and the body of a POST what it is told, in base64. Both have the same `x-sessioncookie`.
//!
//! This writes the two requests and reads the head of the GET's answer, which is bounded. The POST
//! is never waited for: Axis answers it when it ends. Like [`super::Dialog`] it opens no connection
//! and keeps no time.

use super::auth::Auth;
use super::error::DialogError;
use super::message::{Head, MessageKind};
use super::transmit::{Transmit, TransmitFull};
use super::url::{CameraCredentials, CameraUrl, authority};
use crate::hex;
use crate::limits::{RTSP_HEAD_BYTES_MAX, RTSP_TRANSMIT_BYTES_MAX};
use crate::random::random;

const CONTENT_TYPE: &str = "application/x-rtsp-tunnelled";
/// The length of the POST's body: what QuickTime wrote, and other clients since. It never ends, and
/// cameras do not count.
const BODY_BYTES: usize = 32767;

/// The two requests of a tunnel.
#[derive(Debug)]
pub struct Tunnel {
    url: CameraUrl,
    auth: Auth,
    cookie: String,
    /// The answer's head, as far as it came.
    head: Vec<u8>,
}

/// What an answer's bytes led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelStep {
    /// More of the head is to be read.
    Read,
    /// The camera asks for a login: send the GET again, on a new connection.
    Again,
    /// The tunnel is open: what follows is RTSP. Send the POST on another connection.
    Open,
}

impl Tunnel {
    /// A tunnel to the camera at `url`. `takes_digest`: the camera accepted Digest earlier.
    pub fn new(url: CameraUrl, credentials: Option<CameraCredentials>, takes_digest: bool) -> Self {
        let credentials = credentials.or_else(|| url.credentials().cloned());
        let cookie = hex::text(&random::<11>());
        Self { url, auth: Auth::new(credentials, takes_digest), cookie, head: Vec::new() }
    }

    /// The GET, to be written to a new connection.
    ///
    /// # Errors
    /// [`DialogError::OverLimit`]: it does not fit with its login.
    pub fn get(&mut self) -> Result<Vec<u8>, DialogError> {
        self.request("GET")
    }

    /// The head of the POST, to be written to another connection.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&mut self) -> Result<Vec<u8>, DialogError> {
        self.request("POST")
    }

    fn request(&mut self, method: &'static str) -> Result<Vec<u8>, DialogError> {
        let Self { url, auth, cookie, .. } = self;
        let mut out = Transmit::new();
        let written = write(method, url, cookie, auth, &mut out);
        written.map_err(|_| DialogError::OverLimit {
            what: "request",
            bytes: RTSP_TRANSMIT_BYTES_MAX + 1,
            max: RTSP_TRANSMIT_BYTES_MAX,
        })?;
        Ok(out.bytes().to_vec())
    }

    /// Takes bytes of the answer to the GET. Returns how many of them belong to its head, and what
    /// to do next. Those behind it are not looked at.
    ///
    /// # Errors
    /// Why there is no tunnel. The caller must close the connection.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(usize, TunnelStep), DialogError> {
        for (at, byte) in bytes.iter().enumerate() {
            self.head.push(*byte);
            if is_whole(&self.head) {
                let head = std::mem::take(&mut self.head);
                return self.answered(&head).map(|step| (at + 1, step));
            }
            if self.head.len() >= RTSP_HEAD_BYTES_MAX {
                let bytes = RTSP_HEAD_BYTES_MAX + 1;
                let max = RTSP_HEAD_BYTES_MAX;
                return Err(DialogError::OverLimit { what: "message head", bytes, max });
            }
        }
        Ok((bytes.len(), TunnelStep::Read))
    }

    fn answered(&mut self, head: &[u8]) -> Result<TunnelStep, DialogError> {
        let head = Head::parse_http(head).ok_or(DialogError::Protocol(
            "its answer to the GET of a tunnel is not HTTP: is this its port for HTTP?",
        ))?;
        let MessageKind::Response { status } = head.kind else {
            return Err(DialogError::Protocol("its answer to the GET of a tunnel is a request"));
        };
        match status {
            200..300 => {
                self.auth.accepted();
                self.auth.proven();
                Ok(TunnelStep::Open)
            }
            401 => match self.auth.challenged(head.values("WWW-Authenticate")) {
                Ok(()) => Ok(TunnelStep::Again),
                Err(error) => Err(DialogError::of_login(error, &self.auth)),
            },
            403 => Err(DialogError::Forbidden),
            404 => Err(DialogError::NotFound { url: self.url.clone() }),
            _ => Err(DialogError::Refused { method: "GET", status }),
        }
    }

    /// Whether the camera has accepted Digest, here or earlier.
    pub fn takes_digest(&self) -> bool {
        self.auth.takes_digest()
    }

    /// Whether the password is sent in plaintext within HTTP, since the camera asks for Basic.
    pub fn is_in_the_clear(&self) -> bool {
        self.auth.is_in_the_clear()
    }
}

fn write(
    method: &'static str,
    url: &CameraUrl,
    cookie: &str,
    auth: &mut Auth,
    out: &mut Transmit,
) -> Result<(), TransmitFull> {
    let path = url.path();
    // A query alone is no request target.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let host = authority(url.reveal());
    write!(out, "{method} {slash}{path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: weir\r\n")?;
    write!(out, "x-sessioncookie: {cookie}\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n")?;
    match method {
        "GET" => write!(out, "Accept: {CONTENT_TYPE}\r\n")?,
        _ => {
            write!(out, "Content-Type: {CONTENT_TYPE}\r\nContent-Length: {BODY_BYTES}\r\n")?;
            write!(out, "Expires: Sun, 9 Jan 1972 00:00:00 GMT\r\n")?;
        }
    }
    match slash {
        "" => auth.sign(method, path, out)?,
        _ => auth.sign(method, &format!("/{path}"), out)?,
    }
    out.push(b"\r\n")
}

/// Whether a head ends here, with an empty line. LF alone ends a line too.
fn is_whole(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(url: &str) -> Tunnel {
        Tunnel::new(CameraUrl::parse(url).expect("a url"), None, false)
    }

    fn text(bytes: Result<Vec<u8>, DialogError>) -> String {
        String::from_utf8(bytes.expect("it fits")).expect("ASCII")
    }

    /// Everything that is taken of an answer, in two reads at every place.
    fn at_every_split(
        url: &str,
        answer: &[u8],
        check: impl Fn(&mut Tunnel, Result<(usize, TunnelStep), DialogError>),
    ) {
        for split in 0..=answer.len() {
            let mut tunnel = tunnel(url);
            let (first, second) = answer.split_at(split);
            let result = match tunnel.receive(first) {
                Ok((_, TunnelStep::Read)) => {
                    tunnel.receive(second).map(|(bytes, step)| (split + bytes, step))
                }
                other => other,
            };
            check(&mut tunnel, result);
        }
    }

    #[test]
    fn both_requests_name_the_path_and_one_cookie() {
        let mut tunnel = tunnel("rtsp+http://192.0.2.7:8080/stream1?a=b");
        let (get, post) = (text(tunnel.get()), text(tunnel.post()));
        assert!(get.starts_with("GET /stream1?a=b HTTP/1.0\r\nHost: 192.0.2.7:8080\r\n"), "{get}");
        assert!(post.starts_with("POST /stream1?a=b HTTP/1.0\r\n"), "{post}");
        let cookie = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("x-sessioncookie: "));
            line.expect("a cookie").to_owned()
        };
        assert_eq!(cookie(&get), cookie(&post));
        assert_ne!(cookie(&get), cookie(&text(super::tests::tunnel("rtsp+http://h/").get())));
        let bare = text(super::tests::tunnel("rtsp+http://h?token=1").get());
        assert!(bare.starts_with("GET /?token=1 HTTP/1.0\r\nHost: h\r\n"), "{bare}");
    }

    #[test]
    fn the_head_ends_where_it_ends_and_what_follows_is_rtsp() {
        for head in [
            "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n",
            "HTTP/1.1 200\nServer: x\n\n",
        ] {
            let answer = format!("{head}RTSP/1.0 200 OK\r\n\r\n");
            at_every_split("rtsp+http://h/", answer.as_bytes(), |_, result| {
                assert_eq!(result, Ok((head.len(), TunnelStep::Open)));
            });
        }
    }

    #[test]
    fn a_login_is_answered_once_and_signed_for_each_request() {
        let asks = b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", \
                     nonce=\"n\"\r\nContent-Length: 2\r\n\r\nno";
        at_every_split("rtsp+http://u:sesame@h/x", asks, |tunnel, result| {
            assert_eq!(result, Ok((asks.len() - 2, TunnelStep::Again)));
            let (get, post) = (text(tunnel.get()), text(tunnel.post()));
            assert!(get.contains("Authorization: Digest username=\"u\""), "{get}");
            assert!(get.contains("uri=\"/x\"") && !get.contains("sesame"), "{get}");
            let response = |text: &str| text.split("response=").nth(1).map(str::to_owned);
            assert_ne!(response(&get), response(&post), "the method is signed too");
            let refused = tunnel.receive(asks).expect_err("a wrong password");
            assert!(matches!(refused, DialogError::WrongCredentials { .. }), "{refused}");
        });
        at_every_split("rtsp+http://h/x", asks, |_, result| {
            assert_eq!(result, Err(DialogError::NoCredentials));
        });
    }

    #[test]
    fn what_is_no_tunnel_is_told_apart() {
        let told = |answer: &str| {
            tunnel("rtsp+http://h/x").receive(answer.as_bytes()).expect_err(answer).to_string()
        };
        assert!(told("HTTP/1.1 404 Not Found\r\n\r\n").contains("404"));
        assert!(told("HTTP/1.1 403 Forbidden\r\n\r\n").contains("403"));
        assert_eq!(told("HTTP/1.1 302 Found\r\n\r\n"), "camera refuses GET: 302");
        assert!(told("RTSP/1.0 400 Bad Request\r\n\r\n").contains("not HTTP"));
        assert!(told("\n\n").contains("not HTTP"));
        let long = "x".repeat(RTSP_HEAD_BYTES_MAX);
        assert_eq!(told(&long), "camera's message head is 8193 bytes, max 8192");
        let fits = &long[..RTSP_HEAD_BYTES_MAX - 1];
        let taken = tunnel("rtsp+http://h/").receive(fits.as_bytes());
        assert_eq!(taken, Ok((fits.len(), TunnelStep::Read)));
    }
}
