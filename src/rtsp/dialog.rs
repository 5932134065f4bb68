//! The way from a camera's URL to a session that can be played: OPTIONS, DESCRIBE, SETUP.
//!
//! Runs on the control thread and may allocate: one message at a time, within the bounds of
//! `examine`. It tells its caller what to do ([`Step`]) and is told what came; it opens nothing,
//! resolves nothing and keeps no time. One video track is set up and nothing else: no sound, no
//! metadata, never the way back to the camera.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};

use super::auth::{Auth, AuthError};
use super::control;
use super::error::DialogError;
use super::examine::{Channels, Verdict, examine};
use super::message::{Head, Kind, Request, answer};
use super::sdp::{self, Described, VideoTrack};
use super::session::{Agreed, Session};
use super::setup;
use super::transmit::Transmit;
use super::url::{CameraUrl, Credentials, is_absolute};
use crate::limits::{
    RTSP_BODY_BYTES_MAX, RTSP_EARLY_BYTES_MAX, RTSP_HEAD_BYTES_MAX, RTSP_REDIRECTS_MAX,
    RTSP_SESSION_ID_BYTES_MAX, RTSP_TRANSMIT_BYTES_MAX, RTSP_URL_BYTES_MAX,
};

/// What a dialog wants next.
pub enum Step {
    /// Write this, and ask again.
    Send(Vec<u8>),
    /// Read, and call [`Dialog::receive`] or [`Dialog::closed`].
    Read,
    /// Close the connection, open one to this URL's host, and ask again.
    Connect(CameraUrl),
    /// All is set up: the connection belongs to the session.
    Ready(Box<Ready>),
}

/// What a dialog comes to.
#[derive(Debug)]
pub struct Ready {
    /// The session, before PLAY.
    pub session: Session,
    /// The track it will deliver.
    pub video: VideoTrack,
}

/// A dialog with one camera.
#[derive(Debug)]
pub struct Dialog {
    /// Where the connection goes.
    url: CameraUrl,
    /// What DESCRIBE asks for: the URL's text, or its path as a last resort.
    describe_uri: String,
    auth: Auth,
    cseq: u32,
    stage: Stage,
    out: Transmit,
    connect: Option<CameraUrl>,
    ready: Option<Box<Ready>>,
    redirects: u32,
    /// A fresh connection was already tried after the camera closed one.
    reconnected: bool,
    /// What came and is no whole message yet.
    input: Vec<u8>,
    /// Bytes of a `$` frame that are still to come.
    passing: usize,
    lost: bool,
}

#[derive(Debug)]
enum Stage {
    Options,
    Describe,
    Setup(Box<Setup>),
    /// All is said.
    Over,
}

#[derive(Debug)]
struct Setup {
    described: Described,
    base: String,
    uri: String,
    /// `uri` is already the second try.
    joined: bool,
}

impl Dialog {
    /// A dialog over a connection to `url`'s host. `credentials` go before those of the URL.
    pub fn new(url: CameraUrl, credentials: Option<Credentials>) -> Self {
        let credentials = credentials.or_else(|| url.credentials().cloned());
        let mut dialog = Self {
            describe_uri: url.text().to_owned(),
            url,
            auth: Auth::new(credentials),
            cseq: 1,
            stage: Stage::Options,
            out: Transmit::new(),
            connect: None,
            ready: None,
            redirects: 0,
            reconnected: false,
            input: Vec::new(),
            passing: 0,
            lost: false,
        };
        dialog.ask().expect("an unsigned request with a bounded url fits");
        dialog
    }

    /// What to do now.
    pub fn poll(&mut self) -> Step {
        if let Some(url) = self.connect.take() {
            return Step::Connect(url);
        }
        if !self.out.bytes().is_empty() {
            let bytes = self.out.bytes().to_vec();
            self.out.clear();
            return Step::Send(bytes);
        }
        match self.ready.take() {
            Some(ready) => Step::Ready(ready),
            None => Step::Read,
        }
    }

