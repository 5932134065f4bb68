//! The handshake slots, and the answered offers that wait for one. Has no clock of its own.
//!
//! The number of handshakes at once is bounded, and a handshake leaves its slot as soon as the
//! session is connected. An answered offer waits here for the browser's first check. Until then it
//! holds 0.8 KB of the library heap (1.3 KB with the largest number of addresses), and a session
//! slot but no handshake slot. The check begins the handshake. When no handshake slot is free the
//! check is kept, and the next free slot goes to the address that has the fewest.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::egress::sound::SoundParams;
use crate::egress::subscription::RtpParams;
use crate::limits::{
    HANDSHAKE_CHECK_BYTES_MAX, HANDSHAKE_GONE_US, HANDSHAKE_HELD_US_MAX, HANDSHAKE_QUIET_US,
    HANDSHAKE_US_MAX, PROFILE,
};
use crate::media::{HandshakeDatagram, SessionId};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::webrtc::demux::DatagramKind;
use crate::webrtc::handshake::{Answered, DtlsIdentity, Failure, Handshake, Progress};

use super::room::{self, Running};

/// One browser's handshake, as signalling drives it: [`Handshake`], or a simulation's without DTLS.
pub(crate) trait BrowserHandshake: Sized {
    /// Begins the handshake of an answered offer; see [`Answered::begin`].
    fn begin(
        answered: &Answered,
        identity: &DtlsIdentity,
        candidates: &[SocketAddr],
        now_us: u64,
    ) -> Self;
    /// Handles a datagram of the browser.
    fn receive(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now_us: u64);
    /// What is to be done next.
    fn poll(&mut self, now_us: u64) -> Progress;
}

impl BrowserHandshake for Handshake {
    fn begin(
        answered: &Answered,
        identity: &DtlsIdentity,
        candidates: &[SocketAddr],
        now_us: u64,
    ) -> Self {
        answered.begin(identity, candidates, now_us)
    }

    fn receive(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now_us: u64) {
        self.receive(from, to, datagram, now_us);
    }

    fn poll(&mut self, now_us: u64) -> Progress {
        self.poll(now_us)
    }
}

/// The offers that were answered, and the handshake slots.
pub(super) struct Handshakes<H> {
    // Boxed, so that after many offers at once the list holds pointers, not entries of full size.
    #[allow(clippy::vec_box)]
    pub(super) active: Vec<Box<Active<H>>>,
    /// Permits granted to offers that are not answered yet.
    granted: Rc<Cell<usize>>,
}

