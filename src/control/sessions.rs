//! Who has which session's slot, from the POST to the end, and the last that ended.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock;
use crate::config::Config;
use crate::limits::{ENDED_SESSIONS_SHOWN, SESSION_EVICTABLE_US, SESSIONS_MAX};
use crate::media::SeatId;
use crate::mem::Full;
use crate::mem::table::{Handle, Table};
use crate::status::{self, SessionCard};
use crate::webrtc::ended::Ended;

use super::SessionStatus;

/// All sessions.
pub(super) struct Sessions {
    table: Table<Record, SESSIONS_MAX>,
    /// With their secrets: who knows one may ask for the reason.
    ended: VecDeque<(String, SessionStatus)>,
    next_id: u64,
}

/// One session.
pub(super) struct Record {
    id: u64,
    /// The camera's slot.
    pub(super) camera: u16,
    /// The secret part of its URL.
    pub(super) secret: String,
    /// Of its ICE credentials.
    pub(super) etag: String,
    since_us: u64,
    is_live: bool,
    address: Option<SocketAddr>,
    cipher: Option<&'static str>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), ended: VecDeque::new(), next_id: 1 }
    }

    /// Takes a slot.
    pub(super) fn admit(
        &mut self,
        camera: u16,
        secret: String,
        etag: String,
    ) -> Result<SeatId, Full> {
        let record = Record {
            id: self.next_id,
            camera,
            secret,
            etag,
            since_us: clock::now_us(),
            is_live: false,
            address: None,
            cipher: None,
        };
        let handle = self.table.admit("sessions", record)?;
        self.next_id += 1;
        card(handle).reset();
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

    /// The live session that was silent longest, if that is long enough to make room.
    pub(super) fn evictable(&self, now_us: u64) -> Option<SeatId> {
        let live = self.table.iter().filter(|(_, record)| record.is_live);
        let silent = live.map(|(handle, _)| {
            let sign_us = card(handle).last_sign_us.load(Relaxed);
            (now_us.saturating_sub(sign_us), handle)
        });
        let (silent_us, handle) = silent.max_by_key(|(silent_us, _)| *silent_us)?;
        (silent_us > SESSION_EVICTABLE_US).then(|| seat_id(handle))
    }

    /// A session's handshake is over.
    pub(super) fn promote(&mut self, seat: SeatId, address: SocketAddr, cipher: &'static str) {
        let Some(record) = self.table.find_mut(handle(seat)) else { return };
        // The media thread fills this in from its next review on.
        card(handle(seat)).last_sign_us.store(clock::now_us(), Relaxed);
        record.is_live = true;
        record.address = Some(address);
        record.cipher = Some(cipher);
    }

    /// Ends a session here; `words` say more than `ended` does, where there is more to say.
    pub(super) fn release(
        &mut self,
        seat: SeatId,
        ended: Ended,
        words: Option<String>,
        config: &Config,
    ) {
        let figures = self.table.find(handle(seat)).map(|record| {
            let reason = words.unwrap_or_else(|| ended.reason().to_owned());
            let figures = SessionStatus {
                state: "ended",
                reason: Some(reason),
                ..record.status(card(handle(seat)), config)
            };
            (record.secret.clone(), figures)
        });
        let Some((secret, figures)) = figures else { return };
        self.table.release(handle(seat));
        let camera = &figures.camera;
        let reason = figures.reason.as_deref().unwrap_or_default();
        log::info!("session {} of {camera} ended: {reason}", figures.id);
        if self.ended.len() == ENDED_SESSIONS_SHOWN {
            self.ended.pop_front();
        }
        self.ended.push_back((secret, figures));
    }

    /// Sessions that the media thread has ended, with its reason.
    pub(super) fn ended_by_media(&self) -> Vec<(SeatId, Ended)> {
        let ended = self.table.iter().filter_map(|(handle, _)| {
            let number = card(handle).ended(handle.generation)?;
            Some((seat_id(handle), Ended::from_number(number)?))
        });
        ended.collect()
    }

    /// The session of a secret.
    pub(super) fn find(&self, secret: &str) -> Option<SeatId> {
        self.table
            .iter()
            .find(|(_, record)| record.secret == secret)
            .map(|(handle, _)| seat_id(handle))
    }

    /// Why a session ended, by its secret.
    pub(super) fn reason_of(&self, secret: &str) -> Option<String> {
        let (_, figures) = self.ended.iter().find(|(known, _)| known == secret)?;
        figures.reason.clone()
    }

    /// The ETag of a session, by its secret.
    pub(super) fn etag(&self, secret: &str) -> Option<String> {
        let seat = self.find(secret)?;
        Some(self.table.find(handle(seat))?.etag.clone())
    }

    /// The live ones, then the ended ones, newest last.
    pub(super) fn status(&self, config: &Config) -> Vec<SessionStatus> {
        let living = self.table.iter().map(|(handle, record)| record.status(card(handle), config));
        living.chain(self.ended.iter().map(|(_, figures)| figures.clone())).collect()
    }
}

impl Record {
    fn status(&self, card: &SessionCard, config: &Config) -> SessionStatus {
        let camera = config.cameras.get(usize::from(self.camera));
        let round_trip_us = card.round_trip_us.load(Relaxed);
        SessionStatus {
            id: self.id,
            camera: camera.map(|camera| camera.name.clone()).unwrap_or_default(),
            state: if self.is_live { "live" } else { "handshake" },
            reason: None,
            address: self.address.map(|address| address.to_string()),
            cipher: self.cipher,
            age_ms: clock::now_us().saturating_sub(self.since_us) / 1000,
            packets: card.packets.load(Relaxed),
            bytes: card.bytes.load(Relaxed),
            resends: card.resends.load(Relaxed),
            resends_refused: card.resends_refused.load(Relaxed),
            key_frame_requests: card.key_frame_requests.load(Relaxed),
            skips: card.skips.load(Relaxed),
            loss_percent: f64::from(card.fraction_lost.load(Relaxed)) * 100.0 / 256.0,
            round_trip_ms: (round_trip_us > 0).then(|| f64::from(round_trip_us) / 1000.0),
        }
    }
}

fn seat_id(handle: Handle) -> SeatId {
    SeatId { slot: handle.index, generation: handle.generation }
}

fn handle(seat: SeatId) -> Handle {
    Handle { index: seat.slot, generation: seat.generation }
}

fn card(handle: Handle) -> &'static SessionCard {
    &status::SESSIONS[usize::from(handle.index)]
}
