//! The handshake from a camera's URL to a session ready for PLAY: OPTIONS, DESCRIBE, SETUP.
//!
//! It runs on the control thread and may allocate one message at a time, within the bounds of
//! `examine`. It tells its caller what to do ([`DialogStep`]) and gets the bytes received; it opens
//! no connection, resolves no names and keeps no time. It sets up one video track, and the sound if
//! that is wanted and browsers take it. A camera known to play only when all tracks are set up gets
//! that for metadata and other sound too, which weir discards, but never for the backchannel to it.
//!
//! A redirect is followed to another port of the same host, and nowhere else: a camera, or an
//! impostor in its place, must not choose the host that weir connects to and sends its credentials
//! to.

use std::net::IpAddr;

use super::auth::Auth;
use super::control;
use super::error::DialogError;
use super::examine::{Examination, HeadScan, examine};
use super::further::FurtherTracks;
use super::habits::{Forms, Habits, Keepalive};
use super::message::{Head, MessageKind, RtspRequest, answer};
use super::sdp::{self, Described, VideoTrack};
use super::session::{Negotiated, Session};
use super::setup::Transports;
use super::step::{DialogStep, Ready};
use super::transmit::Transmit;
use super::url::{CameraCredentials, CameraUrl, is_absolute};
use crate::limits::{
    RTSP_LEFTOVER_BYTES_MAX, RTSP_NOISE_BYTES_MAX, RTSP_REQUEST_URL_BYTES_MAX,
    RTSP_SESSION_ID_BYTES_MAX, RTSP_TRANSMIT_BYTES_MAX,
};
use crate::random::random;

mod bounds;
mod elsewhere;
mod transport;

use bounds::{check_bounds, refused, within};

/// The RTSP handshake with one camera.
#[derive(Debug)]
pub struct Dialog {
    /// The URL of the current connection.
    url: CameraUrl,
    /// The IP address that this connection goes to.
    peer: IpAddr,
    keepalive: Keepalive,
    forms: Forms,
    all_tracks: bool,
    wants_sound: bool,
    transports: Transports,
    /// The URI for DESCRIBE: the whole URL, or its path as a last attempt.
    describe_uri: String,
    auth: Auth,
    cseq: u32,
    stage: Stage,
    out: Transmit,
    connect: Option<u16>,
    ready: Option<Box<Ready>>,
    redirects: u32,
    /// A new connection was already tried after the camera closed one.
    reconnected: bool,
    /// Bytes received that are not a complete message yet.
    input: Vec<u8>,
    /// Bytes of a `$` frame still to be skipped.
    passing: usize,
    lost: bool,
    /// Bytes received so far that were not part of an answer.
    noise: usize,
    /// How far the message head at the start of `input` was scanned.
    scan: HeadScan,
}

#[derive(Debug)]
enum Stage {
    Options,
    Describe,
    Setup(Box<Setup>),
    /// The video is set up; the other tracks follow, for a camera that waits for them.
    Others(Box<Negotiated>, VideoTrack, Box<FurtherTracks>),
    /// The handshake is complete or has been given up.
    Over,
}

#[derive(Debug)]
struct Setup {
    described: Described,
    base: String,
    uri: String,
    /// `uri` is already the second attempt, made by [`control::join`].
    joined: bool,
}

impl Dialog {
    /// Begins a dialog on a connection to `url`'s host, whose address is `peer`. `credentials` take
    /// precedence over those in the URL. `habits` are what earlier sessions learned of the camera.
    /// `wants_sound` tells whether its sound is to be passed on.
    pub fn new(
        url: CameraUrl,
        peer: IpAddr,
        credentials: Option<CameraCredentials>,
        habits: &Habits,
        wants_sound: bool,
    ) -> Self {
        let credentials = credentials.or_else(|| url.credentials().cloned());
        let forms = habits.forms();
        let request = url.request();
        let path = control::path_only(&request).filter(|_| forms.is_path_only);
        let mut dialog = Self {
            describe_uri: path.unwrap_or(&request).to_owned(),
            forms,
            url,
            peer: peer.to_canonical(),
            keepalive: habits.keepalive(),
            all_tracks: habits.all_tracks(),
            wants_sound,
            transports: Transports::new(None, habits.transport()),
            auth: Auth::new(credentials, habits.takes_digest()).without(forms.refused),
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
            noise: 0,
            scan: HeadScan::NONE,
        };
        dialog.ask().expect("an unsigned request with a bounded url fits");
        dialog
    }