/// A handshake slot granted to an offer. Dropping the permit frees the slot, also when the client
/// left before its offer was answered.
pub(crate) struct Permit(Rc<Cell<usize>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The client address of each handshake that has a slot, one entry per slot. Collected once for
/// many look-ups, as there are 16 times as many offers as slots.
pub(super) struct Shares(heapless::Vec<IpAddr, { PROFILE.handshakes }>);

impl Shares {
    /// The number of handshake slots that `client` has.
    pub(super) fn of(&self, client: IpAddr) -> usize {
        self.0.iter().filter(|other| **other == client).count()
    }
}

/// An answered offer, with its handshake once that has begun.
pub(super) struct Active<H> {
    pub(super) session: SessionId,
    /// The address that the offer is counted under ([`crate::access::client`]).
    pub(super) client: IpAddr,
    pub(super) answered: Answered,
    /// `None` before the browser's first check. Has a heap account of its own.
    pub(super) handshake: Option<(Box<H>, HeapAccount)>,
    /// The last check, while it waits for a handshake slot.
    pub(super) held: Option<HeldCheck>,
    pub(super) rtp_params: RtpParams,
    pub(super) sound: Option<SoundParams>,
    pub(super) camera: u16,
    /// When the handshake got its slot.
    pub(super) begun_us: Option<u64>,
    /// When the last datagram of the browser came, or else when the offer was answered.
    pub(super) checked_us: u64,
    /// Behind an address translation: the candidate that the browser knows, and the local address.
    pub(super) alias: Option<(SocketAddr, SocketAddr)>,
    pub(super) candidates: Box<[SocketAddr]>,
    /// The heap account of an offer without a handshake. Dropped last, after the fields that are
    /// charged to it.
    pub(super) account: Option<HeapAccount>,
}

/// A valid check that waits for a handshake slot.
pub(super) struct HeldCheck {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    since_us: u64,
}

impl HeldCheck {
    /// When to give up, if the last check came at `checked_us`. A browser that keeps sending checks
    /// is kept until [`HANDSHAKE_HELD_US_MAX`].
    fn give_up_us(&self, checked_us: u64) -> u64 {
        let silent_us = checked_us + HANDSHAKE_GONE_US;
        silent_us.max(self.since_us + HANDSHAKE_US_MAX).min(self.since_us + HANDSHAKE_HELD_US_MAX)
    }
}

impl<H: BrowserHandshake> Handshakes<H> {
    pub(super) fn new() -> Self {
        Self { active: Vec::new(), granted: Rc::default() }
    }

    /// The place in the list of a session's offer or handshake.
    pub(super) fn position(&self, session: SessionId) -> Option<usize> {
        self.active.iter().position(|active| active.session == session)
    }

    /// Drops a session's offer or handshake, if it has one.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.active.retain(|active| active.session != session);
    }

    /// Gives free slots to held checks. Returns whether a handshake has begun.
    pub(super) fn begin_held(&mut self, identity: &DtlsIdentity, now_us: u64) -> bool {
        let mut has_begun = false;
        while self.begun() < PROFILE.handshakes {
            let Some(active) = self.next_held() else { break };
            // While memory is short the check keeps waiting.
            let Ok(account) = HeapAccount::open(AccountKind::Handshake) else { break };
            active.begin(identity, account, now_us);
            has_begun = true;
        }
        has_begun
    }

    /// The fewest slots that any client with a held check has.
    pub(super) fn least_held_share(&self, shares: &Shares) -> Option<usize> {
        let held = self.active.iter().filter(|active| active.held.is_some());
        held.map(|active| shares.of(active.client)).min()
    }

    /// Whether an offer may be answered now because its check would find a slot.
    pub(super) fn has_room(&self) -> bool {
        self.begun() + self.granted.get() < PROFILE.handshakes
    }

    /// The number of handshake slots in use.
    pub(super) fn begun(&self) -> usize {
        self.active.iter().filter(|active| active.handshake.is_some()).count()
    }

    /// Whether any check waits for a slot.
    pub(super) fn has_held(&self) -> bool {
        self.active.iter().any(|active| active.held.is_some())
    }

    /// The next held check to get a slot: that of the client with the fewest slots, and among equal
    /// clients the one that has waited longest.
    fn next_held(&mut self) -> Option<&mut Active<H>> {
        let shares = self.shares();
        let waits = |at: &usize| self.active[*at].held.as_ref().map(|held| held.since_us);
        let next = (0..self.active.len())
            .filter(|at| waits(at).is_some())
            .min_by_key(|at| (shares.of(self.active[*at].client), waits(at)))?;
        Some(&mut self.active[next])
    }

    pub(super) fn permit(&self) -> Permit {
        self.granted.set(self.granted.get() + 1);
        Permit(self.granted.clone())
    }

    /// The clients that have the slots now.
    pub(super) fn shares(&self) -> Shares {
        let begun = self.active.iter().filter(|active| active.handshake.is_some());
        Shares(begun.map(|active| active.client).take(PROFILE.handshakes).collect())
    }

    /// The handshake to evict for a client that has `share` of the slots.
    pub(super) fn dispensable(&self, share: usize, now_us: u64) -> Option<SessionId> {
        let running = self.active.iter().filter_map(|active| {
            let Active { session, client, begun_us, checked_us, .. } = **active;
            Some(Running { session, client, begun_us: begun_us?, checked_us })
        });
        room::dispensable(running, share, now_us)
    }

    /// Whether this is an answered offer that got no check for [`HANDSHAKE_QUIET_US`].
    pub(super) fn is_unchecked(&self, session: SessionId, now_us: u64) -> bool {
        let is_unchecked = |active: &Active<H>| {
            active.handshake.is_none()
                && active.held.is_none()
                && now_us >= active.checked_us + HANDSHAKE_QUIET_US
        };
        self.active.iter().any(|active| active.session == session && is_unchecked(active))
    }
}

