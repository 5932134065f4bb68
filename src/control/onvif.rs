//! A conversation with a camera by ONVIF: where its media service is and which profile has our
//! stream, and then a key frame.
//!
//! Each request has a connection of its own, as cameras close idle ones, and is bounded by
//! [`ONVIF_REQUEST_MS_MAX`]; a conversation by the heap account that it is charged to. It goes to
//! the host of the camera's URL and nowhere else, whatever the camera's answers say. The password
//! is never sent: a request carries a digest of it, by WS-Security, or by HTTP where the camera
//! asks for that.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::dial_error::DialError;
use super::link::connect;
use crate::clock;
use crate::config::{self, CameraTrust};
use crate::limits::{ONVIF_ANSWER_BYTES_MAX, ONVIF_READ_BYTES, ONVIF_REQUEST_MS_MAX};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::net::names;
use crate::onvif::{
    AnswerError, DEVICE_PATH, MediaVersion, OnvifAnswer, OnvifRequest, UsernameToken,
};
use crate::random::random;
use crate::rtsp::{CameraCredentials, CameraUrl, HttpLogin, LoginRefused};
use crate::tls::CameraPins;
use crate::tls::camera;

/// What is known of a camera's ONVIF services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnvifService {
    media_path: String,
    version: MediaVersion,
    /// The profile whose stream is that of the camera's URL, or else its first.
    profile: String,
    /// How far its clock is ahead of ours, in seconds.
    ahead_s: i64,
}

/// Why a conversation failed.
#[derive(Debug)]
pub(super) enum OnvifError {
    /// There is no connection.
    Dial(DialError),
    /// It broke, or what came is not HTTP.
    Http(String),
    Timeout,
    Answer(AnswerError),
    Login(LoginRefused),
    /// The camera answered with this fault.
    Fault(String),
    /// With this status and no fault.
    Status(u16),
    /// It has no media service.
    NoMedia,
    NoProfile,
}

/// A camera while it is asked.
struct OnvifCamera<'c> {
    section: &'c config::Camera,
    url: CameraUrl,
    pins: &'c CameraPins,
    credentials: Option<CameraCredentials>,
    login: HttpLogin,
    ahead_s: i64,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// An answer by HTTP.
struct HttpAnswer {
    status: StatusCode,
    challenges: Vec<Vec<u8>>,
    body: Vec<u8>,
}

/// [`converse`] with a heap account of its own; what it returns is shared. `Ok` holds the time at
/// which the key frame was asked for.
pub(super) async fn converse_charged(
    section: &config::Camera,
    pins: &CameraPins,
    known: Option<OnvifService>,
    for_key_frame: bool,
) -> Result<(OnvifService, u64), OnvifError> {
    let of_refusal = |refused| OnvifError::Dial(DialError::Refused(refused));
    let account = HeapAccount::open(AccountKind::Onvif).map_err(of_refusal)?;
    let conversation = converse(section, pins, known, for_key_frame);
    account.charge(conversation).await.unwrap_or_else(|over| {
        over.tell(format_args!("with camera {}", section.name));
        Err(OnvifError::Dial(DialError::OverBudget(over)))
    })
}

