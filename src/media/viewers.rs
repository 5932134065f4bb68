//! Datagrams that browsers send to the media port, and the session states that they change.

use std::sync::atomic::Ordering::Relaxed;

use crate::egress::batch::Path;
use crate::egress::rtcp::{self, Feedback};
use crate::egress::sound::SoundSubscription;
use crate::egress::subscription::Subscription;
use crate::limits::ICMP_ERRORS_PER_ITERATION;
use crate::net::udp::RECEIVE_DATAGRAMS_MAX;
use crate::random::random;
use crate::status::{self, TABLES};
use crate::webrtc::admission::Admission;
use crate::webrtc::consent::{Check, Pairs, REPLY_BYTES_MAX};
use crate::webrtc::demux::DatagramKind;
use crate::webrtc::ended::Ended;
use crate::webrtc::place::{self, QUESTION_BYTES_MAX};
use crate::webrtc::session::Live;

use super::event_loop::EventLoop;
use super::memory::Memory;
use super::sessions::State;
use super::subscribers::SubscribedMedia;
use super::{Expect, HandshakeDatagram, Promote, SessionId};

/// The most feedback messages taken from one SRTCP packet; the rest is dropped. A NACK of up to 17
/// packets is one message.
const FEEDBACK_MAX: usize = 64;

impl EventLoop {
    /// Receives the datagrams that wait on the media socket, a bounded number per iteration.
    pub(super) fn receive(&mut self) {
        // Bounded, so that a flood of datagrams does not starve the cameras.
        for _ in 0..8 {
            let Ok(count) = self.socket.receive(&mut self.memory.inbox) else { return };
            for index in 0..count {
                self.datagram(index);
            }
            if count < RECEIVE_DATAGRAMS_MAX {
                return;
            }
        }
        self.has_datagrams = true;
    }

    /// Reads the ICMP errors about sent datagrams, a bounded number per iteration.
    pub(super) fn take_errors(&mut self) {
        for _ in 0..ICMP_ERRORS_PER_ITERATION {
            let Some(error) = self.socket.next_error() else { return };
            self.icmp_errors += 1;
            if let Some(by) = error.unreachable_by {
                self.socket.keep_apart(error.to.ip(), by, self.now_us);
            }
            let Memory { sessions, demux, .. } = &mut *self.memory;
            // In a handshake the missing checks end the session anyway.
            let live = demux.slot(&error.to).and_then(|slot| sessions.live(slot));
            if let Some(live) = live
                && error.is_unreachable
            {
                live.unreachable(error.to, self.now_us);
            }
        }
        self.has_errors = true;
    }

    fn datagram(&mut self, index: usize) {
        let datagram = self.memory.inbox.datagram(index, self.port);
        match DatagramKind::of(datagram.bytes) {
            DatagramKind::Stun => self.check(index),
            DatagramKind::Dtls(kind) => self.dtls(index, kind),
            DatagramKind::Srtcp => self.srtcp(index),
            DatagramKind::Other => {}
        }
    }

    /// A STUN check. Once verified, it is answered here for a live session, handed to control for a
    /// session in handshake, and answered with close_notify for an ended session.
    fn check(&mut self, index: usize) {
        let Memory { inbox, sessions, demux, .. } = &mut *self.memory;
        let datagram = inbox.datagram(index, self.port);
        let path = Path { to: datagram.from, from: datagram.to.ip() };
        let Some(check) = Check::parse(datagram.bytes) else { return self.answer(index) };
        let Some(slot) = check.slot() else { return };
        let holder = demux.slot(&path.to).filter(|holder| *holder != slot);
        let holder = holder.and_then(|holder| sessions.live(holder));
        let is_held = holder.is_some_and(|live| live.holds(path.to, self.now_us));
        let Some(session) = sessions.slot(slot) else { return };
        let Some(credentials) = session.pairs.verify(&check, path.to) else { return };
        if is_held {
            // A check does not prove its source address, and another session's media goes there.
            return;
        }
        match &mut session.state {
            State::Empty => {}
            State::Handshake(admission) => {
                if !admission.check(path.to, path.from, self.now_us) {
                    return refuse();
                }
                demux.learn(path.to, slot, [admission.speaks_from(), None]);
                let session = SessionId { slot, generation: session.generation };
                self.hand_over(session, index);
            }
            State::Live { live, .. } => {
                live.check(path, check.nominates(), self.now_us);
                let mut buffer = [0; REPLY_BYTES_MAX];
                if let Some(reply) = check.reply(credentials, path.to, &mut buffer) {
                    // A browser repeats a check without a reply, so a send error needs no handling.
                    let _ = self.socket.send_to(reply, path.to, path.from);
                }
                let kept = [Some(live.path().to), session.pairs.nominated()];
                demux.learn(path.to, slot, kept);
            }
            State::Ended { close_notify } => {
                let _ = self.socket.send_to(close_notify, path.to, path.from);
            }
        }
    }

