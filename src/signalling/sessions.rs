//! The session table, from the POST to the end of a session, and the sessions that ended last. Has
//! no clock of its own.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use crate::access::{LoginHash, Owner, Policy};
use crate::diagnosis::SessionFigures;
use crate::limits::{ENDED_SESSIONS_SHOWN, SESSION_RESTART_US, SESSIONS_MAX};
use crate::media::SessionId;
use crate::mem::Full;
use crate::mem::table::{Handle, Table};
use crate::status::SessionStats;
use crate::webrtc::ended::Ended;
use crate::webrtc::remote_ice::RemoteIce;

use super::api::{OfferRequest, PatchRefusal, SessionStatus, SkipsByReason};
use super::sharing::{self, HeldSession};

/// All sessions, and the last that ended.
pub(crate) struct Sessions {
    /// The statistics of each slot, which the media thread writes.
    stats: &'static [SessionStats; SESSIONS_MAX],
    table: Table<SessionRecord, SESSIONS_MAX>,
    /// The last [`ENDED_SESSIONS_SHOWN`] with their secrets: a client that knows the secret may ask
    /// for the reason.
    ended: VecDeque<(String, SessionStatus)>,
    /// The number of sessions that ended since the start.
    ends: u64,
    next_id: u64,
}

/// The position of a reader of the session list between two pages; see
/// [`Sessions::status`]. The default is the list's beginning.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListPosition {
    /// The next slot to look into.
    slot: u16,
    /// The number of the next ended session, counted since the start.
    ended: u64,
    /// The end of the list: one past the last ended session, fixed once the first one is reached.
    ends: Option<u64>,
}

/// One session's entry in the table.
pub(super) struct SessionRecord {
    id: u64,
    /// The slot of its camera.
    pub(super) camera: u16,
    /// The camera's name.
    name: String,
    /// The address that posted the offer.
    peer: IpAddr,
    /// The user, token or address that the session counts for.
    owner: Owner,
    /// The secret part of the session's URL.
    pub(super) secret: String,
    /// The entity tag of its ICE credentials.
    pub(super) etag: String,
    /// The browser's ICE descriptions.
    pub(super) remote_ice: RemoteIce,
    restarted_us: Option<u64>,
    since_us: u64,
    is_live: bool,
    /// A check of its browser came.
    is_checked: bool,
    /// It has a second subscription, for the sound.
    has_sound: bool,
    cipher: Option<&'static str>,
}

impl Sessions {
    pub(super) fn new(stats: &'static [SessionStats; SESSIONS_MAX]) -> Self {
        Self { stats, table: Table::new(), ended: VecDeque::new(), ends: 0, next_id: 1 }
    }

    /// Takes a slot for an offer. The error means that all slots are taken.
    pub(super) fn admit(
        &mut self,
        camera: u16,
        offer: &OfferRequest,
        secret: String,
        etag: String,
        now_us: u64,
    ) -> Result<SessionId, Full> {
        let record = SessionRecord {
            id: self.next_id,
            camera,
            name: offer.camera.clone(),
            peer: offer.peer.ip(),
            owner: offer.owner,
            secret,
            etag,
            remote_ice: RemoteIce::default(),
            restarted_us: None,
            since_us: now_us,
            is_live: false,
            is_checked: false,
            has_sound: false,
            cipher: None,
        };
        let handle = self.table.admit("sessions", record)?;
        self.next_id += 1;
        self.stats(handle).reset();
        Ok(session_id(handle))
    }

