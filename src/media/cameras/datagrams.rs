//! Cameras whose RTP comes as datagrams: the sockets for RTP and RTCP beside the connection.
//!
//! Such a camera cannot be made to wait. While its stream has no room, its socket is not read; what
//! the kernel then drops shows as loss. The sound's socket is read whatever the picture waits for.

use std::io::{ErrorKind, Read as _};
use std::sync::atomic::Ordering::Relaxed;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::{Cameras, Connection, DiscardSink, Lost, RingSink, is_passing, lost};
use crate::limits::{
    CAMERA_DATAGRAM_BYTES, CAMERA_DATAGRAM_COST_BYTES_MIN, CAMERA_LARGE_DATAGRAM_BYTES,
    CAMERA_RTCP_BYTES_MAX,
};
use crate::media::budget::ReadBudget;
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::net::udp::camera::{CameraSockets, DatagramSockets};
use crate::rtsp::{self, CameraTrack, ReorderCounters};
use crate::status::CameraStats;

/// Reads of a connection per event, so that a camera which floods it does not hold up the others.
const CONNECTION_READS_MAX: usize = 4;
/// RTCP datagrams per event, likewise.
const RTCP_READS_MAX: usize = 4;

/// By what the readiness queue knows a camera's sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) connection: Token,
    /// RTP and RTCP of the picture.
    pub(crate) picture: [Token; 2],
    /// RTP and RTCP of the sound.
    pub(crate) sound: [Token; 2],
}

/// The sockets of a camera's datagrams.
pub(super) struct Datagrams {
    picture: TrackSockets,
    sound: Option<SoundSockets>,
    /// What the statistics were told already, with the foreign ones all together.
    told: ReorderCounters,
    /// Of the lost packets that they were told of, those of the sound.
    told_sound_lost: u64,
}

/// The sockets of one track.
struct TrackSockets {
    track: CameraTrack,
    sockets: CameraSockets,
    /// The room for each datagram; it grows when the camera has sent a larger one.
    room: usize,
    /// Datagrams from strangers, or too long.
    refused: u64,
}

/// The sockets of the sound.
struct SoundSockets {
    own: TrackSockets,
    budget: ReadBudget,
    /// The last read may have left some.
    is_unread: bool,
}

impl Datagrams {
    pub(super) fn register(
        sockets: DatagramSockets,
        registry: &Registry,
        tokens: Tokens,
        now_us: u64,
    ) -> Result<Self, Lost> {
        let picture = TrackSockets::register(
            CameraTrack::Picture,
            sockets.picture,
            registry,
            tokens.picture,
        )?;
        let sound = match sockets.sound {
            Some(sockets) => {
                let own =
                    TrackSockets::register(CameraTrack::Sound, sockets, registry, tokens.sound)?;
                let budget = ReadBudget::of_sound(now_us);
                Some(SoundSockets { own, budget, is_unread: false })
            }
            None => None,
        };
        Ok(Self { picture, sound, told: ReorderCounters::default(), told_sound_lost: 0 })
    }

    fn tracks(&self) -> impl Iterator<Item = &TrackSockets> {
        std::iter::once(&self.picture).chain(self.sound.as_ref().map(|sound| &sound.own))
    }

    /// Sends what the session has to send as datagrams. What is lost follows with the next report.
    pub(super) fn send(&self, session: &mut rtsp::Session) {
        for TrackSockets { track, sockets, .. } in self.tracks() {
            let rtcp = session.take_rtcp(*track);
            if !rtcp.bytes().is_empty() {
                sockets.punch(&session.punch());
                sockets.send_rtcp(rtcp.bytes());
            }
        }
    }
}

impl TrackSockets {
    fn register(
        track: CameraTrack,
        sockets: CameraSockets,
        registry: &Registry,
        [rtp, rtcp]: [Token; 2],
    ) -> Result<Self, Lost> {
        for (fd, token) in [(sockets.rtp_fd(), rtp), (sockets.rtcp_fd(), rtcp)] {
            let registered = registry.register(&mut SourceFd(&fd), token, Interest::READABLE);
            registered.map_err(|_| Lost::Broken)?;
        }
        Ok(Self { track, sockets, room: CAMERA_DATAGRAM_BYTES, refused: 0 })
    }