impl<H: BrowserHandshake> Active<H> {
    /// Takes in a datagram of the browser. Without a slot, a check is kept for later.
    pub(super) fn receive(&mut self, datagram: &HandshakeDatagram, now_us: u64) {
        self.checked_us = now_us;
        let (from, to) = (datagram.from, self.given(datagram.to));
        if let Some((handshake, account)) = &mut self.handshake {
            return account.enter(|| handshake.receive(from, to, &datagram.bytes, now_us));
        }
        // A DTLS packet ahead of the first check: the browser sends it again.
        if DatagramKind::of(&datagram.bytes) != DatagramKind::Stun
            || datagram.bytes.len() > HANDSHAKE_CHECK_BYTES_MAX
        {
            return;
        }
        let since_us = self.held.as_ref().map_or(now_us, |held| held.since_us);
        let copy = || datagram.bytes.to_vec();
        let bytes = self.account.as_ref().map_or_else(copy, |account| account.enter(copy));
        self.held = Some(HeldCheck { from, to, bytes, since_us });
    }

    /// Begins the handshake with the check that was kept.
    fn begin(&mut self, identity: &DtlsIdentity, account: HeapAccount, now_us: u64) {
        let Some(HeldCheck { from, to, bytes, .. }) = self.held.take() else { return };
        let (answered, candidates) = (&self.answered, &self.candidates);
        let handshake = account.enter(|| {
            let mut handshake = Box::new(H::begin(answered, identity, candidates, now_us));
            handshake.receive(from, to, &bytes, now_us);
            handshake
        });
        self.handshake = Some((handshake, account));
        self.begun_us = Some(now_us);
    }

    pub(super) fn poll(&mut self, now_us: u64) -> Progress {
        // The offer, the wait for a slot and the handshake each have a time limit of their own.
        let deadline_us = match &self.held {
            Some(held) => held.give_up_us(self.checked_us),
            None => self.answered.give_up_us(),
        };
        let (progress, over) = match &mut self.handshake {
            Some((handshake, account)) => {
                (account.enter(|| handshake.poll(now_us)), account.over())
            }
            None if now_us < deadline_us => (Progress::Wait { deadline_us }, None),
            None => return Progress::Failed(Failure::TimedOut),
        };
        match over {
            Some(over) if matches!(progress, Progress::Wait { .. }) => {
                over.tell(format_args!("of {}", self.client));
                Progress::Failed(Failure::OverBudget(over))
            }
            _ => progress,
        }
    }

    /// Since when its check waits for a handshake slot.
    #[cfg(test)]
    pub(super) fn held_since_us(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.since_us)
    }

    /// The candidate that a datagram to the local address `to` was sent to.
    fn given(&mut self, to: SocketAddr) -> SocketAddr {
        if self.candidates.contains(&to) {
            return to;
        }
        let given = self.candidates[0];
        self.alias = Some((given, to));
        given
    }

    /// The local address behind a candidate.
    pub(super) fn actual(&self, given: SocketAddr) -> SocketAddr {
        match self.alias {
            Some((alias, actual)) if alias == given => actual,
            _ => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn a_check_waits_for_a_slot_while_its_browser_goes_on() {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let held = HeldCheck { from: at(1), to: at(2), bytes: Vec::new(), since_us: 5 * SECOND_US };
        for (checked_s, give_up_s) in [(5, 15), (12, 15), (13, 16), (40, 43), (64, 65)] {
            assert_eq!(held.give_up_us(checked_s * SECOND_US), give_up_s * SECOND_US);
        }
    }
}
