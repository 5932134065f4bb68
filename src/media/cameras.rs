//! Camera connections: reading, cutting into the history ring, writing, time-outs.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use socket2::Socket;

use crate::history::Chunks;
use crate::limits::CAMERAS_MAX;
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::net::udp::camera::DatagramSockets;
use crate::rtsp::{self, SessionError};
use crate::status::{BreakReason, CameraStats};
use crate::stream::{Sound, Stream};

use super::Lost;
use super::budget::ReadBudget;
use super::slot_set::SlotSet;

mod datagrams;

use datagrams::Datagrams;
pub(super) use datagrams::Tokens;

/// The camera connections, at most one per slot.
pub struct Cameras {
    slots: heapless::Vec<Option<Connection>, CAMERAS_MAX>,
    /// Slots whose last read left data in the socket, or may have.
    has_more: SlotSet,
    /// Slots whose sound must be read again without an event.
    has_sound_due: SlotSet,
    /// Slots of cameras whose RTP comes as datagrams.
    by_datagrams: SlotSet,
    /// Slots of cameras with sound.
    with_sound: SlotSet,
    /// A camera was asked for a key frame, which control has not been told yet.
    has_asked: bool,
}

struct Connection {
    socket: Socket,
    session: rtsp::Session,
    /// Set when RTP does not come on the connection.
    datagrams: Option<Datagrams>,
    budget: ReadBudget,
    /// It was found over its budget, and has not been read since.
    is_throttled: bool,
    /// With datagrams: the last read may have left some.
    is_unread: bool,
    /// The camera has closed its side, so a read will return the end of the stream.
    has_end: bool,
    /// Since when reads are put off; time already reported to the RTSP session is not included.
    put_off_us: Option<u64>,
    /// Set while a TEARDOWN is under way: when to stop waiting for its answer.
    leaves_by_us: Option<u64>,
    /// With datagrams: the last read asked for a key frame.
    has_asked: bool,
}

/// How long a camera may take to answer TEARDOWN.
pub(super) const GOODBYE_US: u64 = 300_000;

/// Discards the packets that a camera sends after TEARDOWN.
struct DiscardSink;

impl rtsp::Sink for DiscardSink {
    fn rtp(&mut self, _: &[u8]) {}

    fn sound(&mut self, _: &[u8]) {}

    fn broken(&mut self, _: rtsp::Broken) {}
}

/// Cuts a camera's packets into its history ring, and those of its sound into the other one.
pub(super) struct RingSink<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) sound: &'a mut Sound,
    pub(super) chunks: &'a mut Chunks,
    pub(super) stats: &'static CameraStats,
    /// The camera has sound, with which the picture must keep together.
    pub(super) has_sound: bool,
    pub(super) now_us: u64,
}

impl rtsp::Sink for RingSink<'_> {
    fn rtp(&mut self, packet: &[u8]) {
        self.stream.rtp(self.chunks, packet, self.now_us);
        if self.has_sound {
            self.sound.picture_came(packet, self.now_us);
        }
    }

    fn report(&mut self, packet: &[u8]) {
        self.sound.picture_reported(packet);
    }

    fn sound(&mut self, packet: &[u8]) {
        self.sound.rtp(packet, self.now_us);
    }

    fn sound_report(&mut self, packet: &[u8]) {
        self.sound.reported(packet);
    }

    fn broken(&mut self, why: rtsp::Broken) {
        self.stream.broken(match why {
            rtsp::Broken::Abandoned(tier) => {
                self.stats.abandoned[tier as usize].fetch_add(1, Relaxed);
                BreakReason::NoCarrySlot
            }
            rtsp::Broken::Resync { .. } => BreakReason::Resync,
        });
    }
}

impl Cameras {
    pub(super) const fn new() -> Self {
        Self {
            slots: heapless::Vec::new(),
            has_more: SlotSet::EMPTY,
            has_sound_due: SlotSet::EMPTY,
            by_datagrams: SlotSet::EMPTY,
            with_sound: SlotSet::EMPTY,
            has_asked: false,
        }
    }

    /// Creates every slot, empty. Called once, before the first use.
    pub(super) fn prepare(&mut self) {
        while self.slots.push(None).is_ok() {}
    }

