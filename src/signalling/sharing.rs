//! How a full session table is shared: the viewer with the most sessions gives one to a viewer with
//! fewer. Offers without a check go before live sessions. Has no clock of its own.

use std::cmp::Reverse;

use crate::access::Owner;
use crate::media::SessionId;

/// The part of a session's entry that is needed here.
pub(super) struct HeldSession<'s> {
    pub(super) session: SessionId,
    pub(super) owner: &'s Owner,
    /// The public id; a lower one is older.
    pub(super) id: u64,
}

/// The session to end for a newcomer in a full table: the oldest of the viewer with the most, if
/// that viewer still has at least as many as the newcomer afterwards. So a viewer never evicts
/// sessions of its own, and two viewers with equal shares do not evict each other's in alternation.
/// If any offer is without a check, such an offer is ended instead, of whichever viewer.
pub(super) fn surplus<'s, S: Iterator<Item = HeldSession<'s>>>(
    newcomer: &Owner,
    sessions: impl Fn() -> S,
    is_unchecked: impl Fn(SessionId) -> bool,
) -> Option<SessionId> {
    let (most, session) = of_most(&sessions, |_| true)?;
    if most <= count(newcomer, &sessions) + 1 {
        return None;
    }
    // An offer that its browser never checked goes before a live session, whoever posted it.
    let unchecked = of_most(&sessions, is_unchecked);
    Some(unchecked.map_or(session, |(_, unchecked)| unchecked))
}

/// The offer without a check to end for a newcomer in a full table: the oldest of the viewer with
/// the most sessions, and never one of a viewer with fewer than the newcomer. So a client that
/// posts offers and never checks them replaces its own, not those of a neighbour's slow browser.
pub(super) fn unchecked<'s, S: Iterator<Item = HeldSession<'s>>>(
    newcomer: &Owner,
    sessions: impl Fn() -> S,
    is_unchecked: impl Fn(SessionId) -> bool,
) -> Option<SessionId> {
    let (most, session) = of_most(&sessions, is_unchecked)?;
    (most >= count(newcomer, &sessions)).then_some(session)
}

/// The number of sessions of a viewer.
fn count<'s, S: Iterator<Item = HeldSession<'s>>>(
    owner: &Owner,
    sessions: &impl Fn() -> S,
) -> usize {
    sessions().filter(|other| other.owner.is_same_viewer(owner)).count()
}

/// Among the sessions that `is_meant` selects, the oldest of the viewer with the most sessions in
/// all, and that viewer's total. Of two viewers with equal totals, the one with the older session.
fn of_most<'s, S: Iterator<Item = HeldSession<'s>>>(
    sessions: &impl Fn() -> S,
    is_meant: impl Fn(SessionId) -> bool,
) -> Option<(usize, SessionId)> {
    let meant = sessions().filter(|held| is_meant(held.session));
    let counted = meant.map(|held| (count(held.owner, sessions), held));
    let (most, held) = counted.max_by_key(|(count, held)| (*count, Reverse(held.id)))?;
    Some((most, held.session))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id and owner of each session in the table, oldest first; then the next id.
    struct Shared(Vec<(u64, Owner)>, u64);

    fn owner(last: u8) -> Owner {
        Owner::Address { key: [192, 0, 2, last].into(), is_local: false }
    }

    impl Shared {
        fn of(owners: &[u8]) -> Self {
            let mut shared = Self(Vec::new(), 0);
            owners.iter().for_each(|last| shared.push(*last));
            shared
        }

        fn push(&mut self, last: u8) {
            self.0.push((self.1, owner(last)));
            self.1 += 1;
        }

        fn held(&self) -> impl Iterator<Item = HeldSession<'_>> {
            self.0.iter().map(|(id, owner)| HeldSession {
                session: SessionId { slot: u16::try_from(*id).unwrap(), generation: 0 },
                owner,
                id: *id,
            })
        }

        /// The offer to end for one more, if the sessions `ids` are without a check.
        fn unchecked(&self, last: u8, ids: &[u16]) -> Option<u16> {
            let is_unchecked = |session: SessionId| ids.contains(&session.slot);
            unchecked(&owner(last), || self.held(), is_unchecked).map(|session| session.slot)
        }

        /// Offers one more session in a full table. Returns whether there was room.
        fn offer(&mut self, last: u8) -> bool {
            let Some(session) = surplus(&owner(last), || self.held(), |_| false) else {
                return false;
            };
            self.0.retain(|(id, _)| *id != u64::from(session.slot));
            self.push(last);
            true
        }

        fn count(&self, last: u8) -> usize {
            self.0.iter().filter(|(_, found)| *found == owner(last)).count()
        }
    }

    #[test]
    fn a_newcomer_takes_the_oldest_of_who_has_most() {
        let mut shared = Shared::of(&[2, 1, 1, 2, 1, 1]);
        assert!(shared.offer(3));
        let ids: Vec<u64> = shared.0.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [0, 2, 3, 4, 5, 6], "the first of 1");
    }

    #[test]
    fn an_offer_without_a_check_goes_before_a_picture() {
        let shared = Shared::of(&[1, 1, 1, 1, 2, 2, 3, 3]);
        let of_newcomer = |last, ids: &[u16]| {
            let is_unchecked = |session: SessionId| ids.contains(&session.slot);
            surplus(&owner(last), || shared.held(), is_unchecked).map(|session| session.slot)
        };
        assert_eq!(of_newcomer(3, &[4, 5]), Some(4), "of 2, who has no more than 3");
        assert_eq!(of_newcomer(3, &[]), Some(0), "of who has most");
        assert_eq!(of_newcomer(1, &[4, 5]), None, "not for who has most");
    }

    #[test]
    fn the_shares_come_to_be_even_and_then_stay() {
        let mut shared = Shared::of(&[1; 8]);
        let had: Vec<bool> = (0..8).map(|_| shared.offer(2)).collect();
        assert_eq!(had, [true, true, true, true, false, false, false, false]);
        assert_eq!((shared.count(1), shared.count(2)), (4, 4));
        assert!(!shared.offer(1), "not back and forth");
        assert!(shared.offer(3));
    }

    #[test]
    fn nobody_pushes_out_a_session_of_its_own() {
        let mut wall = Shared::of(&[1; 64]);
        assert!(!wall.offer(1));
        let mut shared = Shared::of(&[1, 1, 1, 2]);
        assert!(!shared.offer(1), "who has most has to wait");
        assert!(!Shared::of(&[1, 2, 3, 4]).offer(5), "one each is an even share");
    }

    #[test]
    fn offers_without_a_check_go_by_who_has_most() {
        let shared = Shared::of(&[2, 1, 2, 1, 1]);
        let all = [0, 1, 2, 3, 4];
        assert_eq!(shared.unchecked(1, &all), Some(1), "its own, not the older ones of another");
        assert_eq!(shared.unchecked(3, &all), Some(1), "also for a third");
        assert_eq!(shared.unchecked(3, &[0, 2]), Some(0), "what is live is not meant");
        assert_eq!(shared.unchecked(2, &[0, 2]), Some(0), "its own");
        assert_eq!(shared.unchecked(1, &[0, 2]), None, "another has fewer");
        assert_eq!(shared.unchecked(3, &[]), None);
    }
}
