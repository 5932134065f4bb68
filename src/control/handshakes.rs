//! The handshake slots, and the answered offers that wait for one.
//!
//! The number of handshakes at once is bounded, and a handshake leaves its slot as soon as the
//! session is connected. An answered offer waits here for the browser's first check. Until then it
//! holds 0.8 KB of the library heap (1.3 KB with the largest number of addresses), and a session
//! slot but no handshake slot. The check begins the handshake. When no handshake slot is free the
//! check is kept, and the next free slot goes to the address that has the fewest.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock;
use crate::egress::batch::Path;
use crate::egress::srtp::{OpenKeys, SealKeys};
use crate::egress::subscription::RtpParams;
use crate::limits::{
    HANDSHAKE_CHECK_BYTES_MAX, HANDSHAKE_GONE_US, HANDSHAKE_HELD_US_MAX, HANDSHAKE_QUIET_US,
    HANDSHAKE_US_MAX, PROFILE,
};
use crate::media::{Command, HandshakeDatagram, Promote, SessionId};
use crate::mem::accounts::{self, HeapAccount};
use crate::random::random;
use crate::status::{self, TABLES};
use crate::webrtc::demux::DatagramKind;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{
    Answered, Connected, DtlsIdentity, Failure, Handshake, Progress, SrtpRefusal as CipherRefusal,
};
use crate::webrtc::session::SessionStart;

use super::room::{self, Running};
use super::{Control, State};

/// The longest sleep of the driver between two rounds, in microseconds.
const REST_US: u64 = 1_000_000;

/// The offers that were answered, and the handshake slots.
pub(super) struct Handshakes {
    // Boxed, so that after many offers at once the list holds pointers, not entries of full size.
    #[allow(clippy::vec_box)]
    pub(super) active: Vec<Box<Active>>,
    /// Permits granted to offers that are not answered yet.
    granted: Rc<Cell<usize>>,
}

/// A handshake slot granted to an offer. Dropping the permit frees the slot, also when the client
/// left before its offer was answered.
pub(super) struct Permit(Rc<Cell<usize>>);

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
pub(super) struct Active {
    pub(super) session: SessionId,
    /// The address that the offer is counted under ([`crate::access::client`]).
    pub(super) client: IpAddr,
    pub(super) answered: Answered,
    /// `None` before the browser's first check. Has a heap account of its own.
    pub(super) handshake: Option<(Box<Handshake>, HeapAccount)>,
    /// The last check, while it waits for a handshake slot.
    pub(super) held: Option<HeldCheck>,
    pub(super) rtp_params: RtpParams,
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

impl Handshakes {
    pub(super) fn new() -> Self {
        Self { active: Vec::new(), granted: Rc::default() }
    }

    /// Whether an offer may be answered now because its check would find a slot.
    pub(super) fn has_room(&self) -> bool {
        self.begun() + self.granted.get() < PROFILE.handshakes
    }

    /// The number of handshake slots in use.
    fn begun(&self) -> usize {
        self.active.iter().filter(|active| active.handshake.is_some()).count()
    }

    /// Whether any check waits for a slot.
    fn has_held(&self) -> bool {
        self.active.iter().any(|active| active.held.is_some())
    }

    /// The next held check to get a slot: that of the client with the fewest slots, and among equal
    /// clients the one that has waited longest.
    fn next_held(&mut self) -> Option<&mut Active> {
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
    fn dispensable(&self, share: usize, now_us: u64) -> Option<SessionId> {
        let running = self.active.iter().filter_map(|active| {
            let Active { session, client, begun_us, checked_us, .. } = **active;
            Some(Running { session, client, begun_us: begun_us?, checked_us })
        });
        room::dispensable(running, share, now_us)
    }

    /// Whether this is an answered offer that got no check for [`HANDSHAKE_QUIET_US`].
    pub(super) fn is_unchecked(&self, session: SessionId, now_us: u64) -> bool {
        let is_unchecked = |active: &Active| {
            active.handshake.is_none()
                && active.held.is_none()
                && now_us >= active.checked_us + HANDSHAKE_QUIET_US
        };
        self.active.iter().any(|active| active.session == session && is_unchecked(active))
    }
}

impl Active {
    /// Takes in a datagram of the browser. Without a slot, a check is kept for later.
    fn receive(&mut self, datagram: &HandshakeDatagram, now_us: u64) {
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
            let mut handshake = Box::new(answered.begin(identity, candidates, now_us));
            handshake.receive(from, to, &bytes, now_us);
            handshake
        });
        self.handshake = Some((handshake, account));
        self.begun_us = Some(now_us);
    }

