//! Who has which session's slot, from the POST to the end, and the last that ended.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use crate::access::{LoginHash, Owner, Policy};
use crate::clock;
use crate::limits::{ENDED_SESSIONS_SHOWN, SESSION_RESTART_US, SESSIONS_MAX};
use crate::media::SessionId;
use crate::mem::Full;
use crate::mem::table::{Handle, Table};
use crate::status::{self, SessionStats};
use crate::webrtc::ended::Ended;

use super::sharing::{self, Held};
use super::{Offer, PatchRefusal, SessionStatus};

/// All sessions.
pub(super) struct Sessions {
    table: Table<Record, SESSIONS_MAX>,
    /// With their secrets: who knows one may ask for the reason.
    ended: VecDeque<(String, SessionStatus)>,
    /// Sessions that ended since the start; the last ones are in `ended`.
    ends: u64,
    next_id: u64,
}

/// How far a reader of the list is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// The next slot to look into.
    slot: u16,
    /// The number of the next ended one, counted since the start.
    ended: u64,
    /// The number behind the last one that is shown, once the ended ones are reached.
    ends: Option<u64>,
}

/// One session.
pub(super) struct Record {
    id: u64,
    /// The camera's slot.
    pub(super) camera: u16,
    /// Its name.
    name: String,
    /// Who posted its offer.
    peer: IpAddr,
    /// Whose it is.
    owner: Owner,
    /// The secret part of its URL.
    pub(super) secret: String,
    /// Of its ICE credentials.
    pub(super) etag: String,
    /// The browser's ufrag, and the one before its last ICE restart.
    remote_ufrags: [Box<str>; 2],
    restarted_us: Option<u64>,
    since_us: u64,
    is_live: bool,
    cipher: Option<&'static str>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), ended: VecDeque::new(), ends: 0, next_id: 1 }
    }

    /// Takes a slot.
    pub(super) fn admit(
        &mut self,
        camera: u16,
        offer: &Offer,
        secret: String,
        etag: String,
    ) -> Result<SessionId, Full> {
        let record = Record {
            id: self.next_id,
            camera,
            name: offer.camera.clone(),
            peer: offer.peer.ip(),
            owner: offer.owner,
            secret,
            etag,
            remote_ufrags: Default::default(),
            restarted_us: None,
            since_us: clock::now_us(),
            is_live: false,
            cipher: None,
        };
        let handle = self.table.admit("sessions", record)?;
        self.next_id += 1;
        stats(handle).reset();
        Ok(seat_id(handle))
    }

    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether the next one finds no room.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= SESSIONS_MAX
    }

    /// The live session that was silent longest of those whose player's address `is_meant`, if that
    /// is longer than `silence_us`.
    pub(super) fn evictable(
        &self,
        now_us: u64,
        silence_us: u64,
        is_meant: impl Fn(IpAddr) -> bool,
    ) -> Option<SessionId> {
        let live = self.table.iter().filter(|(_, record)| record.is_live && is_meant(record.peer));
        let silent = live.map(|(handle, _)| {
            let sign_us = stats(handle).last_sign_us.load(Relaxed);
            (now_us.saturating_sub(sign_us), handle)
        });
        let (silent_us, handle) = silent.max_by_key(|(silent_us, _)| *silent_us)?;
        (silent_us > silence_us).then(|| seat_id(handle))
    }

    /// The session to end for one more of `owner`'s; see [`sharing`].
    pub(super) fn surplus(
        &self,
        owner: &Owner,
        is_unchecked: impl Fn(SessionId) -> bool,
    ) -> Option<SessionId> {
        sharing::surplus(owner, || self.held(), is_unchecked)
    }

    /// The offer to end for one more of `owner`'s; see [`sharing`].
    pub(super) fn unchecked(
        &self,
        owner: &Owner,
        is_unchecked: impl Fn(SessionId) -> bool,
    ) -> Option<SessionId> {
        sharing::unchecked(owner, || self.held(), is_unchecked)
    }

    fn held(&self) -> impl Iterator<Item = Held<'_>> {
        self.table.iter().map(|(handle, record)| Held {
            session: seat_id(handle),
            owner: &record.owner,
            id: record.id,
        })
    }

    /// The sessions that a policy does not let in, and why.
    pub(super) fn strangers(&self, policy: &Policy) -> Vec<(SessionId, &'static str)> {
        let strangers = self
            .table
            .iter()
            .filter_map(|(handle, record)| Some((seat_id(handle), record.owner.problem(policy)?)));
        strangers.collect()
    }

    /// The sessions of a login.
    pub(super) fn of_login(&self, login: &LoginHash) -> Vec<SessionId> {
        let of_login = self.table.iter().filter(|(_, record)| record.owner.login() == Some(login));
        of_login.map(|(handle, _)| seat_id(handle)).collect()
    }

    /// A session's handshake is over.
    pub(super) fn promote(
        &mut self,
        session: SessionId,
        address: SocketAddr,
        cipher: &'static str,
    ) {
        let Some(record) = self.table.find_mut(handle(session)) else { return };
        // The media thread fills these in from its next review on.
        let stats = stats(handle(session));
        stats.last_sign_us.store(clock::now_us(), Relaxed);
        stats.address.set(address);
        record.is_live = true;
        record.cipher = Some(cipher);
    }

    /// Ends a session here; `words` say more than `ended` does, where there is more to say.
    pub(super) fn release(&mut self, session: SessionId, ended: Ended, words: Option<String>) {
        let figures = self.table.find(handle(session)).map(|record| {
            let reason = words.unwrap_or_else(|| ended.reason().to_owned());
            let figures = SessionStatus {
                state: "ended",
                reason: Some(reason),
                ..record.status(stats(handle(session)))
            };
            (record.secret.clone(), figures)
        });
        let Some((secret, figures)) = figures else { return };
        self.table.release(handle(session));
        let camera = &figures.camera;
        let reason = figures.reason.as_deref().unwrap_or_default();
        log::info!("session {} of {camera} ended: {reason}", figures.id);
        if self.ended.len() == ENDED_SESSIONS_SHOWN {
            self.ended.pop_front();
        }
        self.ended.push_back((secret, figures));
        self.ends += 1;
    }

    /// Sessions that the media thread has ended, with its reason.
    pub(super) fn ended_by_media(&self) -> Vec<(SessionId, Ended)> {
        let ended = self.table.iter().filter_map(|(handle, _)| {
            let number = stats(handle).ended(handle.generation)?;
            Some((seat_id(handle), Ended::from_number(number)?))
        });
        ended.collect()
    }

    /// The sessions of a camera's slot.
    pub(super) fn of(&self, camera: u16) -> Vec<SessionId> {
        let of_camera = self.table.iter().filter(|(_, record)| record.camera == camera);
        of_camera.map(|(handle, _)| seat_id(handle)).collect()
    }

    /// The session of a secret.
    pub(super) fn find(&self, secret: &str) -> Option<SessionId> {
        self.table
            .iter()
            .find(|(_, record)| record.secret == secret)
            .map(|(handle, _)| seat_id(handle))
    }

    /// The session of a public id.
    pub(super) fn find_by_id(&self, id: u64) -> Option<SessionId> {
        let found = self.table.iter().find(|(_, record)| record.id == id);
        found.map(|(handle, _)| seat_id(handle))
    }

    /// Why there is no session of a public id.
    pub(super) fn absence_of(&self, id: u64) -> String {
        let ended = self.ended.iter().find(|(_, figures)| figures.id == id);
        match ended.and_then(|(_, figures)| figures.reason.as_deref()) {
            Some(reason) => format!("session {id} has ended already: {reason}"),
            None => format!("there is no session {id}"),
        }
    }

    /// Why a session ended, by its secret.
    pub(super) fn reason_of(&self, secret: &str) -> Option<String> {
        let (_, figures) = self.ended.iter().find(|(known, _)| known == secret)?;
        figures.reason.clone()
    }

    /// A session that is there.
    pub(super) fn record(&mut self, session: SessionId) -> Option<&mut Record> {
        self.table.find_mut(handle(session))
    }

    /// The browser's ufrag is known.
    pub(super) fn name_remote(&mut self, session: SessionId, ufrag: String) {
        if let Some(record) = self.record(session) {
            record.remote_ufrags[0] = ufrag.into();
        }
    }

    /// At most `max` from the `next` on, which moves on: the live ones, then the ended ones,
    /// newest last.
    pub(super) fn status(&self, next: &mut Place, max: usize) -> Vec<SessionStatus> {
        let first = next.slot;
        let living = self.table.iter().skip_while(|(handle, _)| handle.index < first);
        let mut shown = Vec::new();
        for (handle, record) in living.take(max) {
            next.slot = handle.index + 1;
            shown.push(record.status(stats(handle)));
        }
        if shown.is_empty() {
            // Whoever ends from now on is behind the list's end.
            let forgotten = self.ends - self.ended.len() as u64;
            let until = *next.ends.get_or_insert(self.ends);
            next.ended = next.ended.max(forgotten);
            let count = until.saturating_sub(next.ended).min(max as u64);
            let from = usize::try_from(next.ended - forgotten).unwrap_or(usize::MAX);
            let ended = self.ended.iter().skip(from).take(usize::try_from(count).unwrap_or(0));
            shown.extend(ended.map(|(_, figures)| figures.clone()));
            next.ended += shown.len() as u64;
        }
        shown
    }
}