    /// Takes what one read returned.
    ///
    /// # Errors
    /// Why there will be no session. The dialog is over, and its connection to be closed.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), DialogError> {
        let passed = self.passing.min(bytes.len());
        self.passing -= passed;
        self.input.extend_from_slice(&bytes[passed..]);
        let input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        while !rest.is_empty() && self.connect.is_none() && !matches!(self.stage, Stage::Over) {
            match examine(rest, None, self.lost) {
                Verdict::Need { .. } => break,
                Verdict::Text { total, .. } if total > rest.len() => break,
                Verdict::Text { head, total } => {
                    self.lost = false;
                    let (message, after) = rest.split_at(total);
                    rest = after;
                    self.take_message(&message[..head], &message[head..], rest)?;
                }
                Verdict::Garbage(bytes) => {
                    check_body(rest)?;
                    self.lost = true;
                    rest = &rest[bytes..];
                }
                Verdict::Blank(bytes) => rest = &rest[bytes..],
                Verdict::Unwanted { total, .. }
                | Verdict::Rtp { total }
                | Verdict::Rtcp { total } => {
                    let here = total.min(rest.len());
                    self.passing = total - here;
                    rest = &rest[here..];
                }
            }
        }
        // What is left behind a redirect is the old connection's.
        if self.connect.is_none() && !matches!(self.stage, Stage::Over) {
            self.input = rest.to_vec();
        }
        Ok(())
    }

    /// The camera closed the connection. VStarcam does so after an authenticated DESCRIBE, and
    /// wants it on a fresh one, signed from the start.
    ///
    /// # Errors
    /// It did so for no known reason.
    pub fn closed(&mut self) -> Result<(), DialogError> {
        let before_setup = matches!(self.stage, Stage::Options | Stage::Describe);
        if !before_setup || self.reconnected || !self.auth.is_challenged() {
            return Err(DialogError::Closed { method: self.method() });
        }
        self.reconnected = true;
        self.connect_to(self.url.clone())
    }

    /// A connection to `url` for DESCRIBE.
    fn connect_to(&mut self, url: CameraUrl) -> Result<(), DialogError> {
        self.connect = Some(url.clone());
        self.url = url;
        self.input.clear();
        self.passing = 0;
        self.lost = false;
        self.out.clear();
        self.stage = Stage::Describe;
        self.ask()
    }

    fn method(&self) -> &'static str {
        match self.stage {
            Stage::Options => "OPTIONS",
            Stage::Describe => "DESCRIBE",
            Stage::Setup(_) | Stage::Over => "SETUP",
        }
    }

    /// Queues the request of the stage.
    fn ask(&mut self) -> Result<(), DialogError> {
        let (uri, extra) = match &self.stage {
            Stage::Options => (self.url.text(), None),
            Stage::Describe => (self.describe_uri.as_str(), Some("Accept: application/sdp")),
            Stage::Setup(setup) => (setup.uri.as_str(), Some(setup::TRANSPORT)),
            Stage::Over => return Ok(()),
        };
        within("url", uri.len(), RTSP_URL_BYTES_MAX)?;
        let request = Request { method: self.method(), uri, cseq: self.cseq, session: None, extra };
        self.cseq += 1;
        request.write(&mut self.auth, &mut self.out).map_err(|_| DialogError::OverLimit {
            what: "request",
            bytes: RTSP_TRANSMIT_BYTES_MAX + 1,
            max: RTSP_TRANSMIT_BYTES_MAX,
        })
    }

    fn take_message(&mut self, head: &[u8], body: &[u8], after: &[u8]) -> Result<(), DialogError> {
        let Some(head) = Head::parse(head) else {
            return Err(DialogError::Protocol("a status line that is none"));
        };
        let Kind::Response { status } = head.kind else {
            // No room: the camera asks again.
            let _ = answer(&head, &mut self.out);
            return Ok(());
        };
        match status {
            ..200 => return Ok(()),
            401 => return self.challenged(&head),
            200..300 => self.auth.accepted(),
            _ => {}
        }
        match self.stage {
            // Whatever a camera says to OPTIONS, DESCRIBE is what counts.
            Stage::Options => {
                self.stage = Stage::Describe;
                self.ask()
            }
            Stage::Describe => self.described(status, &head, body),
            Stage::Setup(_) => self.set_up(status, &head, after),
            Stage::Over => Ok(()),
        }
    }

    fn challenged(&mut self, head: &Head<'_>) -> Result<(), DialogError> {
        if let Some(credentials) = self.auth.credentials() {
            credentials.check().map_err(DialogError::Url)?;
        }
        match self.auth.challenged(head.values("WWW-Authenticate")) {
            Ok(()) => self.ask(),
            Err(AuthError::NoCredentials) => Err(DialogError::NoCredentials),
            Err(AuthError::NoScheme) => Err(DialogError::NoScheme),
            Err(AuthError::Refused(tried)) => Err(DialogError::WrongCredentials {
                user: self.auth.credentials().map(|known| known.user.clone()).unwrap_or_default(),
                tried,
            }),
        }
    }

    fn described(&mut self, status: u16, head: &Head<'_>, body: &[u8]) -> Result<(), DialogError> {
        match status {
            200..300 => {}
            300..400 => return self.redirected(head),
            404 => return self.not_found(),
            _ => return Err(refused("DESCRIBE", status)),
        }
        let described = sdp::describe(body)?;
        let base = control::base(
            described.session_control.as_deref(),
            head.text("Content-Base"),
            head.text("Content-Location"),
            self.url.text(),
        );
        within("url", base.len(), RTSP_URL_BYTES_MAX)?;
        let uri = control::append(&base, described.control.as_deref());
        self.stage = Stage::Setup(Box::new(Setup { described, base, uri, joined: false }));
        self.ask()
    }

    /// Some servers want the path alone; if they don't know that either, the URL is wrong.
    fn not_found(&mut self) -> Result<(), DialogError> {
        match control::path_only(&self.describe_uri) {
            Some(path) if is_absolute(&self.describe_uri) => {
                self.describe_uri = path.to_owned();
                self.ask()
            }
            _ => Err(DialogError::NotFound { url: self.url.text().to_owned() }),
        }
    }

    fn redirected(&mut self, head: &Head<'_>) -> Result<(), DialogError> {
        let location = head.text("Location");
        let location = location.ok_or(DialogError::Protocol("a redirect to nowhere"))?;
        let url = CameraUrl::parse(location).map_err(DialogError::Url)?;
        self.redirects += 1;
        if self.redirects > RTSP_REDIRECTS_MAX {
            return Err(DialogError::Redirects);
        }
        let same_host = url.host().eq_ignore_ascii_case(self.url.host());
        let credentials = self.auth.credentials().filter(|_| same_host).cloned();
        self.auth = Auth::new(credentials);
        self.reconnected = false;
        self.describe_uri = url.text().to_owned();
        self.connect_to(url)
    }

    fn set_up(&mut self, status: u16, head: &Head<'_>, after: &[u8]) -> Result<(), DialogError> {
        let Stage::Setup(setup) = &mut self.stage else {
            return Ok(());
        };
        match status {
            200..300 => {}
            400 | 404 | 454 if !setup.joined => {
                let uri = control::join(&setup.base, setup.described.control.as_deref());
                if uri == setup.uri {
                    return Err(refused("SETUP", status));
                }
                setup.joined = true;
                setup.uri = uri;
                return self.ask();
            }
            461 => return Err(DialogError::NoInterleaving),
            _ => return Err(refused("SETUP", status)),
        }
        let channels =
            setup::channels(head.text("Transport")).ok_or(DialogError::NoInterleaving)?;
        let session = head.session();
        let session_id = session.map(|(id, _)| id.to_owned());
        let id_bytes = session_id.as_ref().map_or(0, String::len);
        within("session id", id_bytes, RTSP_SESSION_ID_BYTES_MAX)?;
        within("early data", after.len(), RTSP_EARLY_BYTES_MAX)?;
        let Stage::Setup(setup) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Ok(());
        };
        let video = setup.described.video;
        let session = Session::new(Agreed {
            base: setup.base,
            session_id,
            timeout_s: session.and_then(|(_, timeout_s)| timeout_s),
            channels: Channels {
                rtp: channels.0,
                rtcp: channels.1,
                payload_type: video.payload_type,
            },
            auth: std::mem::replace(&mut self.auth, Auth::new(None)),
            cseq: self.cseq,
            ssrc: ssrc(),
            early: after.to_vec(),
        });
        self.ready = Some(Box::new(Ready { session, video }));
        Ok(())
    }
}

