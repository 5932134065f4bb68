//! A playing camera: extracts RTP from the connection's bytes or takes it as datagrams, and keeps
//! the camera sending.
//!
//! It runs on the media thread and does not allocate; its memory is fixed, apart from a few texts
//! that the dialog made. A session is alive while RTP arrives. As long as it does, no answer of the
//! camera, right or wrong, ends the session, and no answer is waited for (Tapo answers keepalives
//! with the wrong CSeq, others never answer). It has neither clock nor socket.

use super::auth::Auth;
use super::error::SessionError;
use super::examine::{Channels, Unwanted};
use super::framing::{Broken, Framer, Item};
use super::habits;
use super::message::{Head, MessageKind, RtspRequest, answer};
use super::reception::Reception;
use super::reorder::{Reorder, ReorderWindow};
use super::rtcp::{KeyFrameRequest, RtcpPacket};
use super::schedule::Schedule;
use super::sdp::SoundTrack;
use super::transmit::Transmit;
use crate::limits::{RTSP_KEY_FRAME_INTERVAL_US, VIDEO_CLOCK_HZ};
use crate::mem::pool::{CarryPool, ReorderPool};

mod datagrams;
mod sound;

pub use datagrams::CameraTrack;
use sound::SessionSound;

/// Receives a session's packets; called by [`Session::receive`] and [`Session::datagram`].
pub trait Sink {
    /// One RTP packet of the video track, at least 12 bytes.
    fn rtp(&mut self, packet: &[u8]);
    /// One compound RTCP packet about the video track.
    fn report(&mut self, packet: &[u8]) {
        let _ = packet;
    }
    /// One RTP packet of the sound, at least 12 bytes.
    fn sound(&mut self, packet: &[u8]);
    /// One compound RTCP packet about the sound.
    fn sound_report(&mut self, packet: &[u8]) {
        let _ = packet;
    }
    /// Bytes were lost: the stream can be decoded again from the next IDR on.
    fn broken(&mut self, why: Broken);
}

/// Counters of unusual events in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FramingCounters {
    /// Frames on channels that were not set up.
    pub unknown_channel: u64,
    /// Frames that were too short, or had a payload type other than the video track's.
    pub unknown_content: u64,
    /// How often the connection was out of sync.
    pub resyncs: u64,
    /// Frames dropped for lack of a carry slot.
    pub abandoned: u64,
}

/// A session with a camera, from PLAY to TEARDOWN.
#[derive(Debug)]
pub struct Session {
    /// Bytes received after the SETUP answer, kept until the first [`Session::receive`].
    leftover: Vec<u8>,
    framer: Framer,
    play: PlayState,
    reorder: Reorder,
    sound_reorder: Reorder,
}

/// How a session's RTP comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RtpRoute {
    /// On channels of the RTSP connection.
    Interleaved(Channels),
    /// As datagrams.
    Datagrams {
        /// The payload type of the video track.
        payload_type: u8,
        /// The sound, if it was set up.
        sound: Option<SoundTrack>,
        /// How long after PLAY was accepted there may be none; if not given, as long as the camera
        /// may be silent anyway.
        silence_us: Option<u64>,
    },
}

/// The results of the handshake with the camera.
#[derive(Debug)]
pub(super) struct Negotiated {
    /// The aggregate URL, for PLAY, keepalives and TEARDOWN.
    pub base: String,
    pub session_id: Option<String>,
    pub timeout_s: Option<u32>,
    pub route: RtpRoute,
    pub auth: Auth,
    /// The CSeq of the next request.
    pub cseq: u32,
    /// The SSRC that weir uses in its reports.
    pub ssrc: u32,
    pub keepalive: habits::Keepalive,
    pub leftover: Vec<u8>,
}