impl Record {
    /// Whether `ufrag` is one the browser had already; candidates of the last but one may be late.
    pub(super) fn knows(&self, ufrag: &str) -> bool {
        self.remote_ufrags.iter().any(|known| **known == *ufrag)
    }

    /// Whether its credentials may be replaced now.
    pub(super) fn admits_restart(&self, now_us: u64) -> Result<(), PatchRefusal> {
        if !self.is_live {
            return Err(PatchRefusal::Handshake);
        }
        match self.restarted_us {
            Some(at_us) if now_us < at_us + SESSION_RESTART_US => Err(PatchRefusal::TooSoon),
            _ => Ok(()),
        }
    }

    /// Its credentials were replaced, as the browser's were.
    pub(super) fn restarted(&mut self, etag: String, remote_ufrag: &str, now_us: u64) {
        self.etag = etag;
        self.remote_ufrags.swap(0, 1);
        self.remote_ufrags[0] = remote_ufrag.into();
        self.restarted_us = Some(now_us);
    }

    fn status(&self, stats: &SessionStats) -> SessionStatus {
        let round_trip_us = stats.round_trip_us.load(Relaxed);
        SessionStatus {
            id: self.id,
            camera: self.name.clone(),
            state: if self.is_live { "live" } else { "handshake" },
            reason: None,
            address: stats.address.shown().map(|address| address.to_string()),
            cipher: self.cipher,
            age_ms: clock::now_us().saturating_sub(self.since_us) / 1000,
            packets: stats.packets.load(Relaxed),
            bytes: stats.bytes.load(Relaxed),
            resends: stats.resends.load(Relaxed),
            resends_refused: stats.resends_refused.load(Relaxed),
            key_frame_requests: stats.key_frame_requests.load(Relaxed),
            skips: stats.skips.load(Relaxed),
            loss_percent: f64::from(stats.fraction_lost.load(Relaxed)) * 100.0 / 256.0,
            round_trip_ms: (round_trip_us > 0).then(|| f64::from(round_trip_us) / 1000.0),
        }
    }
}

fn seat_id(handle: Handle) -> SessionId {
    SessionId { slot: handle.index, generation: handle.generation }
}

fn handle(session: SessionId) -> Handle {
    Handle { index: session.slot, generation: session.generation }
}

fn stats(handle: Handle) -> &'static SessionStats {
    &status::SESSIONS[usize::from(handle.index)]
}
