//! A camera that plays: RTP out of the connection's bytes, and what keeps it coming.
//!
//! Lives on the media thread and does not allocate; what it holds is fixed but for a few texts
//! that the dialog made. Its life is RTP: as long as that comes, no answer of the camera, right or
//! wrong, ends the session, and no answer is waited for (Tapo answers keepalives with the wrong
//! CSeq, others never). It keeps no time and no socket.

use super::auth::Auth;
use super::error::SessionError;
use super::examine::{Channels, Unwanted};
use super::framing::{Broken, Framer, Item};
use super::habits;
use super::message::{Head, Kind, Request, answer};
use super::reception::Reception;
use super::rtcp::{self, KeyFrameRequest};
use super::schedule::Schedule;
use super::transmit::Transmit;
use crate::limits::RTSP_KEY_FRAME_INTERVAL_US;
use crate::mem::pool::CarryPool;

/// Where a session's packets go.
pub trait Sink {
    /// One RTP packet of the video track, 12 bytes at least.
    fn rtp(&mut self, packet: &[u8]);
    /// Bytes were lost: what follows makes sense from the next IDR on.
    fn broken(&mut self, why: Broken);
}

/// What went by besides RTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames on channels that were not set up.
    pub unknown_channel: u64,
    /// Frames too short, or of a payload type the SDP did not announce.
    pub unknown_content: u64,
    /// Times the connection was out of step.
    pub resyncs: u64,
    /// Frames that found no carry slot.
    pub abandoned: u64,
}

/// A session with a camera, from PLAY to TEARDOWN.
#[derive(Debug)]
pub struct Session {
    /// What came behind the SETUP answer, until the first [`Session::receive`].
    leftover: Vec<u8>,
    framer: Framer,
    play: PlayState,
}

/// What SETUP settled with the camera.
#[derive(Debug)]
pub(super) struct Negotiated {
    /// The aggregate URL, of PLAY, keepalives and TEARDOWN.
    pub base: String,
    pub session_id: Option<String>,
    pub timeout_s: Option<u32>,
    pub channels: Channels,
    pub auth: Auth,
    /// The next request's number.
    pub cseq: u32,
    /// Our own SSRC, for reports.
    pub ssrc: u32,
    pub keepalive: habits::Keepalive,
    pub leftover: Vec<u8>,
}

impl Session {
    pub(super) fn new(negotiated: Negotiated) -> Self {
        Self {
            leftover: negotiated.leftover,
            framer: Framer::new(negotiated.channels),
            play: PlayState {
                base: negotiated.base,
                session_id: negotiated.session_id,
                timeout_s: negotiated.timeout_s,
                report_channel: negotiated.channels.rtcp,
                auth: negotiated.auth,
                cseq: negotiated.cseq,
                ssrc: negotiated.ssrc,
                keepalive: negotiated.keepalive,
                stage: Stage::Set,
                asked: heapless::Vec::new(),
                transmit: Transmit::new(),
                schedule: Schedule::new(0, None),
                reception: Reception::default(),
                key_frame_us: None,
                key_frame_requests: 0,
                counters: Counters::default(),
            },
        }
    }

    /// Asks the camera to play. Once, at the beginning.
    pub fn play(&mut self, now_us: u64) {
        self.play.schedule = Schedule::new(now_us, self.play.timeout_s);
        self.play.stage = Stage::Asked;
        self.play.ask(Method::Play);
    }

    /// Takes what one read returned, and calls `sink` for what is in it.
    ///
    /// # Errors
    /// PLAY was refused and there is no RTP.
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

    /// Bytes waiting to be written.
    pub fn transmit(&self) -> &[u8] {
        self.play.transmit.bytes()
    }

    /// The first `bytes` of [`Session::transmit`] were written.
    pub fn sent(&mut self, bytes: usize) {
        self.play.transmit.sent(bytes);
    }

    /// When [`Session::timeout`] is to be called next.
    pub fn deadline_us(&self) -> u64 {
        match self.play.stage {
            Stage::Set | Stage::Ended { .. } => u64::MAX,
            Stage::Asked | Stage::Playing { .. } => self.play.schedule.deadline_us(),
        }
    }

    /// Does what is due: keepalive, report, and a look at the camera's silence.
    ///
    /// # Errors
    /// No RTP for too long, or no answer to PLAY.
    pub fn timeout(&mut self, now_us: u64) -> Result<(), SessionError> {
        self.play.timeout(now_us)
    }

    /// The connection was not read for so long, up to now: that is no silence of the camera's.
    pub fn was_not_read(&mut self, us: u64) {
        self.play.schedule.was_not_read(us);
    }