impl fmt::Debug for Step {
    /// Shows no bytes: the password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Read => f.write_str("Read"),
            Self::Connect(url) => write!(f, "Connect({url})"),
            Self::Ready(ready) => write!(f, "Ready({:?})", ready.video),
        }
    }
}

fn refused(method: &'static str, status: u16) -> DialogError {
    match status {
        403 => DialogError::Forbidden,
        453 | 503 => DialogError::Busy { status },
        _ => DialogError::Refused { method, status },
    }
}

fn within(what: &'static str, bytes: usize, max: usize) -> Result<(), DialogError> {
    if bytes > max {
        return Err(DialogError::OverLimit { what, bytes, max });
    }
    Ok(())
}

/// Garbage that begins as an answer is an answer over its bounds: say so rather than wait on.
fn check_body(garbage: &[u8]) -> Result<(), DialogError> {
    if !garbage.starts_with(b"RTSP/") {
        return Ok(());
    }
    let body = Head::parse(garbage).map_or(0, |head| head.content_length());
    within("message body", body, RTSP_BODY_BYTES_MAX)?;
    within("message head", garbage.len(), RTSP_HEAD_BYTES_MAX - 1)
}

/// A random SSRC of our own; any other will do where the kernel has no random bytes.
fn ssrc() -> u32 {
    let mut bytes = [0x77; 4];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        log::warn!("no random bytes for an ssrc");
    }
    u32::from_be_bytes(bytes)
}

#[cfg(test)]
#[path = "dialog_tests.rs"]
mod tests;
