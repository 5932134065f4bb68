//! Signalling: sessions from a browser's offer until its browser is connected, and their end.
//!
//! [`Signalling`] owns the session table, the handshakes and the queue of the offers that wait for
//! a handshake slot. It has no clock, no task and no socket: the caller passes in the time, the
//! datagrams that the media thread let through, and a [`MediaLink`] that takes what is to be sent.
//! So a simulation can drive it for days in a second (`simulation`).
//!
//! [`offers`] answers a POST, `ice_restarts` a PATCH, and `rounds` drives the
//! handshakes. `room` decides which handshake makes room for another, and `sharing` which session.

mod api;
mod handshakes;
mod ice_restarts;
mod offer_queue;
mod offers;
mod room;
mod rounds;
mod sessions;
mod sharing;
#[cfg(test)]
mod simulation;

use std::net::{IpAddr, SocketAddr};

use crate::limits::SESSIONS_MAX;
use crate::media::{Command, Media, SessionId};
use crate::mem::accounts;
use crate::status::SessionStats;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{DtlsIdentity, Handshake};

pub use api::{
    IfMatch, OfferAnswer, OfferRefusal, OfferRequest, Patch, PatchRefusal, Patched, SessionStatus,
    SkipsByReason,
};
pub(crate) use handshakes::{BrowserHandshake, Permit};
pub(crate) use offers::{AnswerTerms, Turn, check, full};
pub use sessions::ListPosition;
pub(crate) use sessions::Sessions;

use handshakes::Handshakes;
use offer_queue::OfferQueue;

/// What signalling has the media thread and its socket do.
pub(crate) trait MediaLink {
    /// Gives the media thread a command.
    fn command(&self, command: Command);
    /// Whether so many commands wait that nothing new may begin.
    fn is_behind(&self) -> bool;
    /// Sends a datagram of a handshake from a local address. One that is lost is sent again by
    /// whoever made it.
    fn transmit(&self, datagram: &[u8], to: SocketAddr, from: IpAddr);
}

impl MediaLink for Media {
    fn command(&self, command: Command) {
        self.send(command);
    }

    fn is_behind(&self) -> bool {
        Media::is_behind(self)
    }

    fn transmit(&self, datagram: &[u8], to: SocketAddr, from: IpAddr) {
        // On an error the datagram is lost, and ICE or DTLS sends it again.
        let _ = self.socket.send_to(datagram, to, from);
    }
}

/// How many places of signalling's tables are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) sessions: usize,
    pub(crate) handshakes: usize,
    pub(crate) offers_waiting: usize,
}

/// All sessions and what they still need to be connected. `H` is the handshake of one browser.
pub(crate) struct Signalling<H = Handshake> {
    identity: DtlsIdentity,
    sessions: Sessions,
    handshakes: Handshakes<H>,
    queue: OfferQueue<Permit>,
}

impl<H: BrowserHandshake> Signalling<H> {
    /// No session yet. `stats` are those that the media thread writes, a slot each.
    pub(crate) fn new(
        identity: DtlsIdentity,
        stats: &'static [SessionStats; SESSIONS_MAX],
    ) -> Self {
        Self {
            identity,
            sessions: Sessions::new(stats),
            handshakes: Handshakes::new(),
            queue: OfferQueue::new(),
        }
    }

    /// The session table, to look things up in.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Ends a session in the handshakes, the media thread and the session table. `words` replace
    /// the reason that `ended` has.
    pub(crate) fn end(
        &mut self,
        session: SessionId,
        ended: Ended,
        words: Option<String>,
        link: &impl MediaLink,
        now_us: u64,
    ) {
        self.handshakes.forget(session);
        link.command(Command::End { session, ended });
        accounts::shared(|| self.sessions.release(session, ended, words, now_us));
    }

    /// Releases the sessions that the media thread ended.
    pub(crate) fn release_ended(&mut self, now_us: u64) {
        for (session, ended) in self.sessions.ended_by_media() {
            self.sessions.release(session, ended, None, now_us);
        }
    }

    /// How full the tables are now.
    pub(crate) fn usage(&mut self) -> Usage {
        Usage {
            sessions: self.sessions.len(),
            handshakes: self.handshakes.begun(),
            offers_waiting: self.queue.len(),
        }
    }
}
