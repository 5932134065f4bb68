//! Cameras' connections: read, cut into the ring, written to, watched.

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::Ordering::Relaxed;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::history::Chunks;
use crate::limits::CAMERAS_MAX;
use crate::mem::pool::CarryPool;
use crate::rtsp::{self, SessionError};
use crate::status::CameraStats;
use crate::stream::Stream;

use super::Lost;
use super::budget::Budget;

/// One connection a slot.
pub struct Cameras {
    slots: heapless::Vec<Option<Connection>, CAMERAS_MAX>,
    /// Slots whose last read left something behind, or may have. Looked at in each iteration, so they
    /// lie side by side.
    has_more: [bool; CAMERAS_MAX],
}

struct Connection {
    socket: TcpStream,
    session: rtsp::Session,
    budget: Budget,
    /// It was found over its budget, and not read since.
    is_throttled: bool,
    /// The camera has closed its side: there is an end to be read.
    has_end: bool,
    /// Since when it is put off, as far as the session was not told of it.
    put_off_us: Option<u64>,
    /// A TEARDOWN is under way; when its answer is no longer waited for.
    leaves_by_us: Option<u64>,
}

/// How long a camera may take to answer its TEARDOWN.
pub(super) const GOODBYE_US: u64 = 300_000;

/// For what comes of a camera that was told goodbye.
struct DiscardSink;

impl rtsp::Sink for DiscardSink {
    fn rtp(&mut self, _: &[u8]) {}

    fn broken(&mut self, _: rtsp::Broken) {}
}

/// What a camera's packets are cut into.
pub(super) struct RingSink<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) chunks: &'a mut Chunks,
    pub(super) stats: &'static CameraStats,
    pub(super) now_us: u64,
}

impl rtsp::Sink for RingSink<'_> {
    fn rtp(&mut self, packet: &[u8]) {
        self.stream.rtp(self.chunks, packet, self.now_us);
    }

    fn broken(&mut self, why: rtsp::Broken) {
        self.stream.broken();
        if let rtsp::Broken::Abandoned(tier) = why {
            self.stats.abandoned[tier as usize].fetch_add(1, Relaxed);
        }
    }
}

impl Cameras {
    pub(super) const fn new() -> Self {
        Self { slots: heapless::Vec::new(), has_more: [false; CAMERAS_MAX] }
    }

    /// Makes every slot, empty; before the first use.
    pub(super) fn prepare(&mut self) {
        while self.slots.push(None).is_ok() {}
    }

    /// Takes over a connection and asks the camera to play.
    pub(super) fn play(
        &mut self,
        slot: usize,
        socket: std::net::TcpStream,
        mut session: rtsp::Session,
        registry: &Registry,
        token: Token,
        now_us: u64,
    ) -> Result<(), Lost> {
        let mut socket = TcpStream::from_std(socket);
        let registered = registry.register(&mut socket, token, Interest::READABLE);
        registered.map_err(|_| Lost::Broken)?;
        session.play(now_us);
        let mut connection = Connection {
            socket,
            session,
            budget: Budget::new(now_us),
            is_throttled: false,
            has_end: false,
            put_off_us: None,
            leaves_by_us: None,
        };
        connection.write()?;
        self.slots[slot] = Some(connection);
        Ok(())
    }