    /// Receives one batch, within what the budget has. Returns whether datagrams may be left.
    fn receive(
        &mut self,
        session: &mut rtsp::Session,
        budget: &mut ReadBudget,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let now_us = sink.now_us;
        let room = self.room;
        let bytes = budget.room(now_us).min(scratch.len());
        if bytes == 0 {
            return Ok(true);
        }
        let received = match self.sockets.receive(&mut scratch[..bytes], room) {
            Ok(received) => received,
            Err(error) if is_passing(error.kind()) => {
                return Ok(error.kind() == ErrorKind::Interrupted);
            }
            Err(_) => return Err(Lost::Broken),
        };
        for (part, length) in scratch.chunks_exact(room).zip(received.lengths()) {
            budget.spend(length.unwrap_or(0).max(CAMERA_DATAGRAM_COST_BYTES_MIN));
            match length {
                Some(length) if length <= room => {
                    session.datagram(self.track, &part[..length], reorder, now_us, sink);
                }
                length => {
                    self.refused += 1;
                    if length.is_some() {
                        // It was the camera's: the next ones have more room.
                        self.room = CAMERA_LARGE_DATAGRAM_BYTES;
                    }
                }
            }
        }
        Ok(received.is_full())
    }
}

impl Connection {
    /// Reads a batch of datagrams, and gives up packets that were waited for long enough. Returns
    /// whether there may be new packets to serve.
    pub(super) fn read_datagrams(
        &mut self,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let now_us = sink.now_us;
        if self.leaves_by_us.is_some() {
            return Ok(false);
        }
        self.tell_put_off(sink.stats, now_us);
        self.put_off_us = None;
        self.is_unread = self.receive(scratch, reorder, sink)?;
        self.session.release_due(CameraTrack::Picture, reorder, now_us, sink);
        if self.tell_counters(sink.stats) {
            self.has_asked |= self.request_key_frame(sink.stats, now_us);
        }
        self.write()?;
        Ok(true)
    }

    /// Whether the picture's datagrams must be read again without an event: some were left, or a
    /// packet waits for an earlier one.
    pub(super) fn has_datagrams_due(&self) -> bool {
        let waits = self.session.release_us(CameraTrack::Picture) < u64::MAX;
        self.leaves_by_us.is_none() && (self.is_unread || waits)
    }

    /// Reads a batch of the sound's datagrams, and gives up packets of it that were waited for long
    /// enough. Returns whether there may be new packets to serve.
    fn read_sound(
        &mut self,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let Some(datagrams) = self.datagrams.as_mut().filter(|_| self.leaves_by_us.is_none())
        else {
            return Ok(false);
        };
        if let Some(SoundSockets { own, budget, is_unread }) = &mut datagrams.sound {
            *is_unread = own.receive(&mut self.session, budget, scratch, reorder, sink)?;
        }
        self.session.release_due(CameraTrack::Sound, reorder, sink.now_us, sink);
        self.tell_counters(sink.stats);
        Ok(true)
    }

    /// When the sound must be read again: for datagrams that are left, as far as its budget allows,
    /// or for a packet that was waited for long enough.
    pub(super) fn sound_due_us(&self) -> u64 {
        if self.leaves_by_us.is_some() {
            return u64::MAX;
        }
        let sound = self.datagrams.as_ref().and_then(|datagrams| datagrams.sound.as_ref());
        let unread = sound.filter(|sound| sound.is_unread);
        let unread_us = unread.map_or(u64::MAX, |sound| sound.budget.due_us());
        unread_us.min(self.session.release_us(CameraTrack::Sound))
    }

