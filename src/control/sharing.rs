//! How a full table of sessions is shared: who has most gives to who has less. No clock here.

use crate::access::Owner;
use crate::media::SeatId;

/// One session, as far as it matters here.
pub(super) struct Held<'s> {
    pub(super) seat: SeatId,
    pub(super) owner: &'s Owner,
    /// Lower is older.
    pub(super) id: u64,
}

/// The session that makes room for a newcomer in a full table: the oldest of the viewer who has
/// most, if that viewer has at least as many as the newcomer even afterwards. So a viewer never
/// pushes out sessions of its own, and two with the same share do not push each other out in turn.
pub(super) fn surplus<'s, S: Iterator<Item = Held<'s>>>(
    newcomer: &Owner,
    sessions: impl Fn() -> S,
) -> Option<SeatId> {
    let count =
        |owner: &Owner| sessions().filter(|other| other.owner.is_same_viewer(owner)).count();
    // Of two that have the same, the one whose oldest session is older gives.
    let most = |held: &Held| (count(held.owner), std::cmp::Reverse(held.id));
    let most = sessions().map(|held| (most(&held), held.seat)).max_by_key(|found| found.0);
    let ((most, _), seat) = most?;
    (most > count(newcomer) + 1).then_some(seat)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, oldest first: each session by the last number of its owner's address.
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

        /// Offers for one more in a full table; whether there was room.
        fn offer(&mut self, last: u8) -> bool {
            let held = || {
                self.0.iter().map(|(id, owner)| Held {
                    seat: SeatId { slot: u16::try_from(*id).unwrap(), generation: 0 },
                    owner,
                    id: *id,
                })
            };
            let Some(seat) = surplus(&owner(last), held) else { return false };
            self.0.retain(|(id, _)| *id != u64::from(seat.slot));
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
}