    /// A STUN response to the check with which weir tested the address that SRTCP reports come
    /// from.
    fn answer(&mut self, index: usize) {
        let Memory { inbox, sessions, demux, .. } = &mut *self.memory;
        let datagram = inbox.datagram(index, self.port);
        let path = Path { to: datagram.from, from: datagram.to.ip() };
        let Some(transaction) = place::answer(datagram.bytes) else { return };
        let live = demux.slot(&path.to).and_then(|slot| sessions.live(slot));
        if let Some(live) = live {
            live.answered(path, &transaction, self.now_us);
        }
    }

    /// A DTLS record: handed to control in a handshake; for a live session a repeated flight or a
    /// hint.
    fn dtls(&mut self, index: usize, kind: u8) {
        let Memory { inbox, sessions, demux, .. } = &mut *self.memory;
        let datagram = inbox.datagram(index, self.port);
        let path = Path { to: datagram.from, from: datagram.to.ip() };
        let Some(slot) = demux.slot(&path.to) else { return };
        let Some(session) = sessions.slot(slot) else { return };
        match &mut session.state {
            State::Handshake(admission) => {
                if !admission.dtls(path.to, self.now_us) {
                    return refuse();
                }
                let session = SessionId { slot, generation: session.generation };
                self.hand_over(session, index);
            }
            State::Live { live, .. } => {
                if let Some(flight) = live.dtls(kind, path, self.now_us) {
                    let _ = self.socket.send_to(flight, path.to, path.from);
                }
            }
            State::Empty | State::Ended { .. } => {}
        }
    }

    /// Puts a datagram into control's queue. When the queue is full it is dropped; the browser
    /// repeats it.
    fn hand_over(&mut self, session: SessionId, index: usize) {
        let datagram = self.memory.inbox.datagram(index, self.port);
        let Ok(bytes) = heapless::Vec::from_slice(datagram.bytes) else { return };
        let handed = HandshakeDatagram { session, from: datagram.from, to: datagram.to, bytes };
        // Counted before it is sent: control may read it before `try_send` returns.
        TABLES.handshake_datagrams.take();
        if self.control.datagrams.try_send(handed).is_ok() {
            self.control.wakeup.notify_one();
        } else {
            TABLES.handshake_datagrams.give();
            TABLES.handshake_datagrams.was_full();
        }
    }

    fn srtcp(&mut self, index: usize) {
        let Memory { inbox, sessions, demux, .. } = &mut *self.memory;
        let datagram = inbox.datagram(index, self.port);
        let path = Path { to: datagram.from, from: datagram.to.ip() };
        let Some(slot) = demux.slot(&path.to) else { return };
        let Some(session) = sessions.slot(slot) else { return };
        let State::Live { live, subscriber, .. } = &mut session.state else { return };
        let subscriber = *subscriber;
        let Ok(compound) = live.srtcp(datagram.bytes, path, self.now_us) else { return };
        let is_heeded = live.heeds_report(self.now_us);
        session.pairs.prove(live.path().to);
        if let Some((path, transaction)) = live.ask(self.now_us, random) {
            let mut buffer = [0; QUESTION_BYTES_MAX];
            if let Some(question) =
                place::write(session.pairs.of(path.to), &transaction, &mut buffer)
            {
                // When this check is lost, the next report triggers another.
                let _ = self.socket.send_to(question, path.to, path.from);
            }
        }
        if !is_heeded {
            status::GAUGES.reports_refused.fetch_add(1, Relaxed);
            return;
        }
        let mut all = heapless::Vec::<Feedback, FEEDBACK_MAX>::new();
        rtcp::parse(compound, |feedback| {
            let _ = all.push(feedback);
        });
        for feedback in all {
            self.feedback(subscriber, feedback);
        }
    }

    /// Begins a session's handshake, with a fresh state for its slot.
    pub(super) fn expect(&mut self, expect: Expect) {
        let Expect { session: id, credentials } = expect;
        self.memory.demux.forget(id.slot);
        let Some(session) = self.memory.sessions.open(id.slot) else { return };
        session.generation = id.generation;
        session.pairs = Pairs::new(credentials);
        session.state = State::Handshake(Admission::new(self.now_us));
        status::SESSIONS[usize::from(id.slot)].reset();
    }