    fn poll(&mut self, now_us: u64) -> Progress {
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
    fn actual(&self, given: SocketAddr) -> SocketAddr {
        match self.alias {
            Some((alias, actual)) if alias == given => actual,
            _ => given,
        }
    }
}

impl Control {
    /// Drives the handshakes and releases the sessions that the media thread ended. Never returns.
    pub(super) async fn drive(self) {
        let wakeup = self.0.media.borrow().wakeup.clone();
        loop {
            let deadline_us = self.0.drive_once();
            status::GAUGES.driver_rounds.fetch_add(1, Relaxed);
            // Under a flood of datagrams `wakeup` is always set. Yielding lets HTTP connections and
            // timers run between two rounds.
            tokio::task::yield_now().await;
            let wait_us = deadline_us.saturating_sub(clock::now_us()).min(REST_US);
            tokio::select! {
                () = wakeup.notified() => {}
                () = self.0.begun.notified() => {}
                () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
            }
        }
    }
}

impl State {
    /// Runs one round of the driver. Returns when the next is due.
    fn drive_once(&self) -> u64 {
        // At most one queue length: a datagram that arrives meanwhile wakes the next round.
        for _ in 0..PROFILE.handshake_datagrams {
            let datagram = self.media.borrow().handshake_datagram();
            let Some(datagram) = datagram else { break };
            self.receive(&datagram);
        }
        let ended = self.sessions.borrow().ended_by_media();
        for (session, ended) in ended {
            self.sessions.borrow_mut().release(session, ended, None);
        }
        for (camera, stats) in self.cameras.iter().zip(&status::CAMERAS) {
            if stats.lost.load(Relaxed) != 0 {
                camera.look();
            }
        }
        let mut deadline_us = self.advance();
        self.evict_for_waiting();
        // Offers first: an answered offer takes no slot, so the slot is still there for a check.
        self.grant_next();
        while self.begin_held() {
            deadline_us = self.advance();
        }
        self.gauge();
        let is_waited_for = self.is_waited_for();
        // While an offer or a check waits, look every 50 ms for a quiet handshake to evict.
        if is_waited_for { deadline_us.min(clock::now_us() + 50_000) } else { deadline_us }
    }

    fn receive(&self, datagram: &HandshakeDatagram) {
        let mut handshakes = self.handshakes.borrow_mut();
        let found = handshakes.active.iter().position(|active| active.session == datagram.session);
        let Some(at) = found else { return };
        handshakes.active[at].receive(datagram, clock::now_us());
        drop(handshakes);
        self.begin_held();
        self.advance_one(at);
    }

    /// Gives free slots to held checks. Returns whether a handshake has begun.
    fn begin_held(&self) -> bool {
        let mut handshakes = self.handshakes.borrow_mut();
        let mut has_begun = false;
        while handshakes.begun() < PROFILE.handshakes {
            let Some(active) = handshakes.next_held() else { break };
            // While memory is short the check keeps waiting.
            let Ok(account) = HeapAccount::open(accounts::AccountKind::Handshake) else { break };
            active.begin(&self.identity, account, clock::now_us());
            has_begun = true;
        }
        has_begun
    }

    /// Whether an offer or a check waits for a slot.
    fn is_waited_for(&self) -> bool {
        !self.offers.borrow_mut().is_empty() || self.handshakes.borrow().has_held()
    }

    /// Polls all handshakes. Returns the earliest of their deadlines.
    fn advance(&self) -> u64 {
        let mut earliest_us = u64::MAX;
        let mut at = 0;
        while at < self.handshakes.borrow().active.len() {
            // An entry that was removed has left its index to the next one.
            if let Some(deadline_us) = self.advance_one(at) {
                earliest_us = earliest_us.min(deadline_us);
                at += 1;
            }
        }
        earliest_us
    }