impl Session {
    pub(super) fn new(negotiated: Negotiated) -> Self {
        let channels = match negotiated.route {
            RtpRoute::Interleaved(channels) => Some(channels),
            RtpRoute::Datagrams { .. } => None,
        };
        Self {
            leftover: negotiated.leftover,
            framer: Framer::new(channels),
            reorder: Reorder::new(ReorderWindow::PICTURE),
            sound_reorder: Reorder::new(ReorderWindow::SOUND),
            play: PlayState {
                base: negotiated.base,
                session_id: negotiated.session_id,
                timeout_s: negotiated.timeout_s,
                route: negotiated.route,
                auth: negotiated.auth,
                cseq: negotiated.cseq,
                ssrc: negotiated.ssrc,
                keepalive: negotiated.keepalive,
                stage: Stage::Set,
                asked: heapless::Vec::new(),
                transmit: Transmit::new(),
                rtcp: RtcpPacket::new(),
                unheard_until_us: u64::MAX,
                schedule: Schedule::new(0, None),
                reception: Reception::new(VIDEO_CLOCK_HZ),
                sound: SessionSound::of(negotiated.route),
                key_frame_us: None,
                key_frame_requests: 0,
                counters: FramingCounters::default(),
            },
        }
    }

    /// Queues PLAY. Called once, before everything else.
    pub fn play(&mut self, now_us: u64) {
        self.play.schedule = Schedule::new(now_us, self.play.timeout_s);
        self.play.stage = Stage::Asked;
        self.play.ask(Method::Play);
        if self.has_datagrams() {
            self.play.report(None, now_us);
            self.play.report_sound(now_us);
        }
    }

