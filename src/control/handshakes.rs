//! Handshakes: a bounded number at once, each gone as soon as it is connected.
//!
//! An offer that was answered waits here for the browser's first check, and keeps 0.8 KB of the
//! library heap until then (1.3 with all the addresses that weir may have): it has a session's slot,
//! and no handshake slot. The check begins the handshake; when no slot is free the check is kept, and
//! slots go round by address.

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
use crate::mem::accounts::{self, Account};
use crate::status::{self, TABLES};
use crate::webrtc::demux::Kind;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{
    Answered, Connected, Failure, Handshake, Identity, Progress, Refusal as CipherRefusal,
};
use crate::webrtc::session::Start;

use super::room::{self, Running};
use super::{Control, State};

/// The longest the driver sleeps.
const REST_US: u64 = 1_000_000;

/// The handshake slots.
pub(super) struct Handshakes {
    // Boxed, so that a wave of offers leaves a list of pointers behind and not one of its size.
    #[allow(clippy::vec_box)]
    pub(super) active: Vec<Box<Active>>,
    /// Slots granted to offers that have not begun yet.
    granted: Rc<Cell<usize>>,
}

/// A slot granted to an offer. Dropped unused, when its client went away, it is free again.
pub(super) struct Permit(Rc<Cell<usize>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Who posted the offers whose handshakes have a slot, one entry a slot. Made once for many
/// questions: there are 16 times as many offers as slots.
pub(super) struct Shares(heapless::Vec<IpAddr, { PROFILE.handshakes }>);

impl Shares {
    /// Slots of a client.
    pub(super) fn of(&self, client: IpAddr) -> usize {
        self.0.iter().filter(|other| **other == client).count()
    }
}

/// One offer that was answered, and its handshake.
pub(super) struct Active {
    pub(super) session: SessionId,
    /// Whom the offer counts as ([`crate::access::client`]).
    pub(super) client: IpAddr,
    pub(super) answered: Answered,
    /// From the browser's first check on, with an account of its own.
    pub(super) handshake: Option<(Box<Handshake>, Account)>,
    /// Its last check, while there is no slot.
    pub(super) held: Option<Held>,
    pub(super) rtp_params: RtpParams,
    pub(super) camera: u16,
    /// When it got its slot.
    pub(super) begun_us: Option<u64>,
    /// The last valid check, or the begin.
    pub(super) checked_us: u64,
    /// Behind an address translation: the candidate the browser knows, and our own address.
    pub(super) alias: Option<(SocketAddr, SocketAddr)>,
    pub(super) candidates: Box<[SocketAddr]>,
    /// What it holds without a handshake is booked on it. The last field, as the others go first.
    pub(super) account: Option<Account>,
}

/// A valid check that waits for a handshake slot.
pub(super) struct Held {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    since_us: u64,
}

impl Held {
    /// When it is given up, the last check having come at `checked_us`: not while its browser goes on.
    fn give_up_us(&self, checked_us: u64) -> u64 {
        let silent_us = checked_us + HANDSHAKE_GONE_US;
        silent_us.max(self.since_us + HANDSHAKE_US_MAX).min(self.since_us + HANDSHAKE_HELD_US_MAX)
    }
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self { active: Vec::new(), granted: Rc::default() }
    }

    /// Whether an offer may be answered now: its check would find a slot.
    pub(super) fn has_room(&self) -> bool {
        self.begun() + self.granted.get() < PROFILE.handshakes
    }

    /// Handshake slots in use.
    fn begun(&self) -> usize {
        self.active.iter().filter(|active| active.handshake.is_some()).count()
    }

    /// Whether a check waits for a slot.
    fn has_held(&self) -> bool {
        self.active.iter().any(|active| active.held.is_some())
    }

    /// Who waits for a slot with its check and is next: whose address has the fewest slots, and
    /// among those the longest waiting.
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

    /// Whose the slots are.
    pub(super) fn shares(&self) -> Shares {
        let begun = self.active.iter().filter(|active| active.handshake.is_some());
        Shares(begun.map(|active| active.client).take(PROFILE.handshakes).collect())
    }

    /// The one that makes room for somebody whose address has `share` of the slots.
    fn dispensable(&self, share: usize, now_us: u64) -> Option<SessionId> {
        let running = self.active.iter().filter_map(|active| {
            let Active { session, client, begun_us, checked_us, .. } = **active;
            Some(Running { session, client, begun_us: begun_us?, checked_us })
        });
        room::dispensable(running, share, now_us)
    }

    /// Whether this is an offer that was answered a while ago, and that no check came for.
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
    /// Takes in what the browser sent: without a slot it is kept.
    fn receive(&mut self, datagram: &HandshakeDatagram, now_us: u64) {
        self.checked_us = now_us;
        let (from, to) = (datagram.from, self.given(datagram.to));
        if let Some((handshake, account)) = &mut self.handshake {
            return account.enter(|| handshake.receive(from, to, &datagram.bytes, now_us));
        }
        // DTLS without a handshake came in front of its check, and will come again.
        if Kind::of(&datagram.bytes) != Kind::Stun
            || datagram.bytes.len() > HANDSHAKE_CHECK_BYTES_MAX
        {
            return;
        }
        let since_us = self.held.as_ref().map_or(now_us, |held| held.since_us);
        let copy = || datagram.bytes.to_vec();
        let bytes = self.account.as_ref().map_or_else(copy, |account| account.enter(copy));
        self.held = Some(Held { from, to, bytes, since_us });
    }

    /// Begins with the check that was kept.
    fn begin(&mut self, identity: &Identity, account: Account, now_us: u64) {
        let Some(Held { from, to, bytes, .. }) = self.held.take() else { return };
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
        // A busy browser's offer, its wait for a slot and its handshake have their time each.
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

    /// The candidate that a datagram to `to` is for.
    fn given(&mut self, to: SocketAddr) -> SocketAddr {
        if self.candidates.contains(&to) {
            return to;
        }
        let given = self.candidates[0];
        self.alias = Some((given, to));
        given
    }

    /// Our own address behind a candidate.
    fn actual(&self, given: SocketAddr) -> SocketAddr {
        match self.alias {
            Some((alias, actual)) if alias == given => actual,
            _ => given,
        }
    }
}

impl Control {
    /// Drives handshakes and takes in what the media thread ended, for ever.
    pub(super) async fn drive(self) {
        let wakeup = self.0.media.borrow().wakeup.clone();
        loop {
            let deadline_us = self.0.drive_once();
            status::GAUGES.driver_rounds.fetch_add(1, Relaxed);
            // Under a flood of datagrams there is always a wake-up: pages and timers get their turn
            // between two rounds.
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
    /// One round of the driver; when the next is due.
    fn drive_once(&self) -> u64 {
        // As many as the queue has room for: what comes meanwhile rings for the next round.
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
        // Offers first: an answer leaves the slot to a check.
        self.grant_next();
        while self.begin_held() {
            deadline_us = self.advance();
        }
        self.gauge();
        let is_waited_for = self.is_waited_for();
        // While somebody waits, a quiet handshake is due in a moment.
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

    /// Gives free slots to those whose check came; whether there were any.
    fn begin_held(&self) -> bool {
        let mut handshakes = self.handshakes.borrow_mut();
        let mut has_begun = false;
        while handshakes.begun() < PROFILE.handshakes {
            let Some(active) = handshakes.next_held() else { break };
            // While memory is short it is kept waiting.
            let Ok(account) = Account::open(accounts::Kind::Handshake) else { break };
            active.begin(&self.identity, account, clock::now_us());
            has_begun = true;
        }
        has_begun
    }

    /// Whether somebody waits for a slot, with an offer or with a check.
    fn is_waited_for(&self) -> bool {
        !self.offers.borrow_mut().is_empty() || self.handshakes.borrow().has_held()
    }

    /// Polls all handshakes; the earliest of their deadlines.
    fn advance(&self) -> u64 {
        let mut earliest_us = u64::MAX;
        let mut at = 0;
        while at < self.handshakes.borrow().active.len() {
            // One that is over has left its place to the next.
            if let Some(deadline_us) = self.advance_one(at) {
                earliest_us = earliest_us.min(deadline_us);
                at += 1;
            }
        }
        earliest_us
    }

    /// Polls a handshake as long as it has something to send; its deadline, or `None` when it is
    /// over and out of the list.
    fn advance_one(&self, at: usize) -> Option<u64> {
        loop {
            let mut handshakes = self.handshakes.borrow_mut();
            let active = handshakes.active.get_mut(at)?;
            match active.poll(clock::now_us()) {
                Progress::Transmit { to, from, datagram } => {
                    let from = active.actual(from).ip();
                    // A lost datagram is repeated: there is nothing to do about an error.
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
                    // What has a kind of its own has words of its own.
                    let words = (ended == Ended::HandshakeFailed).then(|| failure.to_string());
                    self.end(session, ended, words);
                    return None;
                }
            }
        }
    }

    /// Hands a session over to the media thread.
    fn promote(&self, active: &Active, connected: Connected) {
        let Connected { keys, remote, local, flight, close_notify } = connected;
        let session = active.session;
        let seal = SealKeys::derive(&keys.local_key, &keys.local_salt);
        let open = OpenKeys::derive(&keys.remote_key, &keys.remote_salt);
        let (Some(seal), Some(open)) = (seal, open) else {
            self.end(session, Ended::HandshakeFailed, Some("keys of an unknown length".into()));
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
            start: Start { seal, open, path, flight, close_notify },
            stream: active.camera,
            rtp_params: active.rtp_params,
            random: u16::from_be_bytes(self.random()),
        };
        self.media.borrow().send(Command::Live(Box::new(promote)));
    }

    /// The fewest slots that the address of anybody has who waits for one, with an offer or with a
    /// check.
    fn least_share(&self) -> Option<usize> {
        let handshakes = self.handshakes.borrow();
        let shares = handshakes.shares();
        let held = handshakes.active.iter().filter(|active| active.held.is_some());
        let held = held.map(|active| shares.of(active.client)).min();
        let waiting = self.offers.borrow_mut().least(|client| shares.of(client));
        held.into_iter().chain(waiting).min()
    }

    /// While others wait, a handshake that makes no progress makes room.
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

    /// Ends a session wherever it is.
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
        let held = Held { from: at(1), to: at(2), bytes: Vec::new(), since_us: 5 * SECOND_US };
        for (checked_s, give_up_s) in [(5, 15), (12, 15), (13, 16), (40, 43), (64, 65)] {
            assert_eq!(held.give_up_us(checked_s * SECOND_US), give_up_s * SECOND_US);
        }
    }
}