    /// The caller's next step. Call it again after each step until it is [`DialogStep::Read`].
    pub fn poll(&mut self) -> DialogStep {
        if let Some(port) = self.connect.take() {
            return DialogStep::Connect(port);
        }
        if !self.out.bytes().is_empty() {
            let bytes = self.out.bytes().to_vec();
            self.out.clear();
            return DialogStep::Send(bytes);
        }
        if self.waits_for_ports() {
            return DialogStep::OpenPorts;
        }
        match self.ready.take() {
            Some(ready) => DialogStep::Ready(ready),
            None => DialogStep::Read,
        }
    }

    /// Takes the bytes of one read.
    ///
    /// # Errors
    /// The reason why there will be no session, as [`DialogError`]. The dialog is over, and the
    /// caller must close the connection.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), DialogError> {
        let passed = self.passing.min(bytes.len());
        self.passing -= passed;
        let mut input = std::mem::take(&mut self.input);
        // Only what is needed: `examine` bounds the size of a message.
        input.reserve_exact(bytes.len() - passed);
        input.extend_from_slice(&bytes[passed..]);
        let mut rest = input.as_slice();
        while !rest.is_empty() && !self.is_interrupted() {
            match examine(rest, None, self.lost, &mut self.scan) {
                Examination::Need { .. } => break,
                Examination::Text { total, .. } if total > rest.len() => break,
                Examination::Text { head, total } => {
                    self.lost = false;
                    let (message, after) = rest.split_at(total);
                    rest = after;
                    self.take_message(&message[..head], &message[head..], rest)?;
                }
                Examination::Garbage(bytes) => {
                    check_bounds(&rest[..bytes])?;
                    self.pass_over(bytes)?;
                    self.lost = true;
                    rest = &rest[bytes..];
                }
                Examination::Blank(bytes) => {
                    self.pass_over(bytes)?;
                    rest = &rest[bytes..];
                }
                Examination::Unwanted { total, .. }
                | Examination::Rtp { total }
                | Examination::Rtcp { total }
                | Examination::Sound { total }
                | Examination::SoundReport { total } => {
                    let here = total.min(rest.len());
                    self.passing = total - here;
                    rest = &rest[here..];
                }
            }
            self.scan = HeadScan::NONE;
        }
        // After a redirect the rest of the input belongs to the old connection.
        if self.connect.is_none() && !matches!(self.stage, Stage::Over) {
            let done = input.len() - rest.len();
            input.drain(..done);
            self.input = input;
        }
        Ok(())
    }

    /// Whether the rest of a read is not looked at, or not yet.
    fn is_interrupted(&self) -> bool {
        self.connect.is_some() || matches!(self.stage, Stage::Over) || self.waits_for_ports()
    }

    /// Counts bytes that are not part of an answer; an error once they are too many.
    fn pass_over(&mut self, bytes: usize) -> Result<(), DialogError> {
        self.noise += bytes;
        within("noise", self.noise, RTSP_NOISE_BYTES_MAX)
    }

    /// Whether the camera has accepted Digest, in this dialog or an earlier one.
    pub fn takes_digest(&self) -> bool {
        self.auth.takes_digest()
    }

    /// Whether the camera has yet to answer the SETUP of its sound: one that never does is not
    /// asked again.
    pub fn awaits_sound(&self) -> bool {
        matches!(&self.stage, Stage::Others(_, _, further) if further.is_sound_next())
    }

    /// The camera closed the connection. VStarcam does so after an authenticated DESCRIBE, and
    /// expects it again on a new connection, signed from the start; then the dialog goes on.
    ///
    /// # Errors
    /// [`DialogError::Closed`]: no such reason is known, or this was tried before.
    pub fn closed(&mut self) -> Result<(), DialogError> {
        let before_setup = matches!(self.stage, Stage::Options | Stage::Describe);
        if !before_setup || self.reconnected || !self.auth.is_challenged() {
            return Err(DialogError::Closed { method: self.method() });
        }
        self.reconnected = true;
        self.connect_to(self.url.clone())
    }

    /// Asks the caller for a connection to `url`, on which DESCRIBE is sent.
    fn connect_to(&mut self, url: CameraUrl) -> Result<(), DialogError> {
        self.connect = Some(url.port());
        self.url = url;
        self.input.clear();
        self.passing = 0;
        self.lost = false;
        self.scan = HeadScan::NONE;
        self.out.clear();
        self.stage = Stage::Describe;
        self.ask()
    }

    fn method(&self) -> &'static str {
        match self.stage {
            Stage::Options => "OPTIONS",
            Stage::Describe => "DESCRIBE",
            Stage::Setup(_) | Stage::Others(..) | Stage::Over => "SETUP",
        }
    }

    /// Queues the request of the current stage.
    fn ask(&mut self) -> Result<(), DialogError> {
        let transport;
        let mut session = None;
        let (uri, extra) = match &self.stage {
            Stage::Options => (self.describe_uri.as_str(), None),
            Stage::Describe => (self.describe_uri.as_str(), Some("Accept: application/sdp")),
            Stage::Setup(_) | Stage::Others(..) if self.waits_for_ports() => return Ok(()),
            Stage::Setup(setup) => {
                transport = self.transports.header(0, false);
                (setup.uri.as_str(), Some(transport.as_str()))
            }
            Stage::Others(negotiated, _, further) => {
                let Some((uri, channel)) = further.next() else { return Ok(()) };
                transport = self.transports.header(channel, further.is_sound_next());
                session = negotiated.session_id.as_deref();
                (uri, Some(transport.as_str()))
            }
            Stage::Over => return Ok(()),
        };
        within("url", uri.len(), RTSP_REQUEST_URL_BYTES_MAX)?;
        let request = RtspRequest { method: self.method(), uri, cseq: self.cseq, session, extra };
        self.cseq += 1;
        request.write(&mut self.auth, &mut self.out).map_err(|_| DialogError::OverLimit {
            what: "request",
            bytes: RTSP_TRANSMIT_BYTES_MAX + 1,
            max: RTSP_TRANSMIT_BYTES_MAX,
        })
    }

    fn take_message(&mut self, head: &[u8], body: &[u8], after: &[u8]) -> Result<(), DialogError> {
        let bytes = head.len() + body.len();
        let Some(head) = Head::parse(head) else {
            return Err(DialogError::Protocol("an invalid status line"));
        };
        let MessageKind::Response { status } = head.kind else {
            // When the answer does not fit, the camera asks again.
            let _ = answer(&head, &mut self.out);
            return self.pass_over(bytes);
        };
        match status {
            ..200 => return self.pass_over(bytes),
            401 => return self.challenged(&head),
            200..300 => {
                self.auth.accepted();
                if !matches!(self.stage, Stage::Options) {
                    self.auth.proven();
                }
            }
            _ => {}
        }
        match self.stage {
            // Any final answer to OPTIONS will do; DESCRIBE is what counts.
            Stage::Options => {
                self.stage = Stage::Describe;
                self.ask()
            }
            Stage::Describe => self.described(status, &head, body),
            Stage::Setup(_) => self.set_up(status, &head, after),
            Stage::Others(..) => self.set_up_other(status, &head, after),
            Stage::Over => Ok(()),
        }
    }

    fn challenged(&mut self, head: &Head<'_>) -> Result<(), DialogError> {
        match self.auth.challenged(head.values("WWW-Authenticate")) {
            Ok(()) => self.ask(),
            Err(error) => Err(DialogError::of_login(error, &self.auth)),
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
            &self.url.request(),
        );
        within("url", base.len(), RTSP_REQUEST_URL_BYTES_MAX)?;
        let joined = self.forms.is_joined;
        let url_of = if joined { control::join } else { control::append };
        let uri = url_of(&base, described.control.as_deref());
        self.stage = Stage::Setup(Box::new(Setup { described, base, uri, joined }));
        self.ask()
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
            461 => return self.next_transport(),
            _ => return Err(refused("SETUP", status)),
        }
        let group = setup.described.group;
        let Some(granted) = self.transports.granted(head.text("Transport"), 0, group) else {
            return self.next_transport();
        };
        let session = head.session();
        let session_id = session.map(|(id, _)| id.to_owned());
        let id_bytes = session_id.as_ref().map_or(0, String::len);
        within("session id", id_bytes, RTSP_SESSION_ID_BYTES_MAX)?;
        let Stage::Setup(setup) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Ok(());
        };
        let Setup { described, base, joined: is_joined, .. } = *setup;
        let is_path_only = !is_absolute(&self.describe_uri);
        self.forms = Forms { is_path_only, is_joined, refused: self.auth.refused() };
        let wanted = (self.wants_sound, self.all_tracks);
        let further = FurtherTracks::of(&described, &base, is_joined, wanted, granted);
        let video = described.video;
        let negotiated = Box::new(Negotiated {
            base,
            session_id,
            timeout_s: session.and_then(|(_, timeout_s)| timeout_s),
            route: self.route(granted, video.payload_type),
            auth: Auth::new(None, false),
            cseq: 0,
            ssrc: u32::from_be_bytes(random()),
            keepalive: self.keepalive,
            leftover: Vec::new(),
        });
        self.stage = Stage::Others(negotiated, video, Box::new(further));
        self.set_up_next(after)
    }

    /// Handles the answer for a further track. A refusal is no error: only the video is needed.
    fn set_up_other(
        &mut self,
        status: u16,
        head: &Head<'_>,
        after: &[u8],
    ) -> Result<(), DialogError> {
        if let Stage::Others(negotiated, _, further) = &mut self.stage
            && let Some((_, first)) = further.next()
        {
            let group = further.group();
            let granted = self.transports.granted(head.text("Transport"), first, group);
            let granted = granted.filter(|_| (200..300).contains(&status));
            further.answered(granted, &mut negotiated.route);
        }
        self.set_up_next(after)
    }

    /// Sets up the next further track; after the last one the session is ready.
    fn set_up_next(&mut self, after: &[u8]) -> Result<(), DialogError> {
        match &self.stage {
            Stage::Others(_, _, further) if further.next().is_some() => return self.ask(),
            _ => {}
        }
        within("early data", after.len(), RTSP_LEFTOVER_BYTES_MAX)?;
        let Stage::Others(mut negotiated, video, further) =
            std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return Ok(());
        };
        let FurtherTracks { sound, delivery: of_sound, .. } = *further;
        let takes_digest = self.auth.takes_digest();
        negotiated.auth = std::mem::replace(&mut self.auth, Auth::new(None, takes_digest));
        negotiated.cseq = self.cseq;
        negotiated.leftover = after.to_vec();
        let (timeout_s, is_in_the_clear) =
            (negotiated.timeout_s, negotiated.auth.is_in_the_clear());
        let session = Session::new(*negotiated);
        let Transports { now: transport, delivery, .. } = self.transports;
        self.ready = Some(Box::new(Ready {
            session,
            video,
            sound,
            transport,
            delivery,
            sound_delivery: of_sound,
            forms: self.forms,
            timeout_s,
            is_in_the_clear,
        }));
        Ok(())
    }
}

#[cfg(test)]
#[path = "dialog_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "dialog_transport_tests.rs"]
mod transport_tests;
#[cfg(test)]
#[path = "dialog_trust_tests.rs"]
mod trust_tests;
