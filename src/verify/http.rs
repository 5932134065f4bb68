//! HTTP as `weir verify` needs it: one request for each connection, an answer bounded in time and
//! bytes. A token goes to nobody whose certificate is not trusted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::site::SiteUrl;
use crate::config::{CameraTrust, CertificateFingerprint};
use crate::limits::{VERIFY_ANSWER_BYTES_MAX, VERIFY_REQUEST_MS_MAX, VERIFY_TREE_BYTES_MAX};
use crate::net::names;
use crate::net::reach::connect_to_first;
use crate::tls::camera::{self, CameraTlsError};

/// By what the certificate of a weir is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SiteTrust {
    /// By nothing: its fingerprint is told, and nothing is asked.
    #[default]
    Undecided,
    /// Whatever it shows is taken.
    Any,
    /// By its SHA-256.
    Fingerprint(CertificateFingerprint),
    /// By the certificates of authorities in this file, and by its names.
    Authority(PathBuf),
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(crate) enum HttpFailure {
    /// The certificate is not trusted.
    Untrusted(String),
    /// There is no connection, or it broke.
    Unreachable(String),
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

/// An answer that was read whole.
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
    /// The address that answered.
    pub(super) peer: SocketAddr,
}

impl HttpAnswer {
    /// The body as JSON; null for anything else, and beyond [`VERIFY_TREE_BYTES_MAX`].
    pub(crate) fn json(&self) -> serde_json::Value {
        if self.body.len() > VERIFY_TREE_BYTES_MAX {
            return serde_json::Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The status with the reason that weir gives, which is text of the network.
    pub(crate) fn reason(&self) -> String {
        let detail = self.json()["detail"].as_str().map(super::printable);
        match detail {
            Some(detail) => format!("HTTP {}: {detail}", self.status.as_u16()),
            None => format!("HTTP {}", self.status.as_u16()),
        }
    }
}

/// One request, without what each has.
pub(crate) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// An SDP offer, or nothing.
    pub(super) offer: Option<String>,
    /// Whether the token goes with it.
    pub(super) with_token: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, offer: None, with_token: true }
    }
}

/// A client of one weir.
pub(crate) struct HttpClient {
    pub(super) site: SiteUrl,
    trust: SiteTrust,
    /// The value of `Authorization`.
    bearer: Option<header::HeaderValue>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl HttpClient {
    /// # Errors
    /// The token has characters that no header may have.
    pub(crate) fn new(
        site: SiteUrl,
        trust: SiteTrust,
        token: Option<&str>,
    ) -> Result<Self, &'static str> {
        let bearer = token.map(|token| {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok::<_, header::InvalidHeaderValue>(value)
        });
        let bearer =
            bearer.transpose().map_err(|_| "the token has other than visible characters")?;
        Ok(Self { site, trust, bearer })
    }

    pub(super) fn has_token(&self) -> bool {
        self.bearer.is_some()
    }

    /// Asks once and reads the answer. The exchange is boxed, so that it is no part of every task
    /// that waits for one.
    pub(crate) async fn ask(&self, asked: Asked<'_>) -> Result<HttpAnswer, HttpFailure> {
        let exchange: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(self.exchange(asked));
        let patience = Duration::from_millis(VERIFY_REQUEST_MS_MAX);
        let none = || HttpFailure::Unreachable(format!("no answer in {VERIFY_REQUEST_MS_MAX} ms"));
        timeout(patience, exchange).await.unwrap_or_else(|_| Err(none()))
    }

    async fn exchange(&self, asked: Asked<'_>) -> Result<HttpAnswer, HttpFailure> {
        let broken = |error: hyper::Error| HttpFailure::Unreachable(format!("HTTP: {error}"));
        let (stream, peer) = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer; its error is told to the sender.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(self.request(asked)?).await;
        let answer = match answer {
            Ok(answer) => read(answer, peer).await,
            Err(error) => Err(broken(error)),
        };
        connection.abort();
        answer
    }

    fn request(&self, asked: Asked<'_>) -> Result<Request<Full<Bytes>>, HttpFailure> {
        let Asked { method, path, offer, with_token } = asked;
        let mut request = Request::builder()
            .method(method)
            .uri(self.site.path(path))
            .header(header::HOST, self.site.authority())
            .header(header::CONNECTION, "close");
        if let Some(bearer) = self.bearer.as_ref().filter(|_| with_token) {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if offer.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/sdp");
        }
        let body = Full::new(Bytes::from(offer.unwrap_or_default()));
        request.body(body).map_err(|error| HttpFailure::Unreachable(error.to_string()))
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, SocketAddr), HttpFailure> {
        let SiteUrl { host, port, is_https, .. } = &self.site;
        let of_host = |why: String| HttpFailure::Unreachable(format!("{host}: {why}"));
        let of_io = |error: io::Error| of_host(error.to_string());
        let found =
            names::resolve(host, *port).await.map_err(|error| of_host(error.to_string()))?;
        let stream = connect_to_first(&found).await.map_err(of_io)?;
        let peer = stream.peer_addr().map_err(of_io)?;
        Ok(if *is_https { (self.encrypt(stream).await?, peer) } else { (Box::new(stream), peer) })
    }

    async fn encrypt(&self, stream: TcpStream) -> Result<Box<dyn Stream>, HttpFailure> {
        let trust = match &self.trust {
            SiteTrust::Undecided | SiteTrust::Any => CameraTrust::FirstUse,
            SiteTrust::Fingerprint(fingerprint) => CameraTrust::Fingerprint(*fingerprint),
            SiteTrust::Authority(path) => CameraTrust::Authority(path.clone()),
        };
        let connected = camera::connect(stream, &self.site.host, &trust, None).await;
        let connected = connected.map_err(|error| of_tls(&error))?;
        if self.trust == SiteTrust::Undecided {
            return Err(HttpFailure::Untrusted(format!(
                "it shows a certificate with SHA-256 {}, and nothing says whether that is right",
                connected.certificate
            )));
        }
        Ok(Box::new(connected.stream))
    }
}

async fn read(answer: Response<Incoming>, peer: SocketAddr) -> Result<HttpAnswer, HttpFailure> {
    let (head, body) = answer.into_parts();
    let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let whole = Limited::new(body, VERIFY_ANSWER_BYTES_MAX).collect().await;
    let whole = whole.map_err(|error| HttpFailure::Unreachable(format!("HTTP: {error}")))?;
    let location = location.map(str::to_owned);
    Ok(HttpAnswer { status: head.status, location, body: whole.to_bytes(), peer })
}

fn of_tls(error: &CameraTlsError) -> HttpFailure {
    match error.of_server() {
        (true, why) => HttpFailure::Untrusted(why),
        (false, why) => HttpFailure::Unreachable(why),
    }
}