    /// The number of slots in use.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether a new session would find no slot.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= SESSIONS_MAX
    }

    /// The live session that has been silent longest among those whose peer address `is_meant`, if
    /// that is longer than `silence_us`.
    pub(super) fn evictable(
        &self,
        now_us: u64,
        silence_us: u64,
        is_meant: impl Fn(IpAddr) -> bool,
    ) -> Option<SessionId> {
        let live = self.table.iter().filter(|(_, record)| record.is_live && is_meant(record.peer));
        let silent = live.map(|(handle, _)| {
            let sign_us = self.stats(handle).last_sign_us.load(Relaxed);
            (now_us.saturating_sub(sign_us), handle)
        });
        let (silent_us, handle) = silent.max_by_key(|(silent_us, _)| *silent_us)?;
        (silent_us > silence_us).then(|| session_id(handle))
    }

    /// The session to end so that `owner` can have one more; see [`sharing::surplus`].
    pub(super) fn surplus(
        &self,
        owner: &Owner,
        is_unchecked: impl Fn(SessionId) -> bool,
    ) -> Option<SessionId> {
        sharing::surplus(owner, || self.held(), is_unchecked)
    }

    /// The offer to end so that `owner` can have one more; see [`sharing::unchecked`].
    pub(super) fn unchecked(
        &self,
        owner: &Owner,
        is_unchecked: impl Fn(SessionId) -> bool,
    ) -> Option<SessionId> {
        sharing::unchecked(owner, || self.held(), is_unchecked)
    }

    fn held(&self) -> impl Iterator<Item = HeldSession<'_>> {
        self.table.iter().map(|(handle, record)| HeldSession {
            session: session_id(handle),
            owner: &record.owner,
            id: record.id,
        })
    }

    /// The sessions that `policy` does not admit, each with the reason.
    pub(crate) fn strangers(&self, policy: &Policy) -> Vec<(SessionId, &'static str)> {
        let strangers = self.table.iter().filter_map(|(handle, record)| {
            Some((session_id(handle), record.owner.problem(policy)?))
        });
        strangers.collect()
    }

    /// The sessions of a login.
    pub(crate) fn of_login(&self, login: &LoginHash) -> Vec<SessionId> {
        let of_login = self.table.iter().filter(|(_, record)| record.owner.login() == Some(login));
        of_login.map(|(handle, _)| session_id(handle)).collect()
    }

    /// Marks a session as live: its handshake is done.
    pub(super) fn promote(
        &mut self,
        session: SessionId,
        address: SocketAddr,
        cipher: &'static str,
        now_us: u64,
    ) {
        let stats = self.stats(handle(session));
        let Some(record) = self.table.find_mut(handle(session)) else { return };
        // The media thread updates these from its next review on.
        stats.last_sign_us.store(now_us, Relaxed);
        stats.address.set(address);
        record.is_live = true;
        record.cipher = Some(cipher);
        log::info!("{address} watches {} ({cipher})", record.name);
    }

    /// Frees a session's slot and keeps its statistics. `words` replace the reason of `ended` where
    /// there is more to say.
    pub(super) fn release(
        &mut self,
        session: SessionId,
        ended: Ended,
        words: Option<String>,
        now_us: u64,
    ) {
        let figures = self.table.find(handle(session)).map(|record| {
            let reason = words.unwrap_or_else(|| ended.reason().to_owned());
            let figures = SessionStatus {
                state: "ended",
                reason: Some(reason),
                ..record.status(self.stats(handle(session)), now_us)
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

    /// The sessions that the media thread has ended, each with its reason.
    pub(super) fn ended_by_media(&self) -> Vec<(SessionId, Ended)> {
        let ended = self.table.iter().filter_map(|(handle, _)| {
            let number = self.stats(handle).ended(handle.generation)?;
            Some((session_id(handle), Ended::from_number(number)?))
        });
        ended.collect()
    }

    /// The sessions of a camera's slot.
    pub(crate) fn of(&self, camera: u16) -> Vec<SessionId> {
        let of_camera = self.table.iter().filter(|(_, record)| record.camera == camera);
        of_camera.map(|(handle, _)| session_id(handle)).collect()
    }

    /// The session that has this secret.
    pub(crate) fn find(&self, secret: &str) -> Option<SessionId> {
        self.table
            .iter()
            .find(|(_, record)| record.secret == secret)
            .map(|(handle, _)| session_id(handle))
    }

    /// The session that has this public id.
    pub(crate) fn find_by_id(&self, id: u64) -> Option<SessionId> {
        let found = self.table.iter().find(|(_, record)| record.id == id);
        found.map(|(handle, _)| session_id(handle))
    }

    /// Why there is no session of a public id.
    pub(crate) fn absence_of(&self, id: u64) -> String {
        let ended = self.ended.iter().find(|(_, figures)| figures.id == id);
        match ended.and_then(|(_, figures)| figures.reason.as_deref()) {
            Some(reason) => format!("session {id} has ended already: {reason}"),
            None => format!("there is no session {id}"),
        }
    }

    /// Why a session ended, by its secret.
    pub(crate) fn reason_of(&self, secret: &str) -> Option<String> {
        let (_, figures) = self.ended.iter().find(|(known, _)| known == secret)?;
        figures.reason.clone()
    }

    /// The entry of a session, if it has not ended.
    pub(super) fn record(&mut self, session: SessionId) -> Option<&mut SessionRecord> {
        self.table.find_mut(handle(session))
    }

    /// Stores the browser's ICE once its offer has been read, and whether it gets sound.
    pub(super) fn name_remote(&mut self, session: SessionId, ice: RemoteIce, has_sound: bool) {
        if let Some(record) = self.record(session) {
            record.remote_ice = ice;
            record.has_sound = has_sound;
        }
    }

    /// A datagram of the session's browser came: a check with the right password, or what followed
    /// one.
    pub(super) fn checked(&mut self, session: SessionId) {
        if let Some(record) = self.record(session) {
            record.is_checked = true;
        }
    }

    /// The number of sessions with sound.
    pub(super) fn with_sound(&self) -> usize {
        self.table.iter().filter(|(_, record)| record.has_sound).count()
    }

    /// At most `max` sessions from `next` on, and moves `next` behind them. The live ones come
    /// first, then the ended ones, newest last.
    pub(crate) fn status(
        &self,
        next: &mut ListPosition,
        max: usize,
        now_us: u64,
    ) -> Vec<SessionStatus> {
        let first = next.slot;
        let living = self.table.iter().skip_while(|(handle, _)| handle.index < first);
        let mut shown = Vec::new();
        for (handle, record) in living.take(max) {
            next.slot = handle.index + 1;
            shown.push(record.status(self.stats(handle), now_us));
        }
        if shown.is_empty() {
            // The end is fixed here: a session that ends from now on is not in this list.
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

    fn stats(&self, handle: Handle) -> &'static SessionStats {
        &self.stats[usize::from(handle.index)]
    }
}

impl SessionRecord {
    /// Whether an ICE restart is allowed now.
    pub(super) fn admits_restart(&self, now_us: u64) -> Result<(), PatchRefusal> {
        if !self.is_live {
            return Err(PatchRefusal::Handshake);
        }
        match self.restarted_us {
            Some(at_us) if now_us < at_us + SESSION_RESTART_US => Err(PatchRefusal::TooSoon),
            _ => Ok(()),
        }
    }

    /// Records an ICE restart: both sides have new credentials.
    pub(super) fn restarted(&mut self, etag: String, remote_ufrag: &str, now_us: u64) {
        self.etag = etag;
        self.remote_ice.restarted(remote_ufrag);
        self.restarted_us = Some(now_us);
    }

    fn status(&self, stats: &SessionStats, now_us: u64) -> SessionStatus {
        let round_trip_us = stats.round_trip_us.load(Relaxed);
        let skips = SkipsByReason(stats.skips.each_ref().map(|skips| skips.load(Relaxed)));
        let age_ms = now_us.saturating_sub(self.since_us) / 1000;
        let packets = stats.packets.load(Relaxed);
        let [resends, resends_refused] =
            [&stats.resends, &stats.resends_refused].map(|figure| figure.load(Relaxed));
        let fraction_lost = stats.fraction_lost.load(Relaxed);
        let figures = SessionFigures {
            was_live: self.is_live,
            was_checked: self.is_checked,
            age_ms,
            packets,
            asked_again: resends + resends_refused,
            fraction_lost,
            skips: skips.sum(),
        };
        SessionStatus {
            id: self.id,
            camera: self.name.clone(),
            state: if self.is_live { "live" } else { "handshake" },
            reason: None,
            address: stats.address.shown().map(|address| address.to_string()),
            cipher: self.cipher,
            age_ms,
            packets,
            bytes: stats.bytes.load(Relaxed),
            sound_packets: stats.sound_packets.load(Relaxed),
            sound_bytes: stats.sound_bytes.load(Relaxed),
            resends,
            resends_refused,
            key_frame_requests: stats.key_frame_requests.load(Relaxed),
            skips: skips.sum(),
            skips_by_reason: skips,
            loss_percent: f64::from(fraction_lost) * 100.0 / 256.0,
            round_trip_ms: (round_trip_us > 0).then(|| f64::from(round_trip_us) / 1000.0),
            findings: figures.findings(),
        }
    }
}

fn session_id(handle: Handle) -> SessionId {
    SessionId { slot: handle.index, generation: handle.generation }
}

fn handle(session: SessionId) -> Handle {
    Handle { index: session.slot, generation: session.generation }
}
