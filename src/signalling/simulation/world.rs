//! The world around signalling: clients, their browsers, the media thread, operators and the clock.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::oneshot;

use super::browser::{Outcome, ScriptedHandshake, fragment, number, sdp};
use super::model::{Model, ModelSession, Pending};
use super::seen::Seen;
use crate::access::{Owner, Policy};
use crate::codec::CodecProfile;
use crate::limits::{OFFER_WAIT_US, PROFILE, SESSION_RESTART_US, SESSIONS_MAX};
use crate::media::{Command, HandshakeDatagram, SessionId};
use crate::rtp::testing::Random;
use crate::signalling::{
    AnswerTerms, IfMatch, MediaLink, OfferRefusal, OfferRequest, Patch, PatchRefusal, Patched,
    Permit, Signalling, Turn,
};
use crate::status::SessionStats;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::DtlsIdentity;

const MS_US: u64 = 1000;
const CAMERAS: usize = 6;
const PROFILE_LEVEL_ID: u32 = 0x42_e0_1f;

/// Keeps what the media thread would get.
#[derive(Default)]
struct Link {
    commands: RefCell<Vec<Command>>,
    is_behind: Cell<bool>,
}

impl MediaLink for Link {
    fn command(&self, command: Command) {
        self.commands.borrow_mut().push(command);
    }

    fn is_behind(&self) -> bool {
        self.is_behind.get()
    }

    fn transmit(&self, _: &[u8], _: SocketAddr, _: IpAddr) {}
}

/// An offer in the queue for a handshake slot.
struct Waiting {
    offer: OfferRequest,
    grant: oneshot::Receiver<Permit>,
    until_us: u64,
}