/// Finds the camera's service, unless it is `known`, and then asks for a key frame, if one is
/// wanted.
async fn converse(
    section: &config::Camera,
    pins: &CameraPins,
    known: Option<OnvifService>,
    for_key_frame: bool,
) -> Result<(OnvifService, u64), OnvifError> {
    let mut camera = OnvifCamera::new(section, pins).ok_or(OnvifError::NoMedia)?;
    if let Some(service) = known {
        camera.ahead_s = service.ahead_s;
        let asked_us = clock::now_us();
        match camera.synchronize(&service).await {
            Ok(()) => return Ok((service, asked_us)),
            // Its clock was set, or its profiles are others: it is asked for all once more.
            Err(OnvifError::Login(_) | OnvifError::Fault(_) | OnvifError::Status(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let service = camera.find().await?;
    let asked_us = clock::now_us();
    if for_key_frame {
        camera.synchronize(&service).await?;
    }
    Ok((service, asked_us))
}

#[cfg(test)]
impl OnvifService {
    /// One that was found, for tests.
    pub(super) fn testing() -> Self {
        let (media_path, profile) = ("/m".to_owned(), "p".to_owned());
        Self { media_path, version: MediaVersion::One, profile, ahead_s: 0 }
    }
}

impl<'c> OnvifCamera<'c> {
    /// `None` for a camera whose section has no port of ONVIF.
    fn new(section: &'c config::Camera, pins: &'c CameraPins) -> Option<Self> {
        let credentials = section.credentials();
        let login = HttpLogin::new(credentials.clone());
        Some(Self { section, url: section.onvif_url()?, pins, credentials, login, ahead_s: 0 })
    }

    async fn find(&mut self) -> Result<OnvifService, OnvifError> {
        // A camera that does not tell its time takes ours.
        let answer = self.ask(DEVICE_PATH, OnvifRequest::DateAndTime).await;
        match answer {
            Ok(answer) => {
                let ahead_s = |at_s: u64| at_s.cast_signed() - clock::unix_s().cast_signed();
                self.ahead_s = answer.unix_s.map_or(0, ahead_s);
            }
            Err(OnvifError::Fault(_) | OnvifError::Status(_)) => self.ahead_s = 0,
            Err(error) => return Err(error),
        }
        let (version, media_path) = self.media().await?;
        let tokens = self.ask(&media_path, OnvifRequest::Profiles(version)).await?.tokens;
        let own = self.section.url.as_ref().map_or("/", CameraUrl::path).to_owned();
        let mut profile = None;
        if tokens.len() > 1 {
            for token in &tokens {
                let answer = self.ask(&media_path, OnvifRequest::StreamUri(version, token)).await?;
                if answer.stream_path.is_some_and(|path| path == own) {
                    profile = Some(token.clone());
                    break;
                }
            }
        }
        let profile = profile.or_else(|| tokens.first().cloned()).ok_or(OnvifError::NoProfile)?;
        Ok(OnvifService { media_path, version, profile, ahead_s: self.ahead_s })
    }

    /// Where its media service is. One of the first version is in its capabilities; a camera that
    /// has none there has a list of all services, with the second among them.
    async fn media(&mut self) -> Result<(MediaVersion, String), OnvifError> {
        match self.ask(DEVICE_PATH, OnvifRequest::Capabilities).await {
            Ok(OnvifAnswer { media_path: Some(path), .. }) => return Ok((MediaVersion::One, path)),
            // A service of the first version is unknown to it, or this question is.
            Ok(_) | Err(OnvifError::Fault(_) | OnvifError::Status(_)) => {}
            Err(error) => return Err(error),
        }
        let found = self.ask(DEVICE_PATH, OnvifRequest::Services).await?.services;
        let one = found.one.map(|path| (MediaVersion::One, path));
        let two = found.two.map(|path| (MediaVersion::Two, path));
        one.or(two).ok_or(OnvifError::NoMedia)
    }

    async fn synchronize(&mut self, service: &OnvifService) -> Result<(), OnvifError> {
        let request = OnvifRequest::SynchronizationPoint(service.version, &service.profile);
        self.ask(&service.media_path, request).await.map(|_| ())
    }

    /// Asks once; again with a login by HTTP if the camera wants that.
    async fn ask(
        &mut self,
        path: &str,
        request: OnvifRequest<'_>,
    ) -> Result<OnvifAnswer, OnvifError> {
        let created = clock::utc_of(clock::unix_s().saturating_add_signed(self.ahead_s));
        let token = self
            .credentials
            .as_ref()
            .filter(|_| request.is_signed())
            .map(|login| UsernameToken::new(&login.user, &login.password, random(), &created));
        let mut by_http = self.login.authorization("POST", path);
        let mut envelope = request.envelope(token.as_ref().filter(|_| by_http.is_none()));
        loop {
            let answer = self.post(path, request, envelope, by_http).await?;
            let read = OnvifAnswer::read(&answer.body);
            if answer.status == StatusCode::UNAUTHORIZED && !answer.challenges.is_empty() {
                let challenges = answer.challenges.iter().map(Vec::as_slice);
                self.login.challenged(challenges).map_err(OnvifError::Login)?;
                // With both, a camera may check both.
                envelope = request.envelope(None);
                by_http = self.login.authorization("POST", path);
                continue;
            }
            self.login.accepted();
            return match (answer.status, read) {
                (_, Ok(read)) if read.refuses_login() => Err(OnvifError::Login(self.refusal())),
                (_, Ok(OnvifAnswer { fault: Some(fault), .. })) => Err(OnvifError::Fault(fault)),
                (StatusCode::OK, read) => read.map_err(OnvifError::Answer),
                (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                    Err(OnvifError::Login(self.refusal()))
                }
                (status, _) => Err(OnvifError::Status(status.as_u16())),
            };
        }
    }

    /// What a refusal without a challenge means.
    fn refusal(&self) -> LoginRefused {
        if self.credentials.is_some() { LoginRefused::Wrong } else { LoginRefused::NoLogin }
    }

    async fn post(
        &self,
        path: &str,
        request: OnvifRequest<'_>,
        envelope: String,
        authorization: Option<String>,
    ) -> Result<HttpAnswer, OnvifError> {
        let host = self.url.host().split('%').next().unwrap_or_default();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let mut post = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, format!("{open}{host}{close}:{}", self.url.port()))
            .header(header::USER_AGENT, "weir")
            .header(header::CONTENT_TYPE, request.content_type())
            .header(header::CONNECTION, "close");
        if let Some(authorization) = authorization {
            let value = header::HeaderValue::from_str(&authorization);
            let mut value = value.map_err(|error| OnvifError::Http(error.to_string()))?;
            value.set_sensitive(true);
            post = post.header(header::AUTHORIZATION, value);
        }
        let post = post.body(Full::new(Bytes::from(envelope)));
        let post = post.map_err(|error| OnvifError::Http(error.to_string()))?;
        let limit = Duration::from_millis(ONVIF_REQUEST_MS_MAX);
        let exchange = async { exchange(self.connect().await?, post).await };
        timeout(limit, exchange).await.unwrap_or(Err(OnvifError::Timeout))
    }

    /// A connection to the camera's port for ONVIF, encrypted as its RTSP is.
    async fn connect(&self) -> Result<Box<dyn Stream>, OnvifError> {
        let Self { url, section, pins, .. } = self;
        let found = names::resolve(url.host(), url.port()).await;
        let found = found.map_err(|error| OnvifError::Dial(DialError::Name(error)))?;
        let socket = connect(&found).await.map_err(OnvifError::Dial)?;
        if !url.scheme().is_encrypted() {
            return Ok(Box::new(socket));
        }
        let connected = camera::connect(socket, url.host(), &section.trust, pins.of(url)).await;
        let connected = connected.map_err(|error| OnvifError::Dial(DialError::Tls(error)))?;
        if section.trust == CameraTrust::FirstUse {
            pins.pin(url, connected.certificate);
        }
        Ok(Box::new(connected.stream))
    }
}

/// Sends a request and reads the answer, all in this task, so that it is charged to its account.
async fn exchange(
    stream: Box<dyn Stream>,
    post: Request<Full<Bytes>>,
) -> Result<HttpAnswer, OnvifError> {
    let broken = |error: hyper::Error| OnvifError::Http(error.to_string());
    let mut client = http1::Builder::new();
    client.max_buf_size(ONVIF_READ_BYTES);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(async {
        let (head, body) = sender.send_request(post).await.map_err(broken)?.into_parts();
        let challenges = head.headers.get_all(header::WWW_AUTHENTICATE);
        let challenges = challenges.iter().map(|value| value.as_bytes().to_vec()).collect();
        let body = read_whole(body).await?;
        Ok(HttpAnswer { status: head.status, challenges, body })
    });
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What it has read is there still.
        _ = &mut connection => exchange.await,
    }
}

/// Reads a body piece by piece into room that never grows, so that no more of it is in memory than
/// its bound.
async fn read_whole(mut body: Incoming) -> Result<Vec<u8>, OnvifError> {
    let length = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let mut whole = Vec::with_capacity(length.unwrap_or(usize::MAX).min(ONVIF_ANSWER_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| OnvifError::Http(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > ONVIF_ANSWER_BYTES_MAX {
            return Err(OnvifError::Answer(AnswerError::TooLong));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

impl OnvifError {
    /// Whether it says nothing of the camera, as weir had no room to ask.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Dial(DialError::Refused(_)))
    }

    /// Whether asking again cannot help before a person changes something. A login that is refused
    /// too often is banned.
    pub(super) fn needs_person(&self) -> bool {
        match self {
            Self::Login(_) | Self::NoMedia | Self::NoProfile => true,
            Self::Dial(error) => error.needs_person(),
            Self::Http(_) | Self::Timeout | Self::Answer(_) | Self::Fault(_) | Self::Status(_) => {
                false
            }
        }
    }
}

impl fmt::Display for OnvifError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(DialError::Network(error))
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                f.write_str("it refuses the connection: is onvif_port right?")
            }
            Self::Dial(error) => write!(f, "{error}"),
            Self::Http(error) => write!(f, "no answer by HTTP: {error}"),
            Self::Timeout => write!(f, "no answer within {} s", ONVIF_REQUEST_MS_MAX / 1000),
            Self::Answer(error) => write!(f, "{error}"),
            Self::Login(LoginRefused::NoLogin) => {
                f.write_str("it asks for a user and a password, none are configured")
            }
            Self::Login(LoginRefused::NoDigest) => {
                f.write_str("it asks for basic, which would tell the password: set it to digest")
            }
            Self::Login(LoginRefused::Wrong) => f.write_str(
                "it refuses user and password: some cameras have users for ONVIF of their own",
            ),
            Self::Fault(code) => write!(f, "it answers with the fault {code}"),
            Self::Status(status) => write!(f, "it answers with HTTP {status}"),
            Self::NoMedia => f.write_str("it has no media service"),
            Self::NoProfile => f.write_str("it has no profile that can be asked"),
        }
    }
}
