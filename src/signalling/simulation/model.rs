//! The model: what the media thread was told, and who has to make room by the written rules. It
//! searches by brute force what signalling searches by its tables.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::access::Owner;
use crate::limits::{
    ENDED_SESSIONS_SHOWN, HANDSHAKE_GONE_US, HANDSHAKE_QUIET_US, HANDSHAKE_SLOW_US, PROFILE,
    SESSION_EVICTABLE_US, SESSION_OWN_EVICTABLE_US,
};
use crate::media::{Command, SessionId};
use crate::webrtc::ended::Ended;

/// One session, as the media thread and the browser know it.
#[derive(Debug, Clone)]
pub(super) struct ModelSession {
    pub(super) id: SessionId,
    /// The order in which sessions were made.
    pub(super) age: u64,
    /// The number of its offer.
    pub(super) number: u64,
    pub(super) owner: Owner,
    pub(super) peer: IpAddr,
    pub(super) camera: u16,
    pub(super) secret: String,
    pub(super) etag: String,
    /// The number in the browser's ufrag: one more after each restart.
    pub(super) ufrag: u64,
    pub(super) is_live: bool,
    /// The media thread has ended it, and signalling was not told to look yet.
    pub(super) is_ended_by_media: bool,
    pub(super) last_sign_us: u64,
    pub(super) restarted_us: Option<u64>,
}

/// A handshake slot or an offer without one, as it stood before a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) id: SessionId,
    pub(super) client: IpAddr,
    /// `None` while it has no slot.
    pub(super) begun_us: Option<u64>,
    pub(super) is_held: bool,
    pub(super) checked_us: u64,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) sessions: BTreeMap<u16, ModelSession>,
    /// Secrets of the sessions that ended last, with the reason of each that is plain.
    ended: VecDeque<(String, Ended)>,
}

impl Model {
    /// Takes a command as the media thread would. Returns the session that it ended, if it did.
    pub(super) fn take(&mut self, command: &Command) -> Option<(ModelSession, Ended)> {
        match command {
            Command::Expect(expect) => {
                let id = expect.session;
                assert!(!self.sessions.contains_key(&id.slot), "{id:?}: the slot is not free");
                None
            }
            Command::Live(promote) => {
                let session = self.session_mut(promote.session);
                assert!(!session.is_live, "{:?} is live already", session.id);
                assert_eq!(promote.stream, session.camera, "another camera's picture");
                session.is_live = true;
                None
            }
            Command::Restart(expect) => {
                assert!(self.session_mut(expect.session).is_live, "a restart in a handshake");
                None
            }
            Command::End { session, ended } => {
                let gone = self.session_mut(*session).clone();
                self.end(&gone, *ended);
                Some((gone, *ended))
            }
            _ => panic!("signalling sends no other command"),
        }
    }