    /// Takes over a connection, with the sockets for its datagrams if it has any, and sends PLAY.
    pub(super) fn play(
        &mut self,
        slot: usize,
        (socket, sockets): (Socket, Option<DatagramSockets>),
        mut session: rtsp::Session,
        registry: &Registry,
        tokens: Tokens,
        now_us: u64,
    ) -> Result<(), Lost> {
        let mut source = SourceFd(&socket.as_raw_fd());
        let registered = registry.register(&mut source, tokens.connection, Interest::READABLE);
        registered.map_err(|_| Lost::Broken)?;
        let datagrams = match sockets {
            Some(sockets) => Some(Datagrams::register(sockets, registry, tokens, now_us)?),
            None => None,
        };
        session.play(now_us);
        let mut connection = Connection {
            socket,
            session,
            datagrams,
            budget: ReadBudget::new(now_us),
            is_throttled: false,
            is_unread: false,
            has_end: false,
            put_off_us: None,
            leaves_by_us: None,
            has_asked: false,
        };
        connection.write()?;
        self.by_datagrams.set(slot, connection.datagrams.is_some());
        self.slots[slot] = Some(connection);
        Ok(())
    }

    /// Reads RTP once: at most one scratch buffer, and at most the camera's budget. Returns whether
    /// there are new packets to serve.
    pub(super) fn read(
        &mut self,
        slot: usize,
        scratch: &mut [u8],
        (carry, reorder): (&mut CarryPool, &mut ReorderPool),
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(false) };
        if connection.datagrams.is_some() {
            let read = connection.read_datagrams(scratch, reorder, sink);
            self.has_more.set(slot, connection.has_datagrams_due());
            self.has_asked |= std::mem::take(&mut connection.has_asked);
            // A camera may send its sound to the same multicast group and port.
            self.has_sound_due.set(slot, connection.sound_due_us() < u64::MAX);
            return read;
        }
        let now_us = sink.now_us;
        let room = connection.budget.room(now_us).min(scratch.len());
        if room == 0 {
            // The data stays in the socket; when that is full, TCP flow control slows the camera
            // down.
            self.has_more.set(slot, true);
            connection.throttle(sink.stats);
            return Ok(false);
        }
        connection.tell_put_off(sink.stats, now_us);
        connection.put_off_us = None;
        let was_throttled = std::mem::take(&mut connection.is_throttled);
        let bytes = match connection.socket.read(&mut scratch[..room]) {
            Ok(0) => return Err(Lost::Closed),
            Ok(bytes) => bytes,
            Err(error) if is_passing(error.kind()) => {
                // An interrupted read does not use up the readiness event: there may be more data.
                self.has_more.set(slot, error.kind() == ErrorKind::Interrupted);
                return Ok(false);
            }
            Err(_) => return Err(Lost::Broken),
        };
        // After a short read the socket is empty, and the next byte causes an event. The exception
        // is an end of stream whose event came already, for example while throttled.
        self.has_more.set(slot, bytes == room || was_throttled || connection.has_end);
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

    /// Notes that a slot's data stays in its socket for now.
    pub(super) fn put_off(&mut self, slot: usize, now_us: u64) {
        if let Some(connection) = self.slots[slot].as_mut() {
            self.has_more.set(slot, true);
            connection.is_unread = true;
            connection.put_off_us.get_or_insert(now_us);
        }
    }