    /// Takes the bytes of one read, and calls `sink` for the packets in it.
    ///
    /// # Errors
    /// [`SessionError::PlayRefused`]: the camera refused PLAY, and no RTP has come.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        carry: &mut CarryPool,
        now_us: u64,
        sink: &mut impl Sink,
    ) -> Result<(), SessionError> {
        let leftover = std::mem::take(&mut self.leftover);
        for mut input in [leftover.as_slice(), bytes] {
            while let Some(item) = self.framer.next(&mut input, carry) {
                self.play.take(item, now_us, sink)?;
            }
        }
        Ok(())
    }

    /// Bytes to write to the camera.
    pub fn transmit(&self) -> &[u8] {
        self.play.transmit.bytes()
    }

    /// Removes the first `bytes` of [`Session::transmit`], which were written.
    pub fn sent(&mut self, bytes: usize) {
        self.play.transmit.sent(bytes);
    }

    /// When [`Session::timeout`] must be called next; `u64::MAX` when nothing is due.
    pub fn deadline_us(&self) -> u64 {
        match self.play.stage {
            Stage::Set | Stage::Ended { .. } => u64::MAX,
            Stage::Asked | Stage::Playing { .. } => {
                self.play.schedule.deadline_us().min(self.play.unheard_until_us)
            }
        }
    }

    /// Does what is due: keepalive, receiver report, check for silence.
    ///
    /// # Errors
    /// [`SessionError::Silent`] after too long without RTP; [`SessionError::PlayUnanswered`] if
    /// there was no answer to PLAY either, and [`SessionError::NoDatagrams`] if no datagram came
    /// and another transport can be tried.
    pub fn timeout(&mut self, now_us: u64) -> Result<(), SessionError> {
        self.play.timeout(now_us)
    }

    /// The connection was not read for the last `us` µs; that does not count as the camera's
    /// silence.
    pub fn was_not_read(&mut self, us: u64) {
        self.play.schedule.was_not_read(us);
    }

    /// Asks the camera for a key frame, at most once per second; returns whether this time. Most
    /// cameras ignore it. Without `by_rtcp` only the second is counted, for who asks otherwise.
    pub fn request_key_frame(&mut self, by_rtcp: bool, now_us: u64) -> bool {
        self.play.request_key_frame(by_rtcp, now_us)
    }

    /// Queues TEARDOWN and stops all timers. The caller writes it, and closes the connection when
    /// it is answered or after a third of a second.
    pub fn teardown(&mut self) {
        if !matches!(self.play.stage, Stage::Ended { .. }) {
            self.play.stage = Stage::Ended { answered: false };
            self.play.ask(Method::Teardown);
        }
    }

    /// Whether the camera answered TEARDOWN.
    pub fn is_torn_down(&self) -> bool {
        matches!(self.play.stage, Stage::Ended { answered: true })
    }

    /// Returns the carry slot and the reorder slots to their pools. The connection cannot be read
    /// any more afterwards.
    pub fn release(&mut self, carry: &mut CarryPool, reorder: &mut ReorderPool) {
        self.framer.release(carry);
        self.reorder.clear(reorder);
        self.sound_reorder.clear(reorder);
    }

    /// The counters of unusual events so far.
    pub fn counters(&self) -> FramingCounters {
        self.play.counters
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Set up; PLAY was not sent yet.
    Set,
    /// PLAY was sent; neither an answer nor RTP has come.
    Asked,
    /// PLAY was accepted, or RTP came; `heard` tells whether RTP came.
    Playing { heard: bool },
    /// TEARDOWN was sent.
    Ended { answered: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Play,
    Keepalive,
    Teardown,
}

/// The state of a session except its framing.
#[derive(Debug)]
struct PlayState {
    base: String,
    session_id: Option<String>,
    timeout_s: Option<u32>,
    route: RtpRoute,
    auth: Auth,
    cseq: u32,
    ssrc: u32,
    keepalive: habits::Keepalive,
    stage: Stage,
    /// Requests not answered yet, oldest first, each method at most once.
    asked: heapless::Vec<(Method, u32), 3>,
    transmit: Transmit,
    /// With datagrams: what is to be sent to the RTCP port.
    rtcp: RtcpPacket,
    /// When the first datagram must have come; `u64::MAX` once it has.
    unheard_until_us: u64,
    schedule: Schedule,
    reception: Reception,
    /// The sound's side, if it was set up.
    sound: Option<SessionSound>,
    key_frame_us: Option<u64>,
    key_frame_requests: u8,
    counters: FramingCounters,
}

impl PlayState {
    fn take(
        &mut self,
        item: Item<'_>,
        now_us: u64,
        sink: &mut impl Sink,
    ) -> Result<(), SessionError> {
        match item {
            Item::Rtp(packet) => {
                self.rtp_came(packet, now_us);
                sink.rtp(packet);
            }
            Item::Rtcp(packet) => {
                self.reception.rtcp(packet, now_us);
                sink.report(packet);
            }
            Item::Sound(packet) => {
                self.sound_came(packet, now_us);
                sink.sound(packet);
            }
            Item::SoundReport(packet) => {
                self.sound_reported(packet, now_us);
                sink.sound_report(packet);
            }
            Item::Unwanted(Unwanted::Channel) => self.counters.unknown_channel += 1,
            Item::Unwanted(Unwanted::Content) => self.counters.unknown_content += 1,
            Item::Broken(why) => {
                match why {
                    Broken::Abandoned(_) => self.counters.abandoned += 1,
                    Broken::Resync { .. } => self.counters.resyncs += 1,
                }
                sink.broken(why);
            }
            Item::Text(head) => {
                if let Some(head) = Head::parse(head) {
                    return self.take_message(&head, now_us);
                }
            }
        }
        Ok(())
    }

    fn rtp_came(&mut self, packet: &[u8], now_us: u64) {
        self.schedule.rtp_came(now_us);
        self.reception.packet(packet, now_us);
        self.unheard_until_us = u64::MAX;
        if matches!(self.stage, Stage::Asked | Stage::Playing { heard: false }) {
            self.stage = Stage::Playing { heard: true };
        }
    }

    fn take_message(&mut self, head: &Head<'_>, now_us: u64) -> Result<(), SessionError> {
        let MessageKind::Response { status } = head.kind else {
            // A full buffer means that the camera does not read, so it will not miss this answer.
            let _ = answer(head, &mut self.transmit);
            return Ok(());
        };
        if let Some((_, Some(timeout_s))) = head.session() {
            self.schedule.retime(timeout_s);
        }
        match (status, self.answered(head.cseq())) {
            (..200, _) | (_, None) => Ok(()),
            (200..300, Some(method)) => {
                self.auth.accepted();
                if method == Method::Play {
                    self.auth.proven();
                }
                match (method, self.stage) {
                    (Method::Play, Stage::Asked) => {
                        self.stage = Stage::Playing { heard: false };
                        if let RtpRoute::Datagrams { silence_us: Some(silence_us), .. } = self.route
                        {
                            self.unheard_until_us = now_us + silence_us;
                        }
                    }
                    (Method::Teardown, _) => self.stage = Stage::Ended { answered: true },
                    _ => {}
                }
                Ok(())
            }
            (401, Some(method)) => match self.auth.challenged(head.values("WWW-Authenticate")) {
                Ok(()) => {
                    self.ask(method);
                    Ok(())
                }
                Err(_) => {
                    self.auth.forgive();
                    self.refused(method, status)
                }
            },
            (_, Some(method)) => self.refused(method, status),
        }
    }

    fn refused(&mut self, method: Method, status: u16) -> Result<(), SessionError> {
        match (method, self.stage) {
            (Method::Play, Stage::Asked) => Err(SessionError::PlayRefused { status }),
            (Method::Teardown, _) => {
                self.stage = Stage::Ended { answered: true };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The request that an answer belongs to: the one with this CSeq, else the oldest.
    fn answered(&mut self, cseq: Option<u32>) -> Option<Method> {
        let exact = self.asked.iter().position(|(_, number)| Some(*number) == cseq);
        let index = exact.or(if self.asked.is_empty() { None } else { Some(0) })?;
        Some(self.asked.remove(index).0)
    }

    /// Queues a request. It is dropped if the buffer is full because the camera does not read.
    /// Keepalives come again, and a silent camera is noticed.
    fn ask(&mut self, method: Method) {
        let (name, extra) = match method {
            Method::Play => ("PLAY", Some("Range: npt=0.000-")),
            Method::Keepalive => match self.keepalive {
                habits::Keepalive::Options => ("OPTIONS", None),
                habits::Keepalive::GetParameter => ("GET_PARAMETER", None),
            },
            Method::Teardown => ("TEARDOWN", None),
        };
        let request = RtspRequest {
            method: name,
            uri: &self.base,
            cseq: self.cseq,
            session: self.session_id.as_deref(),
            extra,
        };
        if request.write(&mut self.auth, &mut self.transmit).is_ok() {
            self.asked.retain(|(other, _)| *other != method);
            // There are three methods, each at most once, so there is room.
            let _ = self.asked.push((method, self.cseq));
            self.cseq = self.cseq.wrapping_add(1);
        }
    }

    fn timeout(&mut self, now_us: u64) -> Result<(), SessionError> {
        let is_asking = match self.stage {
            Stage::Set | Stage::Ended { .. } => return Ok(()),
            Stage::Asked => true,
            Stage::Playing { .. } => false,
        };
        let due = self.schedule.due(now_us);
        if due.silent {
            return Err(match is_asking {
                true => SessionError::PlayUnanswered,
                false => SessionError::Silent,
            });
        }
        if now_us >= self.unheard_until_us {
            return Err(SessionError::NoDatagrams);
        }
        if due.keepalive && !is_asking {
            self.ask(Method::Keepalive);
        }
        if due.report {
            // Without room, the camera does not read; the next report follows in 5 s.
            self.report(None, now_us);
            self.report_sound(now_us);
        }
        Ok(())
    }

    /// Queues a receiver report, with a request for a key frame if there is one; `false` without
    /// room for it.
    fn report(&mut self, request: Option<KeyFrameRequest>, now_us: u64) -> bool {
        let block = self.reception.report_block(now_us);
        let packet = RtcpPacket::report(self.ssrc, block, request);
        match self.route {
            RtpRoute::Interleaved(channels) => {
                packet.write_frame(channels.rtcp, &mut self.transmit).is_ok()
            }
            RtpRoute::Datagrams { .. } => {
                self.rtcp = packet;
                true
            }
        }
    }

    fn request_key_frame(&mut self, by_rtcp: bool, now_us: u64) -> bool {
        let recent = self
            .key_frame_us
            .is_some_and(|asked_us| now_us < asked_us + RTSP_KEY_FRAME_INTERVAL_US);
        let (false, Stage::Playing { .. }, Some(ssrc)) =
            (recent, self.stage, self.reception.ssrc())
        else {
            return false;
        };
        let request = KeyFrameRequest { ssrc, number: self.key_frame_requests };
        let is_asked = !by_rtcp || self.report(Some(request), now_us);
        if is_asked {
            self.key_frame_us = Some(now_us);
            self.key_frame_requests = self.key_frame_requests.wrapping_add(1);
        }
        is_asked
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