    /// Asks for a key frame, at most once a second; most cameras do not listen.
    pub fn request_key_frame(&mut self, now_us: u64) {
        self.play.request_key_frame(now_us);
    }

    /// Says goodbye. Nothing is due any more; close when it is written and answered, or a third of
    /// a second later.
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

    /// Gives back a carry slot. The connection cannot be read on after it.
    pub fn release(&mut self, carry: &mut CarryPool) {
        self.framer.release(carry);
    }

    /// What went by besides RTP.
    pub fn counters(&self) -> Counters {
        self.play.counters
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Set up; nothing is asked yet.
    Set,
    /// PLAY is asked, and neither granted nor is there RTP.
    Asked,
    /// RTP came, or may come.
    Playing { heard: bool },
    /// TEARDOWN is asked.
    Ended { answered: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Play,
    Keepalive,
    Teardown,
}

/// All of a session but its framing.
#[derive(Debug)]
struct PlayState {
    base: String,
    session_id: Option<String>,
    timeout_s: Option<u32>,
    report_channel: u8,
    auth: Auth,
    cseq: u32,
    ssrc: u32,
    keepalive: habits::Keepalive,
    stage: Stage,
    /// Requests without an answer yet, oldest first, each method once.
    asked: heapless::Vec<(Method, u32), 3>,
    transmit: Transmit,
    schedule: Schedule,
    reception: Reception,
    key_frame_us: Option<u64>,
    key_frame_requests: u8,
    counters: Counters,
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
                self.schedule.rtp_came(now_us);
                self.reception.packet(packet, now_us);
                if matches!(self.stage, Stage::Asked | Stage::Playing { heard: false }) {
                    self.stage = Stage::Playing { heard: true };
                }
                sink.rtp(packet);
            }
            Item::Rtcp(packet) => self.reception.rtcp(packet, now_us),
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
                    return self.take_message(&head);
                }
            }
        }
        Ok(())
    }

    fn take_message(&mut self, head: &Head<'_>) -> Result<(), SessionError> {
        let Kind::Response { status } = head.kind else {
            // A full buffer means that the camera does not read: it will not miss this answer.
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
                    (Method::Play, Stage::Asked) => self.stage = Stage::Playing { heard: false },
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

    /// Which request this is the answer to: the one of that number, or the oldest.
    fn answered(&mut self, cseq: Option<u32>) -> Option<Method> {
        let exact = self.asked.iter().position(|(_, number)| Some(*number) == cseq);
        let index = exact.or(if self.asked.is_empty() { None } else { Some(0) })?;
        Some(self.asked.remove(index).0)
    }

    /// Queues a request. One that finds no room behind what the camera does not read is not sent;
    /// keepalives come again, and a silent camera is noticed.
    fn ask(&mut self, method: Method) {
        let (name, extra) = match method {
            Method::Play => ("PLAY", Some("Range: npt=0.000-")),
            Method::Keepalive => match self.keepalive {
                habits::Keepalive::Options => ("OPTIONS", None),
                habits::Keepalive::GetParameter => ("GET_PARAMETER", None),
            },
            Method::Teardown => ("TEARDOWN", None),
        };
        let request = Request {
            method: name,
            uri: &self.base,
            cseq: self.cseq,
            session: self.session_id.as_deref(),
            extra,
        };
        if request.write(&mut self.auth, &mut self.transmit).is_ok() {
            self.asked.retain(|(other, _)| *other != method);
            // Three methods, each at most once: there is room.
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
        if due.keepalive && !is_asking {
            self.ask(Method::Keepalive);
        }
        if due.report {
            let block = self.reception.report_block(now_us);
            // No room: the camera does not read, and the next report comes in 5 s.
            let _ = rtcp::write(self.report_channel, self.ssrc, block, None, &mut self.transmit);
        }
        Ok(())
    }

    fn request_key_frame(&mut self, now_us: u64) {
        let recent = self
            .key_frame_us
            .is_some_and(|asked_us| now_us < asked_us + RTSP_KEY_FRAME_INTERVAL_US);
        let (false, Stage::Playing { .. }, Some(ssrc)) =
            (recent, self.stage, self.reception.ssrc())
        else {
            return;
        };
        let request = KeyFrameRequest { ssrc, number: self.key_frame_requests };
        let block = self.reception.report_block(now_us);
        let (channel, out) = (self.report_channel, &mut self.transmit);
        if rtcp::write(channel, self.ssrc, block, Some(request), out).is_ok() {
            self.key_frame_us = Some(now_us);
            self.key_frame_requests = self.key_frame_requests.wrapping_add(1);
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
