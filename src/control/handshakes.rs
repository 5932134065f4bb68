//! Handshakes: a bounded number at once, each gone as soon as it is connected.

use std::cell::Cell;
use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock;
use crate::egress::batch::Path;
use crate::egress::srtp::{OpenKeys, SealKeys};
use crate::egress::subscription::Wiring;
use crate::limits::{HANDSHAKE_QUIET_US, HANDSHAKE_SLOW_US, PROFILE};
use crate::media::{Command, HandshakeDatagram, Promote, SeatId};
use crate::status;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Connected, Failure, Handshake, Progress, Refusal as CipherRefusal};
use crate::webrtc::session::Start;

use super::{Control, State};

/// The longest the driver sleeps.
const REST_US: u64 = 1_000_000;

/// The handshake slots.
pub(super) struct Handshakes {
    pub(super) active: Vec<Active>,
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

/// One handshake.
pub(super) struct Active {
    pub(super) seat: SeatId,
    /// Who posted the offer.
    pub(super) peer: IpAddr,
    pub(super) handshake: Handshake,
    pub(super) wiring: Wiring,
    pub(super) camera: u16,
    pub(super) begun_us: u64,
    /// The last valid check, or the begin.
    pub(super) checked_us: u64,
    /// Behind an address translation: the candidate the browser knows, and our own address.
    pub(super) alias: Option<(SocketAddr, SocketAddr)>,
    pub(super) candidates: super::Candidates,
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self { active: Vec::with_capacity(PROFILE.handshakes), granted: Rc::default() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.active.len() + self.granted.get() < PROFILE.handshakes
    }

    pub(super) fn permit(&self) -> Permit {
        self.granted.set(self.granted.get() + 1);
        Permit(self.granted.clone())
    }

    pub(super) fn count_of(&self, peer: IpAddr) -> usize {
        self.active.iter().filter(|active| active.peer == peer).count()
    }

    /// The one that makes room: who saw no check for longest, if that is a while; else of the
    /// address with the most handshakes the oldest, if it had its time.
    fn dispensable(&self, now_us: u64) -> Option<SeatId> {
        let quiet = self.active.iter().min_by_key(|active| active.checked_us)?;
        if now_us >= quiet.checked_us + HANDSHAKE_QUIET_US {
            return Some(quiet.seat);
        }
        let slow =
            self.active.iter().filter(|active| now_us >= active.begun_us + HANDSHAKE_SLOW_US);
        let greed = |active: &&Active| (Reverse(self.count_of(active.peer)), active.begun_us);
        slow.min_by_key(greed).map(|active| active.seat)
    }
}

impl Active {
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
        let bell = self.0.media.borrow().bell.clone();
        loop {
            let deadline_us = self.0.drive_once();
            let wait_us = deadline_us.saturating_sub(clock::now_us()).min(REST_US);
            tokio::select! {
                () = bell.notified() => {}
                () = self.0.begun.notified() => {}
                () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
            }
        }
    }
}

impl State {
    /// One round of the driver; when the next is due.
    fn drive_once(&self) -> u64 {
        loop {
            let datagram = self.media.borrow().handshake_datagram();
            let Some(datagram) = datagram else { break };
            self.receive(&datagram);
        }
        let ended = self.sessions.borrow().ended_by_media();
        for (seat, ended) in ended {
            self.sessions.borrow_mut().release(seat, ended, None, &self.config);
        }
        for (camera, card) in self.cameras.iter().zip(&status::CAMERAS) {
            if card.lost.load(Relaxed) != 0 {
                camera.look();
            }
        }
        let deadline_us = self.advance();
        self.evict_for_waiting();
        self.grant_next();
        self.gauge();
        let is_waited_for = !self.waiting.borrow_mut().is_empty();
        // While somebody waits, a quiet handshake is due in a moment.
        if is_waited_for { deadline_us.min(clock::now_us() + 50_000) } else { deadline_us }
    }

