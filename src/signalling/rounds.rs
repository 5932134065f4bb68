//! The rounds in which handshakes go on: datagrams in, deadlines out.

use crate::egress::batch::Path;
use crate::egress::srtp::{OpenKeys, SealKeys};
use crate::limits::{HANDSHAKE_LOOK_US, PROFILE};
use crate::media::{Command, HandshakeDatagram, Promote};
use crate::random::random;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Connected, Failure, Progress, SrtpRefusal};
use crate::webrtc::session::SessionStart;

use super::handshakes::{Active, BrowserHandshake};
use super::{MediaLink, Signalling};

impl<H: BrowserHandshake> Signalling<H> {
    /// Handles a datagram that the media thread let through to a handshake.
    pub(crate) fn receive(
        &mut self,
        datagram: &HandshakeDatagram,
        link: &impl MediaLink,
        now_us: u64,
    ) {
        let Some(at) = self.handshakes.position(datagram.session) else { return };
        self.sessions.checked(datagram.session);
        self.handshakes.active[at].receive(datagram, now_us);
        self.handshakes.begin_held(&self.identity, now_us);
        self.advance_one(at, link, now_us);
    }

    /// Does what is due: handshakes go on or are given up, and free slots go to those that wait.
    /// Returns when the next round is due.
    pub(crate) fn round(&mut self, link: &impl MediaLink, now_us: u64) -> u64 {
        let mut deadline_us = self.advance(link, now_us);
        self.evict_for_waiting(link, now_us);
        // Offers first: an answered offer takes no slot, so the slot is still there for a check.
        self.grant_next();
        while self.handshakes.begin_held(&self.identity, now_us) {
            deadline_us = self.advance(link, now_us);
        }
        let is_waited_for = !self.queue.is_empty() || self.handshakes.has_held();
        if is_waited_for { deadline_us.min(now_us + HANDSHAKE_LOOK_US) } else { deadline_us }
    }

    /// Polls all handshakes. Returns the earliest of their deadlines.
    fn advance(&mut self, link: &impl MediaLink, now_us: u64) -> u64 {
        let mut earliest_us = u64::MAX;
        let mut at = 0;
        while at < self.handshakes.active.len() {
            // An entry that was removed has left its index to the next one.
            if let Some(deadline_us) = self.advance_one(at, link, now_us) {
                earliest_us = earliest_us.min(deadline_us);
                at += 1;
            }
        }
        earliest_us
    }

    /// Polls one handshake until it has nothing more to send. Returns its deadline, or `None` when
    /// it has ended and is out of the list.
    fn advance_one(&mut self, at: usize, link: &impl MediaLink, now_us: u64) -> Option<u64> {
        loop {
            let active = self.handshakes.active.get_mut(at)?;
            match active.poll(now_us) {
                Progress::Transmit { to, from, datagram } => {
                    link.transmit(&datagram, to, active.actual(from).ip());
                }
                Progress::Wait { deadline_us } => return Some(deadline_us),
                Progress::Connected(connected) => {
                    let active = self.handshakes.active.remove(at);
                    self.promote(&active, *connected, link, now_us);
                    return None;
                }
                Progress::Failed(failure) => {
                    let session = self.handshakes.active.remove(at).session;
                    let ended = ended(&failure);
                    // Only a plain failure needs a text: the other kinds have their own reason.
                    let words = (ended == Ended::HandshakeFailed).then(|| failure.to_string());
                    self.end(session, ended, words, link, now_us);
                    return None;
                }
            }
        }
    }

    /// Grants free handshake slots to the offers that wait.
    fn grant_next(&mut self) {
        let shares = self.handshakes.shares();
        while self.handshakes.has_room() {
            let Some(waiter) = self.queue.next(|client| shares.of(client)) else { return };
            // If the waiter has left, the permit is dropped here.
            let _ = waiter.send(self.handshakes.permit());
        }
    }

    /// Hands a connected session over to the media thread.
    fn promote(
        &mut self,
        active: &Active<H>,
        connected: Connected,
        link: &impl MediaLink,
        now_us: u64,
    ) {
        let Connected { keys, remote, local, flight, close_notify } = connected;
        let session = active.session;
        let seal = SealKeys::derive(&keys.local_key, &keys.local_salt);
        let open = OpenKeys::derive(&keys.remote_key, &keys.remote_salt);
        let (Some(seal), Some(open)) = (seal, open) else {
            let words = Some("DTLS gave media keys of the wrong length".into());
            self.end(session, Ended::HandshakeFailed, words, link, now_us);
            return;
        };
        let path = Path { to: remote, from: active.actual(local).ip() };
        self.sessions.promote(session, remote, keys.profile.name(), now_us);
        let promote = Promote {
            session,
            start: SessionStart { seal, open, path, flight, close_notify },
            stream: active.camera,
            rtp_params: active.rtp_params,
            sound: active.sound,
            random: [u16::from_be_bytes(random()), u16::from_be_bytes(random())],
        };
        link.command(Command::Live(Box::new(promote)));
    }

    /// While an offer or a check waits for a slot, evicts a handshake that makes no progress.
    fn evict_for_waiting(&mut self, link: &impl MediaLink, now_us: u64) {
        if self.handshakes.begun() < PROFILE.handshakes {
            return;
        }
        let Some(share) = self.least_share() else { return };
        if let Some(session) = self.handshakes.dispensable(share, now_us) {
            self.end(session, Ended::HandshakeEvicted, None, link, now_us);
        }
    }

    /// The fewest slots that any waiting client has, be it with an offer or with a check.
    fn least_share(&mut self) -> Option<usize> {
        let shares = self.handshakes.shares();
        let held = self.handshakes.least_held_share(&shares);
        let waiting = self.queue.least(|client| shares.of(client));
        held.into_iter().chain(waiting).min()
    }
}

fn ended(failure: &Failure) -> Ended {
    match failure {
        Failure::Refused(SrtpRefusal::NoSrtp) => Ended::NoSrtp,
        Failure::Refused(SrtpRefusal::NoGcm) => Ended::NoGcm,
        Failure::TimedOut => Ended::HandshakeTimeout,
        _ => Ended::HandshakeFailed,
    }
}