    /// Handles time for one camera: keepalive, receiver reports, silence, the TEARDOWN time-out.
    pub(super) fn timeout(
        &mut self,
        slot: usize,
        stats: &CameraStats,
        now_us: u64,
    ) -> Result<(), Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(()) };
        if connection.leaves_by_us.is_some_and(|by_us| now_us >= by_us) {
            return Err(Lost::Stopped);
        }
        connection.tell_put_off(stats, now_us);
        if now_us >= connection.session.deadline_us() {
            connection.session.timeout(now_us).map_err(|error| lost(&error))?;
        }
        connection.write()
    }

    /// Asks the camera for a key frame, because a viewer did or has just joined.
    pub(super) fn request_key_frame(&mut self, slot: usize, stats: &CameraStats, now_us: u64) {
        if let Some(connection) = self.slots[slot].as_mut() {
            self.has_asked |= connection.request_key_frame(stats, now_us);
            // The next read meets the same error and handles it.
            let _ = connection.write();
        }
    }

    /// Whether a camera was asked for a key frame since the last call.
    pub(super) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.has_asked)
    }

    /// Sends TEARDOWN. The connection stays until the camera answers, or for [`GOODBYE_US`].
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

    /// The camera has closed its side: read until the end of the stream is met.
    pub(super) fn ends(&mut self, slot: usize) {
        if let Some(connection) = self.slots[slot].as_mut() {
            connection.has_end = true;
        }
    }

    /// Slots whose picture must be read again, now or later: see [`Self::unread_us`].
    pub(super) fn unread(&self) -> &SlotSet {
        &self.has_more
    }

    /// Slots whose sound must be read again, now or later: see [`Self::sound_due_us`].
    pub(super) fn sound_due(&self) -> &SlotSet {
        &self.has_sound_due
    }

    /// When a slot must be read again because the last read left data; `None` when the next byte
    /// causes an event.
    pub(super) fn unread_us(&self, slot: usize) -> Option<u64> {
        let connection = self.has_more.has(slot).then(|| self.slots[slot].as_ref())??;
        Some(connection.unread_us())
    }

    /// Whether a slot's camera sends its RTP as datagrams.
    pub(super) fn has_datagrams(&self, slot: usize) -> bool {
        self.by_datagrams.has(slot)
    }

    /// Notes whether a slot's camera has sound.
    pub(super) fn set_sound(&mut self, slot: usize, has_sound: bool) {
        self.with_sound.set(slot, has_sound);
    }

    /// Whether a slot's camera has sound.
    pub(super) fn has_sound(&self, slot: usize) -> bool {
        self.with_sound.has(slot)
    }

    /// Whether a slot has a connection.
    pub(super) fn is_connected(&self, slot: usize) -> bool {
        self.slots[slot].is_some()
    }

    /// Closes a connection and frees its carry and reorder slots.
    pub(super) fn drop(
        &mut self,
        slot: usize,
        registry: &Registry,
        (carry, reorder): (&mut CarryPool, &mut ReorderPool),
    ) {
        self.has_more.set(slot, false);
        self.has_sound_due.set(slot, false);
        self.by_datagrams.set(slot, false);
        if let Some(mut connection) = self.slots[slot].take() {
            connection.session.release(carry, reorder);
            // Closing the socket removes it from the readiness queue as well.
            let _ = registry.deregister(&mut SourceFd(&connection.socket.as_raw_fd()));
        }
    }
}

impl Connection {
    /// Tells the session how long weir itself put off reading: that is not the camera's silence.
    /// The statistics are told too.
    fn tell_put_off(&mut self, stats: &CameraStats, now_us: u64) {
        if let Some(since_us) = &mut self.put_off_us {
            let since_us = std::mem::replace(since_us, now_us);
            let unread_us = now_us.saturating_sub(since_us);
            self.session.was_not_read(unread_us);
            stats.unread_us.fetch_add(unread_us, Relaxed);
        }
    }

    /// Asks for a key frame, by RTCP unless that was found to be in vain, and tells control by the
    /// statistics. Returns whether it did: not twice in a second.
    fn request_key_frame(&mut self, stats: &CameraStats, now_us: u64) -> bool {
        let by_rtcp = !stats.rtcp_in_vain.load(Relaxed);
        let is_asked = self.session.request_key_frame(by_rtcp, now_us);
        if is_asked {
            stats.key_frame_asked_us.store(now_us, Relaxed);
            stats.key_frames_asked.fetch_add(1, Relaxed);
        }
        is_asked
    }

    /// Notes that it is over its budget.
    fn throttle(&mut self, stats: &CameraStats) {
        if !std::mem::replace(&mut self.is_throttled, true) {
            stats.throttled.fetch_add(1, Relaxed);
        }
    }

    /// Writes the session's pending output, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Lost> {
        if let Some(datagrams) = &self.datagrams {
            datagrams.send(&mut self.session);
        }
        while !self.session.transmit().is_empty() {
            match self.socket.write(self.session.transmit()) {
                Ok(0) => return Err(Lost::Closed),
                Ok(bytes) => self.session.sent(bytes),
                // The rest goes out with the next read or time-out.
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
        SessionError::NoDatagrams => Lost::NoDatagrams,
        SessionError::PlayRefused { .. } => Lost::Refused,
        SessionError::PlayUnanswered => Lost::Unanswered,
    }
}

#[cfg(test)]
mod tests;
