//! Which handshake to evict when all handshake slots are taken. Has no clock of its own.
//!
//! A client's own next offer never evicts its handshakes: on a busy machine a page of 64
//! connections takes seconds for each, and would lose them one after the other. A client with more
//! slots gives one to a client with fewer.

use std::cmp::Reverse;
use std::net::IpAddr;

use crate::limits::{HANDSHAKE_GONE_US, HANDSHAKE_QUIET_US, HANDSHAKE_SLOW_US};
use crate::media::SessionId;

/// A handshake that has a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) session: SessionId,
    /// The address that its offer is counted under.
    pub(super) client: IpAddr,
    pub(super) begun_us: u64,
    /// When its last valid check came.
    pub(super) checked_us: u64,
}

/// The handshake to evict for a client that has `share` of the slots. First, of any client, one
/// whose browser is gone ([`HANDSHAKE_GONE_US`]). Otherwise one of the client that has the most
/// slots, if that is more than `share`: the one that has been quiet longest, or else the oldest.
/// It must have been quiet for [`HANDSHAKE_QUIET_US`] or have run for [`HANDSHAKE_SLOW_US`].
pub(super) fn dispensable(
    running: impl Iterator<Item = Running> + Clone,
    share: usize,
    now_us: u64,
) -> Option<SessionId> {
    let silent_us = |handshake: &Running| now_us.saturating_sub(handshake.checked_us);
    let gone = running.clone().filter(|handshake| silent_us(handshake) >= HANDSHAKE_GONE_US);
    if let Some(gone) = gone.min_by_key(|handshake| handshake.checked_us) {
        return Some(gone.session);
    }
    let count = |client: IpAddr| running.clone().filter(|other| other.client == client).count();
    let had_its_time = |handshake: &Running| {
        let took_us = now_us.saturating_sub(handshake.begun_us);
        silent_us(handshake) >= HANDSHAKE_QUIET_US || took_us >= HANDSHAKE_SLOW_US
    };
    let greed = |handshake: &Running| {
        let is_quiet = silent_us(handshake) >= HANDSHAKE_QUIET_US;
        let since_us = if is_quiet { handshake.checked_us } else { handshake.begun_us };
        (Reverse(count(handshake.client)), !is_quiet, since_us)
    };
    let others = running.clone().filter(|handshake| count(handshake.client) > share);
    Some(others.filter(had_its_time).min_by_key(greed)?.session)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 100_000_000;

    /// A handshake of the address that ends in `last`, begun and checked so many microseconds ago.
    fn running(slot: u16, last: u8, begun_us: u64, checked_us: u64) -> Running {
        Running {
            session: SessionId { slot, generation: 0 },
            client: [192, 0, 2, last].into(),
            begun_us: NOW_US - begun_us,
            checked_us: NOW_US - checked_us,
        }
    }

    fn found(running: &[Running], share: usize) -> Option<u16> {
        dispensable(running.iter().copied(), share, NOW_US).map(|session| session.slot)
    }

    #[test]
    fn nobody_is_pushed_out_by_its_own() {
        let wall: Vec<Running> =
            (0..8).map(|slot| running(slot, 1, 9_000_000, HANDSHAKE_GONE_US - 1)).collect();
        assert_eq!(found(&wall, 8), None, "busy, and all of the same address");
        assert_eq!(found(&wall, 0), Some(0), "another address's");
    }

    #[test]
    fn whose_browser_is_gone_makes_room_for_everybody() {
        let mut wall: Vec<Running> = (0..8).map(|slot| running(slot, 1, 9_000_000, 0)).collect();
        wall[5] = running(5, 1, 9_000_000, HANDSHAKE_GONE_US);
        assert_eq!(found(&wall, 8), Some(5));
    }

    #[test]
    fn who_has_most_gives_its_quietest_and_then_its_oldest() {
        let slots = |quiet_us| {
            [
                running(0, 1, 5_000_000, 0),
                running(1, 2, 3_000_000, 0),
                running(2, 2, 4_000_000, 0),
                running(3, 2, 2_000_000, quiet_us),
            ]
        };
        assert_eq!(found(&slots(HANDSHAKE_QUIET_US), 0), Some(3));
        assert_eq!(found(&slots(0), 0), Some(2));
        assert_eq!(found(&slots(0), 2), Some(2), "three is more than two");
        assert_eq!(found(&slots(0), 3), None);
    }

    #[test]
    fn each_has_its_time() {
        let fresh = [running(0, 1, HANDSHAKE_SLOW_US - 1, HANDSHAKE_QUIET_US - 1)];
        assert_eq!(found(&fresh, 0), None);
        assert_eq!(found(&[running(0, 1, HANDSHAKE_SLOW_US, 0)], 0), Some(0));
    }
}