pub(super) struct World {
    pub(super) random: Random,
    clients: usize,
    /// Whether some browsers are silent from the start.
    has_silent: bool,
    /// An address whose browsers are silent up to a time.
    quiet: (IpAddr, u64),
    pub(super) now_us: u64,
    pub(super) signalling: Signalling<ScriptedHandshake>,
    stats: &'static [SessionStats; SESSIONS_MAX],
    link: Link,
    pub(super) model: Model,
    waiting: Vec<Waiting>,
    pub(super) round_us: u64,
    made: u64,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(seed: u64, clients: usize) -> Self {
        let stats: &'static [SessionStats; SESSIONS_MAX] =
            Box::leak(Box::new([const { SessionStats::new() }; SESSIONS_MAX]));
        let identity = DtlsIdentity::new().expect("a certificate");
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            clients,
            has_silent: seed % 8 < 4,
            quiet: (Ipv4Addr::UNSPECIFIED.into(), 0),
            now_us: 1_000_000,
            signalling: Signalling::new(identity, stats),
            stats,
            link: Link::default(),
            model: Model::default(),
            waiting: Vec::new(),
            round_us: 0,
            made: 0,
            seen: Seen::default(),
        }
    }

    /// Lets one thing happen, and what follows from it.
    pub(super) fn step(&mut self) {
        match self.random.below(100) {
            0..26 => self.offer(),
            26..60 => self.datagram(),
            60..65 if self.clients < 20 || self.random.one_in(4) => self.end_by_media(),
            65..69 if self.clients < 20 || self.random.one_in(4) => self.delete(),
            69..76 => self.patch(),
            76 if self.is_rare() => self.remove_camera(),
            77 if self.is_rare() => self.close_to_strangers(),
            78 => self.link.is_behind.set(self.random.one_in(8)),
            79 if self.is_rare() => self.pass(20_000),
            80 => self.quiet = (self.peer(), self.now_us + 2_500 * MS_US),
            _ => self.pass(200),
        }
        self.round();
        self.check();
    }

    /// Everybody leaves, and so do the offers that waited.
    pub(super) fn leave(&mut self) {
        self.link.is_behind.set(false);
        let all = self.ids(|_| true);
        self.end_all(&all, Ended::Deleted, "deleted");
        self.waiting.clear();
        self.round();
        self.check();
    }

    /// Offers until no slot is free; how many sessions there are then.
    pub(super) fn fill(&mut self) -> usize {
        for _ in 0..2 * SESSIONS_MAX {
            if !self.is_full() {
                self.offer();
                self.round();
            }
        }
        self.model.sessions.len()
    }

    /// What clears the table is rarer in a crowd, which is there to fill it.
    fn is_rare(&mut self) -> bool {
        let n = self.clients;
        self.random.one_in(n)
    }

    fn peer(&mut self) -> IpAddr {
        peer_of(self.client())
    }

    fn client(&mut self) -> u8 {
        u8::try_from(self.random.below(self.clients)).expect("it fits")
    }

    /// Time passes, at most `ms`, with a round whenever one is due.
    pub(super) fn pass(&mut self, ms: usize) {
        let until_us = self.now_us + self.random.below(ms) as u64 * MS_US;
        while self.round_us <= until_us {
            self.now_us = self.round_us.max(self.now_us);
            self.round();
        }
        self.now_us = until_us;
        for session in self.model.sessions.values_mut().filter(|session| session.is_live) {
            let is_quiet = session.peer == self.quiet.0 && until_us < self.quiet.1;
            if !is_quiet && (session.age % 5 != 0 || !self.has_silent) {
                session.last_sign_us = until_us;
                self.stats[usize::from(session.id.slot)].last_sign_us.store(until_us, Relaxed);
            }
        }
    }

    fn offer(&mut self) {
        let client = self.client();
        let peer = peer_of(client);
        let key = IpAddr::from([10, 1, 0, client]);
        self.made += 1;
        let offer = OfferRequest {
            owner: Owner::Address { key, is_local: client.is_multiple_of(3) },
            camera: format!("camera{}", self.random.below(CAMERAS)),
            sdp: sdp(self.made),
            peer: SocketAddr::new(peer, 50_000),
            client: peer,
            asked: Ipv4Addr::LOCALHOST.into(),
        };
        let room = self.signalling.room(peer, &offer.owner, &self.link, self.now_us);
        let (who, why) = self.makes_room(&offer);
        match room {
            Ok(None) => assert!(!self.is_full()),
            Ok(Some((session, ended))) => {
                assert!(
                    who.contains(&session) && why == ended,
                    "{session:?} {ended:?} {who:?} {why:?}"
                );
            }
            Err(_) => {
                assert!(self.link.is_behind.get() || self.is_full() && who.is_empty());
                self.seen.note(if self.link.is_behind.get() { "behind" } else { "full" });
                return;
            }
        }
        match self.signalling.ask(offer.client) {
            Ok(Turn::Now(permit)) => self.open(&offer, permit),
            Ok(Turn::Wait(grant)) => {
                let until_us = self.now_us + OFFER_WAIT_US;
                self.waiting.push(Waiting { offer, grant, until_us });
            }
            Err(_) => assert!(self.waiting.len() >= PROFILE.offers_waiting),
        }
    }

    fn is_full(&self) -> bool {
        self.model.sessions.len() == SESSIONS_MAX
    }

    fn makes_room(&self, offer: &OfferRequest) -> (Vec<SessionId>, Ended) {
        if !self.is_full() {
            return (Vec::new(), Ended::Surplus);
        }
        self.model.makes_room(&offer.owner, offer.peer.ip(), &self.pending(), self.now_us)
    }

    /// Has an offer answered that has its turn.
    fn open(&mut self, offer: &OfferRequest, permit: Permit) {
        let (was_full, (who, why)) = (self.is_full(), self.makes_room(offer));
        let camera = u16::try_from(self.random.below(CAMERAS)).expect("it fits");
        let candidates = [SocketAddr::new(offer.asked, 8118)];
        let terms = AnswerTerms {
            camera,
            camera_profile: CodecProfile::H264(PROFILE_LEVEL_ID),
            sound: None,
            candidates: &candidates,
            resend: true,
        };
        let answer = self.signalling.open(offer, &terms, permit, &self.link, self.now_us);
        let gone = self.drain();
        let Ok(answer) = answer else {
            assert!(matches!(answer, Err(OfferRefusal::Full { .. })), "{answer:?}");
            assert!(self.link.is_behind.get() || was_full && who.is_empty());
            assert!(gone.is_empty(), "an offer that was refused ended {gone:?}");
            return;
        };
        assert_eq!(gone.len(), usize::from(was_full), "{gone:?}");
        for (session, ended) in gone {
            assert!(
                who.contains(&session.id) && ended == why,
                "{session:?} {ended:?} {who:?} {why:?}"
            );
        }
        let id = self.signalling.sessions().find(&answer.secret).expect("it has begun");
        let session = ModelSession {
            id,
            // By when it got its slot: offers that waited are answered later.
            age: self.seen.of("answered"),
            number: number(&offer.sdp),
            owner: offer.owner,
            peer: offer.peer.ip(),
            camera,
            secret: answer.secret,
            etag: answer.etag,
            ufrag: 0,
            is_live: false,
            is_ended_by_media: false,
            last_sign_us: 0,
            restarted_us: None,
        };
        self.model.sessions.insert(id.slot, session);
        self.seen.note("answered");
    }

    /// A browser in a handshake sends something.
    fn datagram(&mut self) {
        let pending = self.pending();
        if pending.is_empty() {
            return;
        }
        let Pending { id, begun_us, client, .. } = pending[self.random.below(pending.len())];
        let outcome = match self.random.below(20) {
            0..12 => Outcome::Answered,
            12..17 => Outcome::Connected,
            17 | 18 => Outcome::NoGcm,
            _ => Outcome::Broken,
        };
        let bytes = heapless::Vec::from_slice(&outcome.datagram()).expect("two bytes");
        let (from, to) =
            (SocketAddr::new(client, 50_000), SocketAddr::from(([127, 0, 0, 1], 8118)));
        let datagram = HandshakeDatagram { session: id, from, to, bytes };
        self.signalling.receive(&datagram, &self.link, self.now_us);
        let gone = self.drain();
        let ends: Vec<(SessionId, Ended)> = gone.iter().map(|(one, why)| (one.id, *why)).collect();
        match outcome {
            _ if begun_us.is_none() && self.model.sessions.contains_key(&id.slot) => {}
            Outcome::Answered => assert_eq!(ends, []),
            Outcome::Connected => assert!(self.model.session_mut(id).is_live && ends.is_empty()),
            Outcome::NoGcm => assert_eq!(ends, [(id, Ended::NoGcm)]),
            Outcome::Broken => assert_eq!(ends, [(id, Ended::HandshakeFailed)]),
        }
    }

    /// The media thread finds a session silent, and control may end it at the same moment.
    fn end_by_media(&mut self) {
        let Some(session) = self.any(|session| session.is_live && !session.is_ended_by_media)
        else {
            return;
        };
        let (slot, generation) = (usize::from(session.id.slot), session.id.generation);
        self.stats[slot].end(generation, Ended::Silent as u8);
        self.model.session_mut(session.id).is_ended_by_media = true;
        if self.random.one_in(4) {
            return; // the task that routes this has not run yet
        }
        if self.random.one_in(4) {
            self.signalling.end(session.id, Ended::Deleted, None, &self.link, self.now_us);
            self.drain();
        }
        self.signalling.release_ended(self.now_us);
        let ended: Vec<ModelSession> =
            self.model.sessions.values().filter(|one| one.is_ended_by_media).cloned().collect();
        for session in ended {
            self.model.end(&session, Ended::Silent);
            self.seen.note("ended by media");
        }
        assert!(self.link.commands.borrow().is_empty(), "the media thread knows");
    }

    fn delete(&mut self) {
        if let Some(session) = self.any(|_| true) {
            self.end_all(&[session.id], Ended::Deleted, "deleted");
        }
    }

    fn remove_camera(&mut self) {
        let camera = u16::try_from(self.random.below(CAMERAS)).expect("it fits");
        let watching = self.signalling.sessions().of(camera);
        let expected: Vec<SessionId> = self.ids(|session| session.camera == camera);
        assert_eq!(watching, expected);
        self.end_all(&watching, Ended::CameraRemoved, "camera removed");
    }

    fn close_to_strangers(&mut self) {
        let strangers = self.signalling.sessions().strangers(&Policy::default());
        let strangers: Vec<SessionId> = strangers.into_iter().map(|(session, _)| session).collect();
        let is_stranger =
            |one: &ModelSession| matches!(one.owner, Owner::Address { is_local: false, .. });
        assert_eq!(strangers, self.ids(is_stranger));
        self.end_all(&strangers, Ended::AccountGone, "no longer let in");
    }

    fn end_all(&mut self, sessions: &[SessionId], ended: Ended, what: &'static str) {
        for session in sessions {
            self.signalling.end(*session, ended, None, &self.link, self.now_us);
            let gone = self.drain();
            assert_eq!(gone.len(), 1);
            self.seen.note(what);
        }
    }

    fn patch(&mut self) {
        let Some(session) = self.any(|_| true) else { return };
        let if_match = match self.random.below(4) {
            0 => IfMatch::Absent,
            1 => IfMatch::Tags(vec!["another".to_owned()]),
            2 => IfMatch::Any,
            _ => IfMatch::Tags(vec!["another".to_owned(), session.etag.clone()]),
        };
        // The ufrag of the last generation, the present one, or a new one.
        let ufrag = (session.ufrag + self.random.below(3) as u64).saturating_sub(1);
        let is_new = ufrag > session.ufrag;
        let secret = session.secret.clone();
        let fragment = fragment(session.number, ufrag);
        let patch = Patch { secret, if_match, fragment, asked: Ipv4Addr::LOCALHOST.into() };
        let candidates = || {
            heapless::Vec::from_slice(&[SocketAddr::from(([127, 0, 0, 1], 8118))]).expect("it fits")
        };
        let patched = self.signalling.patch(&patch, candidates, &self.link, self.now_us);
        assert!(self.drain().is_empty(), "a patch ends nothing");
        let is_soon = session.restarted_us.is_some_and(|at| self.now_us < at + SESSION_RESTART_US);
        let expected = match &patch.if_match {
            IfMatch::Tags(tags) if tags.len() == 1 => Err(PatchRefusal::Unmatched),
            _ if !is_new => Ok(()),
            IfMatch::Absent => Err(PatchRefusal::Unconditional),
            _ if !session.is_live => Err(PatchRefusal::Handshake),
            _ if is_soon => Err(PatchRefusal::TooSoon),
            _ if self.link.is_behind.get() => Err(PatchRefusal::Behind),
            _ => Ok(()),
        };
        match patched {
            Ok(Patched::Unchanged) => assert!(expected.is_ok() && !is_new),
            Ok(Patched::Restarted { etag, .. }) => {
                assert!(expected.is_ok() && is_new && etag != session.etag);
                let now_us = self.now_us;
                let session = self.model.session_mut(session.id);
                (session.etag, session.ufrag, session.restarted_us) = (etag, ufrag, Some(now_us));
                self.seen.note("restarted");
            }
            Err(refusal) => {
                assert_eq!(expected, Err(refusal));
                self.seen.note("restart refused");
            }
        }
    }

    /// A round of the driver, and the offers that got their turn by it.
    fn round(&mut self) {
        let before = self.pending();
        self.waiting.retain(|waiting| waiting.until_us > self.now_us);
        // Who was granted a slot already only has to take it.
        let queued = self.waiting.iter().filter(|waiting| waiting.grant.is_empty());
        let queued: Vec<IpAddr> = queued.map(|waiting| waiting.offer.client).collect();
        self.round_us = self.signalling.round(&self.link, self.now_us);
        let gone = self.drain();
        self.check_evictions(before, &queued, &gone);
        self.check_round();
        let mut at = 0;
        while at < self.waiting.len() {
            if let Ok(permit) = self.waiting[at].grant.try_recv() {
                let Waiting { offer, .. } = self.waiting.swap_remove(at);
                self.seen.note("waited for a slot");
                self.open(&offer, permit);
            } else if self.random.one_in(200) {
                self.waiting.swap_remove(at);
                self.seen.note("left the queue");
            } else {
                at += 1;
            }
        }
    }

    /// Has the model take what the media thread got. Returns the sessions that were ended.
    fn drain(&mut self) -> Vec<(ModelSession, Ended)> {
        let commands = self.link.commands.take();
        let mut gone = Vec::new();
        for command in commands {
            if let Command::Live(promote) = &command {
                self.seen.note("connected");
                self.model.session_mut(promote.session).last_sign_us = self.now_us;
            }
            gone.extend(self.model.take(&command));
        }
        for (_, ended) in &gone {
            match ended {
                Ended::Evicted => self.seen.note("evicted"),
                Ended::Replaced => self.seen.note("replaced"),
                Ended::Surplus => self.seen.note("surplus"),
                Ended::HandshakeEvicted => self.seen.note("handshake evicted"),
                Ended::HandshakeTimeout => self.seen.note("handshake timed out"),
                Ended::HandshakeFailed => self.seen.note("handshake failed"),
                _ => {}
            }
        }
        gone
    }

    pub(super) fn pending(&self) -> Vec<Pending> {
        let active = self.signalling.handshakes.active.iter();
        let pending = active.map(|active| Pending {
            id: active.session,
            client: active.client,
            begun_us: active.begun_us,
            is_held: active.held_since_us().is_some(),
            checked_us: active.checked_us,
        });
        pending.collect()
    }

    /// The sessions that `is_meant` selects, by slot.
    fn ids(&self, is_meant: impl Fn(&ModelSession) -> bool) -> Vec<SessionId> {
        let meant = self.model.sessions.values().filter(|session| is_meant(session));
        meant.map(|session| session.id).collect()
    }

    /// Any of the sessions that `is_meant` selects.
    fn any(&mut self, is_meant: impl Fn(&ModelSession) -> bool) -> Option<ModelSession> {
        let ids = self.ids(is_meant);
        if ids.is_empty() {
            return None;
        }
        let id = ids[self.random.below(ids.len())];
        Some(self.model.session_mut(id).clone())
    }
}

/// Two clients share an address.
fn peer_of(client: u8) -> IpAddr {
    [10, 0, 0, client / 2].into()
}