    /// Reads what is there, at most one scratch full and what the camera's budget has; whether
    /// anything came.
    pub(super) fn read(
        &mut self,
        slot: usize,
        scratch: &mut [u8],
        carry: &mut CarryPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(false) };
        let has_more = &mut self.has_more[slot];
        let now_us = sink.now_us;
        let room = connection.budget.room(now_us).min(scratch.len());
        if room == 0 {
            // What stays in the socket fills it, and TCP slows the camera down.
            *has_more = true;
            if !std::mem::replace(&mut connection.is_throttled, true) {
                sink.stats.throttled.fetch_add(1, Relaxed);
            }
            return Ok(false);
        }
        connection.tell_put_off(now_us);
        connection.put_off_us = None;
        let was_throttled = std::mem::take(&mut connection.is_throttled);
        let bytes = match connection.socket.read(&mut scratch[..room]) {
            Ok(0) => return Err(Lost::Closed),
            Ok(bytes) => bytes,
            Err(error) if is_passing(error.kind()) => {
                // An interrupted read is no wake-up spent: there may be more.
                *has_more = error.kind() == ErrorKind::Interrupted;
                return Ok(false);
            }
            Err(_) => return Err(Lost::Broken),
        };
        // A short read means that the socket is empty, and the next byte wakes us; unless there is
        // an end behind it that we were woken for already, as we may have been while throttled.
        *has_more = bytes == room || was_throttled || connection.has_end;
        connection.budget.spend(bytes);
        let Connection { session, .. } = connection;
        if connection.leaves_by_us.is_some() {
            let received = session.receive(&scratch[..bytes], carry, now_us, &mut DiscardSink);
            let is_over = received.is_err() || session.is_torn_down();
            return if is_over { Err(Lost::Stopped) } else { Ok(false) };
        }
        let received = session.receive(&scratch[..bytes], carry, now_us, sink);
        received.map_err(|error| lost(&error))?;
        connection.write()?;
        Ok(true)
    }

    /// What came for a slot stays in its socket for now.
    pub(super) fn put_off(&mut self, slot: usize, now_us: u64) {
        if let Some(connection) = self.slots[slot].as_mut() {
            self.has_more[slot] = true;
            connection.put_off_us.get_or_insert(now_us);
        }
    }

    /// Lets time pass for one camera: keepalive, receiver reports, silence.
    pub(super) fn timeout(&mut self, slot: usize, now_us: u64) -> Result<(), Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(()) };
        if connection.leaves_by_us.is_some_and(|by_us| now_us >= by_us) {
            return Err(Lost::Stopped);
        }
        connection.tell_put_off(now_us);
        if now_us >= connection.session.deadline_us() {
            connection.session.timeout(now_us).map_err(|error| lost(&error))?;
        }
        connection.write()
    }

    /// Asks the camera for a key frame, as a viewer did.
    pub(super) fn request_key_frame(&mut self, slot: usize, now_us: u64) {
        if let Some(connection) = self.slots[slot].as_mut() {
            connection.session.request_key_frame(now_us);
            // An error shows again at the next read.
            let _ = connection.write();
        }
    }

    /// Tells the camera goodbye; the connection stays until it answers, or for [`GOODBYE_US`].
    pub(super) fn leave(&mut self, slot: usize, now_us: u64) {
        if let Some(connection) = self.slots[slot].as_mut() {
            connection.session.teardown();
            connection.leaves_by_us.get_or_insert(now_us + GOODBYE_US);
            let _ = connection.write();
        }
    }

    /// Whether a TEARDOWN is under way.
    pub(super) fn is_leaving(&self, slot: usize) -> bool {
        self.slots[slot].as_ref().is_some_and(|connection| connection.leaves_by_us.is_some())
    }

    /// The camera in a slot has closed its side: it is read until that is met.
    pub(super) fn ends(&mut self, slot: usize) {
        if let Some(connection) = self.slots[slot].as_mut() {
            connection.has_end = true;
        }
    }

    /// Slots that are to be read again, now or later: see [`Self::unread_us`].
    pub(super) fn unread(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..CAMERAS_MAX).filter(|slot| self.has_more[*slot])
    }

    /// When a slot is to be read again because the last read left something behind; `None` when
    /// the next byte wakes us.
    pub(super) fn unread_us(&self, slot: usize) -> Option<u64> {
        let connection = self.has_more[slot].then(|| self.slots[slot].as_ref())??;
        Some(connection.budget.due_us())
    }

    /// Whether a slot has a connection.
    pub(super) fn is_connected(&self, slot: usize) -> bool {
        self.slots[slot].is_some()
    }

    /// Closes a connection.
    pub(super) fn drop(&mut self, slot: usize, registry: &Registry, carry: &mut CarryPool) {
        self.has_more[slot] = false;
        if let Some(mut connection) = self.slots[slot].take() {
            connection.session.release(carry);
            // Closing the socket takes it out of the queue as well.
            let _ = registry.deregister(&mut connection.socket);
        }
    }
}

impl Connection {
    /// The time in which weir itself did not read is no silence of the camera's.
    fn tell_put_off(&mut self, now_us: u64) {
        if let Some(since_us) = &mut self.put_off_us {
            let since_us = std::mem::replace(since_us, now_us);
            self.session.was_not_read(now_us.saturating_sub(since_us));
        }
    }

    /// Writes what the session has to say, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Lost> {
        while !self.session.transmit().is_empty() {
            match self.socket.write(self.session.transmit()) {
                Ok(0) => return Err(Lost::Closed),
                Ok(bytes) => self.session.sent(bytes),
                // What the camera does not take now goes with the next read or timeout.
                Err(error) if is_passing(error.kind()) => return Ok(()),
                Err(_) => return Err(Lost::Broken),
            }
        }
        Ok(())
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn lost(error: &SessionError) -> Lost {
    match error {
        SessionError::Silent => Lost::Silent,
        SessionError::PlayRefused { .. } => Lost::Refused,
        SessionError::PlayUnanswered => Lost::Unanswered,
    }
}

#[cfg(test)]
mod tests;
