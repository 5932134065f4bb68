//! What must hold after each step and each round.

use std::net::IpAddr;

use super::model::{ModelSession, Pending, evictable};
use super::world::World;
use crate::limits::{
    HANDSHAKE_GONE_US, HANDSHAKE_HELD_US_MAX, HANDSHAKE_LOOK_US, HANDSHAKE_US_MAX, PROFILE,
};
use crate::media::SessionId;
use crate::webrtc::ended::Ended;

impl World {
    /// Whether those were evicted who had to be, and no others.
    pub(super) fn check_evictions(
        &self,
        mut pending: Vec<Pending>,
        queued: &[IpAddr],
        gone: &[(ModelSession, Ended)],
    ) {
        let evicted: Vec<SessionId> = gone
            .iter()
            .filter(|(_, ended)| *ended == Ended::HandshakeEvicted)
            .map(|(session, _)| session.id)
            .collect();
        // Others were over, or connected, before anybody had to make room; what had no slot yet can
        // only have been given up before.
        pending.retain(|one| {
            let ended = gone.iter().find(|(session, _)| session.id == one.id).map(|(_, why)| *why);
            let is_live = self.model.sessions.get(&one.id.slot).is_some_and(|now| now.is_live);
            match (one.begun_us, ended) {
                (_, Some(Ended::HandshakeEvicted)) => true,
                (Some(_), ended) => ended.is_none() && !is_live,
                (None, ended) => ended != Some(Ended::HandshakeTimeout),
            }
        });
        let share = |client: IpAddr| {
            pending.iter().filter(|one| one.begun_us.is_some() && one.client == client).count()
        };
        let held = pending.iter().filter(|one| one.is_held).map(|one| one.client);
        let least = held.chain(queued.iter().copied()).map(share).min();
        let expected = least.map_or(Vec::new(), |share| evictable(&pending, share, self.now_us));
        assert_eq!(evicted.len(), usize::from(!expected.is_empty()), "{evicted:?} {expected:?}");
        assert!(
            evicted.iter().all(|session| expected.contains(session)),
            "{evicted:?} {expected:?}"
        );
    }

    /// After a round nothing is left undone, and the next one comes in time.
    pub(super) fn check_round(&mut self) {
        let pending = self.pending();
        let begun = pending.iter().filter(|one| one.begun_us.is_some()).count();
        let has_held = pending.iter().any(|one| one.is_held);
        assert!(begun == PROFILE.handshakes || !has_held, "a free slot, and a check that waits");
        let is_waited_for = has_held || !self.signalling.queue.is_empty();
        assert!(
            !self.signalling.handshakes.has_room() || self.signalling.queue.is_empty(),
            "a free slot, and an offer that waits"
        );
        assert!(!is_waited_for || self.round_us <= self.now_us + HANDSHAKE_LOOK_US);
        for active in &self.signalling.handshakes.active {
            let limit_us = match (active.begun_us, active.held_since_us()) {
                (Some(begun_us), _) => begun_us + HANDSHAKE_US_MAX,
                (None, Some(since_us)) => (active.checked_us + HANDSHAKE_GONE_US)
                    .max(since_us + HANDSHAKE_US_MAX)
                    .min(since_us + HANDSHAKE_HELD_US_MAX),
                (None, None) => active.answered.give_up_us(),
            };
            assert!(limit_us > self.now_us, "{:?} should be over", active.session);
            assert!(self.round_us <= limit_us, "the next round comes too late");
        }
    }

    pub(super) fn check(&mut self) {
        let live = self.model.sessions.values().filter(|session| session.is_live).count();
        let all = self.model.sessions.len();
        assert_eq!(self.signalling.sessions().len(), all);
        assert_eq!(self.signalling.handshakes.active.len(), all - live, "one each until connected");
        if !self.random.one_in(100) {
            return;
        }
        for session in self.model.sessions.values() {
            assert_eq!(self.signalling.sessions().find(&session.secret), Some(session.id));
            let is_pending = self.signalling.handshakes.position(session.id).is_some();
            assert_eq!(is_pending, !session.is_live);
        }
        for (secret, ended) in self.model.remembered() {
            let reason = self.signalling.sessions().reason_of(secret);
            let reason = reason.expect("the last that ended are remembered");
            // A failure has words of its own.
            assert!(reason == ended.reason() || *ended == Ended::HandshakeFailed, "{reason}");
        }
    }
}