    /// A session is over, and the reason is what is remembered of it.
    pub(super) fn end(&mut self, session: &ModelSession, ended: Ended) {
        self.sessions.remove(&session.id.slot);
        self.ended.push_back((session.secret.clone(), ended));
        if self.ended.len() > ENDED_SESSIONS_SHOWN {
            self.ended.pop_front();
        }
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> &mut ModelSession {
        let session = self.sessions.get_mut(&id.slot).filter(|session| session.id == id);
        session.unwrap_or_else(|| panic!("{id:?} is not known"))
    }

    /// Secrets and reasons that can be asked for.
    pub(super) fn remembered(&self) -> impl Iterator<Item = &(String, Ended)> {
        self.ended.iter()
    }

    fn count(&self, owner: &Owner) -> usize {
        self.sessions.values().filter(|session| session.owner.is_same_viewer(owner)).count()
    }

    /// Who may make room for a session of `owner` in a full table, and why. Several only where they
    /// were silent for equally long. Empty: the newcomer is refused.
    pub(super) fn makes_room(
        &self,
        owner: &Owner,
        peer: IpAddr,
        pending: &[Pending],
        now_us: u64,
    ) -> (Vec<SessionId>, Ended) {
        let own = self.count(owner);
        let is_unchecked = |session: &&ModelSession| {
            pending.iter().any(|offer| {
                let is_quiet = now_us >= offer.checked_us + HANDSHAKE_QUIET_US;
                offer.id == session.id && offer.begun_us.is_none() && !offer.is_held && is_quiet
            })
        };
        // Of whoever has most, the oldest: ages differ, so there is one.
        let of_most = |meant: Vec<&ModelSession>| -> Option<(usize, SessionId)> {
            let mut meant: Vec<_> =
                meant.into_iter().map(|session| (self.count(&session.owner), session)).collect();
            meant.sort_by_key(|(count, session)| (std::cmp::Reverse(*count), session.age));
            meant.first().map(|(count, session)| (*count, session.id))
        };
        let unchecked = of_most(self.sessions.values().filter(is_unchecked).collect());
        if let Some((_, id)) = unchecked.filter(|(most, _)| *most >= own) {
            return (vec![id], Ended::HandshakeEvicted);
        }
        let silent = |is_meant: &dyn Fn(&ModelSession) -> bool, limit_us: u64| -> Vec<SessionId> {
            let live =
                self.sessions.values().filter(|session| session.is_live && is_meant(session));
            let silence = |session: &ModelSession| now_us.saturating_sub(session.last_sign_us);
            let most = live.clone().map(silence).max().unwrap_or(0);
            let longest = live.filter(|session| silence(session) == most && most > limit_us);
            longest.map(|session| session.id).collect()
        };
        let of_any = silent(&|_| true, SESSION_EVICTABLE_US);
        if !of_any.is_empty() {
            return (of_any, Ended::Evicted);
        }
        let of_peer = silent(&|session| session.peer == peer, SESSION_OWN_EVICTABLE_US);
        if !of_peer.is_empty() {
            return (of_peer, Ended::Replaced);
        }
        match of_most(self.sessions.values().collect()) {
            // The giver still has as many as the newcomer afterwards.
            Some((most, id)) if most > own + 1 => match unchecked {
                Some((_, unchecked)) => (vec![unchecked], Ended::HandshakeEvicted),
                None => (vec![id], Ended::Surplus),
            },
            _ => (Vec::new(), Ended::Surplus),
        }
    }
}

/// Which handshakes may be evicted for who waits, whose client has `share` slots; empty if none.
pub(super) fn evictable(pending: &[Pending], share: usize, now_us: u64) -> Vec<SessionId> {
    let running: Vec<&Pending> = pending.iter().filter(|one| one.begun_us.is_some()).collect();
    if running.len() < PROFILE.handshakes {
        return Vec::new();
    }
    let silence = |one: &Pending| now_us.saturating_sub(one.checked_us);
    let gone: Vec<_> = running.iter().filter(|one| silence(one) >= HANDSHAKE_GONE_US).collect();
    if let Some(first_us) = gone.iter().map(|one| one.checked_us).min() {
        return gone.iter().filter(|one| one.checked_us == first_us).map(|one| one.id).collect();
    }
    let count = |client: IpAddr| running.iter().filter(|one| one.client == client).count();
    let had_its_time = |one: &&&Pending| {
        let ran_us = now_us.saturating_sub(one.begun_us.unwrap_or(now_us));
        silence(one) >= HANDSHAKE_QUIET_US || ran_us >= HANDSHAKE_SLOW_US
    };
    let greedy = running.iter().filter(|one| count(one.client) > share).filter(had_its_time);
    let most = greedy.clone().map(|one| count(one.client)).max().unwrap_or(0);
    let of_most: Vec<_> = greedy.filter(|one| count(one.client) == most).collect();
    let quiet: Vec<_> =
        of_most.iter().filter(|one| silence(one) >= HANDSHAKE_QUIET_US).copied().collect();
    let (from, since) = match quiet.is_empty() {
        false => (quiet.clone(), quiet.iter().map(|one| one.checked_us).min()),
        true => (of_most.clone(), of_most.iter().filter_map(|one| one.begun_us).min()),
    };
    let is_first = |one: &&&&Pending| {
        let at_us = if quiet.is_empty() { one.begun_us } else { Some(one.checked_us) };
        at_us == since
    };
    from.iter().filter(is_first).map(|one| one.id).collect()
}