    /// Polls one handshake until it has nothing more to send. Returns its deadline, or `None` when
    /// it has ended and is out of the list.
    fn advance_one(&self, at: usize) -> Option<u64> {
        loop {
            let mut handshakes = self.handshakes.borrow_mut();
            let active = handshakes.active.get_mut(at)?;
            match active.poll(clock::now_us()) {
                Progress::Transmit { to, from, datagram } => {
                    let from = active.actual(from).ip();
                    // On an error the datagram is lost, and DTLS sends it again.
                    let _ = self.media.borrow().socket.send_to(&datagram, to, from);
                }
                Progress::Wait { deadline_us } => return Some(deadline_us),
                Progress::Connected(connected) => {
                    let active = handshakes.active.remove(at);
                    drop(handshakes);
                    self.promote(&active, *connected);
                    return None;
                }
                Progress::Failed(failure) => {
                    let session = handshakes.active.remove(at).session;
                    drop(handshakes);
                    let ended = ended(&failure);
                    // Only a plain failure needs a text: the other kinds have their own reason.
                    let words = (ended == Ended::HandshakeFailed).then(|| failure.to_string());
                    self.end(session, ended, words);
                    return None;
                }
            }
        }
    }

    /// Hands a connected session over to the media thread.
    fn promote(&self, active: &Active, connected: Connected) {
        let Connected { keys, remote, local, flight, close_notify } = connected;
        let session = active.session;
        let seal = SealKeys::derive(&keys.local_key, &keys.local_salt);
        let open = OpenKeys::derive(&keys.remote_key, &keys.remote_salt);
        let (Some(seal), Some(open)) = (seal, open) else {
            self.end(
                session,
                Ended::HandshakeFailed,
                Some("DTLS gave media keys of the wrong length".into()),
            );
            return;
        };
        let path = Path { to: remote, from: active.actual(local).ip() };
        let cipher = keys.profile.name();
        self.sessions.borrow_mut().promote(session, remote, cipher);
        let section = self.cameras[usize::from(active.camera)].section();
        let name = section.as_ref().map_or("", |section| &section.name);
        log::info!("{remote} watches {name} ({cipher})");
        let promote = Promote {
            session,
            start: SessionStart { seal, open, path, flight, close_notify },
            stream: active.camera,
            rtp_params: active.rtp_params,
            random: u16::from_be_bytes(random()),
        };
        self.media.borrow().send(Command::Live(Box::new(promote)));
    }

    /// The fewest slots that any waiting client has, be it with an offer or with a check.
    fn least_share(&self) -> Option<usize> {
        let handshakes = self.handshakes.borrow();
        let shares = handshakes.shares();
        let held = handshakes.active.iter().filter(|active| active.held.is_some());
        let held = held.map(|active| shares.of(active.client)).min();
        let waiting = self.offers.borrow_mut().least(|client| shares.of(client));
        held.into_iter().chain(waiting).min()
    }

    /// While an offer or a check waits for a slot, evicts a handshake that makes no progress.
    fn evict_for_waiting(&self) {
        if self.handshakes.borrow().begun() < PROFILE.handshakes {
            return;
        }
        let Some(share) = self.least_share() else { return };
        let dispensable = self.handshakes.borrow().dispensable(share, clock::now_us());
        if let Some(session) = dispensable {
            self.end(session, Ended::HandshakeEvicted, None);
        }
    }

    /// Ends a session in the handshakes, the media thread and the session table. `words` replace
    /// the reason that `ended` has.
    pub(super) fn end(&self, session: SessionId, ended: Ended, words: Option<String>) {
        self.handshakes.borrow_mut().active.retain(|active| active.session != session);
        self.media.borrow().send(Command::End { session, ended });
        accounts::shared(|| self.sessions.borrow_mut().release(session, ended, words));
        self.begun.notify_one();
    }

    pub(super) fn gauge(&self) {
        TABLES.handshakes.set(self.handshakes.borrow().begun());
        TABLES.sessions.set(self.sessions.borrow().len());
        TABLES.offers_waiting.set(self.offers.borrow_mut().len());
    }
}

fn ended(failure: &Failure) -> Ended {
    match failure {
        Failure::Refused(CipherRefusal::NoSrtp) => Ended::NoSrtp,
        Failure::Refused(CipherRefusal::NoGcm) => Ended::NoGcm,
        Failure::TimedOut => Ended::HandshakeTimeout,
        _ => Ended::HandshakeFailed,
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