    /// An ICE restart of a live session: only the credentials for its checks change.
    pub(super) fn restart(&mut self, restart: Expect) {
        let Expect { session: id, credentials } = restart;
        let Some(session) = self.memory.sessions.find(id) else { return };
        if matches!(session.state, State::Live { .. }) {
            session.pairs.restart(credentials);
        }
    }

    /// A session's handshake is complete: it subscribes to its stream, and to its sound if that was
    /// agreed on, and is served at once.
    pub(super) fn promote(&mut self, promote: Promote) {
        let Promote { session: id, start, stream, rtp_params, sound, random } = promote;
        let now_us = self.now_us;
        let Memory { sessions, subscribers, demux, streams, .. } = &mut *self.memory;
        let Some(session) = sessions.find(id) else { return };
        let picture = SubscribedMedia::Picture(Subscription::new(rtp_params, random[0]));
        let Ok(subscriber) = subscribers.admit(id.slot, stream, picture) else {
            // Control admits no more sessions than the table has subscriptions, so this does not
            // happen; it is counted in case it does.
            TABLES.subscriptions.was_full();
            self.end(id, Ended::HandshakeFailed);
            return;
        };
        let sound = sound.and_then(|params| {
            let sound = SubscribedMedia::Sound(SoundSubscription::new(params, random[1]));
            subscribers.admit(id.slot, stream, sound).ok()
        });
        let path = start.path;
        demux.learn(path.to, id.slot, [Some(path.to), None]);
        session.state = State::Live { live: Live::new(start, now_us), subscriber, sound };
        let slot = usize::from(stream);
        streams[slot].looked_at(now_us);
        // A still alone shows no motion until the next key frame, so the camera is asked for one.
        if streams[slot].ring().start().is_none_or(|start| start.until.is_some()) {
            let stats = &status::CAMERAS[slot];
            self.memory.cameras.request_key_frame(slot, stats, now_us);
        }
        self.count_viewers(stream);
        self.serve(slot);
    }

    /// Ends a session, unless its slot has a newer use.
    pub(super) fn end(&mut self, id: SessionId, ended: Ended) {
        let Some(session) = self.memory.sessions.find(id) else { return };
        match &session.state {
            State::Live { live, subscriber, sound } => {
                let (path, subscriber, sound) = (live.path(), *subscriber, *sound);
                let close_notify = live.close_notify().clone();
                let _ = self.socket.send_to(&close_notify, path.to, path.from);
                // The session is dropped in place, which wipes its keys.
                session.state = State::Ended { close_notify };
                sound.and_then(|sound| self.memory.subscribers.release(sound));
                if let Some(stream) = self.memory.subscribers.release(subscriber) {
                    self.count_viewers(stream);
                }
            }
            State::Ended { .. } => {}
            State::Empty | State::Handshake(_) => session.state = State::Empty,
        }
        status::SESSIONS[usize::from(id.slot)].end(id.generation, ended as u8);
        self.control.wakeup.notify_one();
    }

    /// Ends the live sessions that timed out, and copies the statistics of all live sessions.
    pub(super) fn review_sessions(&mut self) {
        for slot in self.memory.sessions.slots() {
            let Some(session) = self.memory.sessions.slot(slot) else { continue };
            let State::Live { live, subscriber, sound } = &session.state else { continue };
            let id = SessionId { slot, generation: session.generation };
            let (subscriber, sound, last_sign_us) = (*subscriber, *sound, live.last_sign_us());
            status::SESSIONS[usize::from(slot)].address.set(live.path().to);
            let found = self.memory.subscribers.find(subscriber);
            let picture = found.and_then(|found| found.picture());
            let is_sending = picture.is_some_and(|picture| !picture.is_waiting());
            let ended = self
                .memory
                .sessions
                .live(slot)
                .and_then(|live| live.ended(is_sending, self.now_us));
            self.report_session(slot, subscriber, sound, last_sign_us);
            if let Some(ended) = ended {
                self.end(id, ended);
            }
        }
    }

    /// Ends every live session.
    pub(super) fn end_all(&mut self, ended: Ended) {
        for slot in self.memory.sessions.slots() {
            let Some(session) = self.memory.sessions.slot(slot) else { continue };
            let id = SessionId { slot, generation: session.generation };
            if matches!(session.state, State::Live { .. }) {
                self.end(id, ended);
            }
        }
    }

    fn count_viewers(&mut self, stream: u16) {
        let viewers = self.memory.subscribers.count(stream);
        status::CAMERAS[usize::from(stream)].viewers.store(viewers, Relaxed);
        TABLES.subscriptions.set(self.memory.subscribers.len());
    }
}

/// Counts a datagram beyond the limits of its handshake.
fn refuse() {
    status::GAUGES.handshake_datagrams_refused.fetch_add(1, Relaxed);
}