    fn receive(&self, datagram: &HandshakeDatagram) {
        let mut handshakes = self.handshakes.borrow_mut();
        let found = handshakes.active.iter_mut().find(|active| active.seat == datagram.seat);
        let Some(active) = found else { return };
        let now_us = clock::now_us();
        active.checked_us = now_us;
        let to = active.given(datagram.to);
        active.handshake.receive(datagram.from, to, &datagram.bytes, now_us);
        drop(handshakes);
        self.advance();
    }

    /// Polls all handshakes; the earliest of their deadlines.
    fn advance(&self) -> u64 {
        let mut earliest_us = u64::MAX;
        let mut at = 0;
        loop {
            let mut handshakes = self.handshakes.borrow_mut();
            let Some(active) = handshakes.active.get_mut(at) else { return earliest_us };
            match active.handshake.poll(clock::now_us()) {
                Progress::Transmit { to, from, datagram } => {
                    let from = active.actual(from).ip();
                    // A lost datagram is repeated: there is nothing to do about an error.
                    let _ = self.media.borrow().socket.send_to(&datagram, to, from);
                }
                Progress::Wait { deadline_us } => {
                    earliest_us = earliest_us.min(deadline_us);
                    at += 1;
                }
                Progress::Connected(connected) => {
                    let active = handshakes.active.remove(at);
                    drop(handshakes);
                    self.promote(active, *connected);
                }
                Progress::Failed(failure) => {
                    let seat = handshakes.active.remove(at).seat;
                    drop(handshakes);
                    let ended = ended(&failure);
                    // What has a kind of its own has words of its own.
                    let words = (ended == Ended::HandshakeFailed).then(|| failure.to_string());
                    self.end(seat, ended, words);
                }
            }
        }
    }

    /// Hands a session over to the media thread.
    fn promote(&self, active: Active, connected: Connected) {
        let Connected { keys, remote, local, flight, close_notify } = connected;
        let seat = active.seat;
        let seal = SealKeys::derive(&keys.local_key, &keys.local_salt);
        let open = OpenKeys::derive(&keys.remote_key, &keys.remote_salt);
        let (Some(seal), Some(open)) = (seal, open) else {
            self.end(seat, Ended::HandshakeFailed, Some("keys of an unknown length".into()));
            return;
        };
        let path = Path { to: remote, from: active.actual(local).ip() };
        let cipher = keys.profile.name();
        self.sessions.borrow_mut().promote(seat, remote, cipher);
        let name = self.cameras[usize::from(active.camera)].name();
        log::info!("{remote} watches {name} ({cipher})");
        let promote = Promote {
            seat,
            start: Start { seal, open, path, flight, close_notify },
            stream: active.camera,
            wiring: active.wiring,
            random: u16::from_be_bytes(self.random()),
        };
        self.media.borrow().tell(Command::Live(Box::new(promote)));
    }

    /// While others wait, a handshake that makes no progress makes room.
    fn evict_for_waiting(&self) {
        if self.waiting.borrow_mut().is_empty() || self.handshakes.borrow().has_room() {
            return;
        }
        let dispensable = self.handshakes.borrow().dispensable(clock::now_us());
        if let Some(seat) = dispensable {
            self.end(seat, Ended::HandshakeEvicted, None);
        }
    }

    /// Ends a session wherever it is.
    pub(super) fn end(&self, seat: SeatId, ended: Ended, words: Option<String>) {
        self.handshakes.borrow_mut().active.retain(|active| active.seat != seat);
        self.media.borrow().tell(Command::End { seat, ended });
        self.sessions.borrow_mut().release(seat, ended, words, &self.config);
        self.begun.notify_one();
    }

    fn gauge(&self) {
        let handshakes = self.handshakes.borrow().active.len();
        status::GAUGES.handshakes.store(handshakes as u64, Relaxed);
        status::GAUGES.sessions.store(self.sessions.borrow().len() as u64, Relaxed);
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