    /// Adds what is new to the statistics. Returns whether packets of the picture were lost.
    fn tell_counters(&mut self, stats: &CameraStats) -> bool {
        let Some(datagrams) = &mut self.datagrams else { return false };
        let sound = self.session.reorder_counters(CameraTrack::Sound);
        let mut now = self.session.reorder_counters(CameraTrack::Picture) + sound;
        let refused: u64 = datagrams.tracks().map(|track| track.refused).sum();
        now.foreign += refused + self.session.counters().unknown_content;
        let told = std::mem::replace(&mut datagrams.told, now);
        let told_sound_lost = std::mem::replace(&mut datagrams.told_sound_lost, sound.lost);
        for (figure, now, told) in [
            (&stats.lost_packets, now.lost, told.lost),
            (&stats.lost_sound_packets, sound.lost, told_sound_lost),
            (&stats.late, now.late, told.late),
            (&stats.reordered, now.reordered, told.reordered),
            (&stats.duplicates, now.duplicates, told.duplicates),
            (&stats.foreign, now.foreign, told.foreign),
        ] {
            figure.fetch_add(now - told, Relaxed);
        }
        now.lost - sound.lost > told.lost - told_sound_lost
    }

    /// Receives one batch of the picture. Returns whether datagrams may be left.
    fn receive(
        &mut self,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        if self.budget.room(sink.now_us) == 0 {
            self.throttle(sink.stats);
            return Ok(true);
        }
        self.is_throttled = false;
        let Self { datagrams, session, budget, .. } = self;
        let Some(Datagrams { picture, .. }) = datagrams else { return Ok(false) };
        picture.receive(session, budget, scratch, reorder, sink)
    }

    /// When it must be read again: at once, as far as the budget allows, for datagrams that are
    /// left, else when a packet was waited for long enough.
    pub(super) fn unread_us(&self) -> u64 {
        match self.datagrams.is_some() && !self.is_unread {
            true => self.session.release_us(CameraTrack::Picture),
            false => self.budget.due_us().min(self.session.release_us(CameraTrack::Picture)),
        }
    }
}

impl Cameras {
    /// Reads what a camera whose RTP comes as datagrams says on its connection.
    pub(in crate::media) fn read_messages(
        &mut self,
        slot: usize,
        scratch: &mut [u8],
        carry: &mut CarryPool,
        now_us: u64,
    ) -> Result<(), Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(()) };
        for _ in 0..CONNECTION_READS_MAX {
            let bytes = match connection.socket.read(scratch) {
                Ok(0) => return Err(Lost::Closed),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_passing(error.kind()) => break,
                Err(_) => return Err(Lost::Broken),
            };
            let session = &mut connection.session;
            let received = session.receive(&scratch[..bytes], carry, now_us, &mut DiscardSink);
            if connection.leaves_by_us.is_some() && (received.is_err() || session.is_torn_down()) {
                return Err(Lost::Stopped);
            }
            received.map_err(|error| lost(&error))?;
        }
        connection.write()
    }

    /// Reads the datagrams of a camera's sound once: at most one scratch buffer, and at most the
    /// budget of sound. Returns whether there are new packets to serve.
    pub(in crate::media) fn read_sound(
        &mut self,
        slot: usize,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let Some(connection) = self.slots[slot].as_mut() else { return Ok(false) };
        let read = connection.read_sound(scratch, reorder, sink);
        self.has_sound_due.set(slot, connection.sound_due_us() < u64::MAX);
        read
    }

    /// When [`Cameras::read_sound`] must be called for a slot without an event; `u64::MAX` for
    /// never.
    pub(in crate::media) fn sound_due_us(&self, slot: usize) -> u64 {
        if !self.has_sound_due.has(slot) {
            return u64::MAX;
        }
        self.slots[slot].as_ref().map_or(u64::MAX, Connection::sound_due_us)
    }

    /// Reads the RTCP that a camera sent as datagrams to the port of a track.
    pub(in crate::media) fn read_rtcp(
        &mut self,
        slot: usize,
        track: CameraTrack,
        sink: &mut RingSink<'_>,
    ) {
        let Some(Connection { datagrams: Some(datagrams), session, .. }) =
            self.slots[slot].as_mut()
        else {
            return;
        };
        let Some(own) = datagrams.tracks().find(|own| own.track == track) else { return };
        let mut buffer = [0; CAMERA_RTCP_BYTES_MAX];
        for _ in 0..RTCP_READS_MAX {
            match own.sockets.receive_rtcp(&mut buffer) {
                Some(Some(bytes)) => session.rtcp_datagram(track, bytes, sink.now_us, sink),
                Some(None) => {}
                None => return,
            }
        }
    }
}
