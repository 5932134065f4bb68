//! Cameras whose RTP comes as datagrams: the sockets for RTP and RTCP beside the connection.
//!
//! Such a camera cannot be made to wait. While its stream has no room, its socket is not read; what
//! the kernel then drops shows as loss.

use std::io::{ErrorKind, Read as _};
use std::sync::atomic::Ordering::Relaxed;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::{Cameras, Connection, DiscardSink, Lost, RingSink, is_passing, lost};
use crate::limits::{
    CAMERA_DATAGRAM_BYTES, CAMERA_DATAGRAM_COST_BYTES_MIN, CAMERA_LARGE_DATAGRAM_BYTES,
    CAMERA_RTCP_BYTES_MAX,
};
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::net::udp::camera::CameraSockets;
use crate::rtsp::{self, ReorderCounters};
use crate::status::CameraStats;

/// Reads of a connection per event, so that a camera which floods it does not hold up the others.
const CONNECTION_READS_MAX: usize = 4;
/// RTCP datagrams per event, likewise.
const RTCP_READS_MAX: usize = 4;

/// By what the readiness queue knows a camera's sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) connection: Token,
    pub(crate) rtp: Token,
    pub(crate) rtcp: Token,
}

/// The sockets of a camera's datagrams.
pub(super) struct Datagrams {
    sockets: CameraSockets,
    /// The room for each datagram; it grows when the camera has sent a larger one.
    room: usize,
    /// Datagrams from strangers, or too long.
    refused: u64,
    /// What the statistics were told already, with the foreign ones all together.
    told: ReorderCounters,
}

impl Datagrams {
    pub(super) fn register(
        sockets: CameraSockets,
        registry: &Registry,
        tokens: Tokens,
    ) -> Result<Self, Lost> {
        for (fd, token) in [(sockets.rtp_fd(), tokens.rtp), (sockets.rtcp_fd(), tokens.rtcp)] {
            let registered = registry.register(&mut SourceFd(&fd), token, Interest::READABLE);
            registered.map_err(|_| Lost::Broken)?;
        }
        Ok(Self {
            sockets,
            room: CAMERA_DATAGRAM_BYTES,
            refused: 0,
            told: ReorderCounters::default(),
        })
    }

    /// Sends what the session has to send as datagrams. What is lost follows with the next report.
    pub(super) fn send(&self, session: &mut rtsp::Session) {
        let rtcp = session.take_rtcp();
        if !rtcp.bytes().is_empty() {
            self.sockets.punch(&session.punch());
            self.sockets.send_rtcp(rtcp.bytes());
        }
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
        has_more: &mut bool,
    ) -> Result<bool, Lost> {
        let now_us = sink.now_us;
        if self.leaves_by_us.is_some() {
            *has_more = false;
            return Ok(false);
        }
        self.tell_put_off(now_us);
        self.put_off_us = None;
        let is_full = self.receive(scratch, reorder, sink)?;
        self.session.release_due(reorder, now_us, sink);
        self.is_unread = is_full;
        *has_more = is_full || self.session.release_us() < u64::MAX;
        if self.tell_counters(sink.stats) {
            self.session.request_key_frame(now_us);
        }
        self.write()?;
        Ok(true)
    }

    /// Adds what is new to the statistics. Returns whether packets were lost.
    fn tell_counters(&mut self, stats: &CameraStats) -> bool {
        let Some(datagrams) = &mut self.datagrams else { return false };
        let mut now = self.session.reorder_counters();
        now.foreign += datagrams.refused + self.session.counters().unknown_content;
        let told = std::mem::replace(&mut datagrams.told, now);
        for (figure, now, told) in [
            (&stats.lost_packets, now.lost, told.lost),
            (&stats.late, now.late, told.late),
            (&stats.reordered, now.reordered, told.reordered),
            (&stats.duplicates, now.duplicates, told.duplicates),
            (&stats.foreign, now.foreign, told.foreign),
        ] {
            figure.fetch_add(now - told, Relaxed);
        }
        now.lost > told.lost
    }

    /// Receives one batch, within the budget. Returns whether datagrams may be left.
    fn receive(
        &mut self,
        scratch: &mut [u8],
        reorder: &mut ReorderPool,
        sink: &mut RingSink<'_>,
    ) -> Result<bool, Lost> {
        let now_us = sink.now_us;
        let Some(datagrams) = &mut self.datagrams else { return Ok(false) };
        let budget = self.budget.room(now_us).min(scratch.len());
        if budget == 0 {
            self.throttle(sink.stats);
            return Ok(true);
        }
        self.is_throttled = false;
        let room = datagrams.room;
        let received = match datagrams.sockets.receive(&mut scratch[..budget], room) {
            Ok(received) => received,
            Err(error) if is_passing(error.kind()) => {
                return Ok(error.kind() == ErrorKind::Interrupted);
            }
            Err(_) => return Err(Lost::Broken),
        };
        for (part, length) in scratch.chunks_exact(room).zip(received.lengths()) {
            self.budget.spend(length.unwrap_or(0).max(CAMERA_DATAGRAM_COST_BYTES_MIN));
            match length {
                Some(length) if length <= room => {
                    self.session.datagram(&part[..length], reorder, now_us, sink);
                }
                length => {
                    datagrams.refused += 1;
                    if length.is_some() {
                        // It was the camera's: the next ones have more room.
                        datagrams.room = CAMERA_LARGE_DATAGRAM_BYTES;
                    }
                }
            }
        }
        Ok(received.is_full())
    }

    /// When it must be read again: at once, as far as the budget allows, for datagrams that are
    /// left, else when a packet was waited for long enough.
    pub(super) fn unread_us(&self) -> u64 {
        match self.datagrams.is_some() && !self.is_unread {
            true => self.session.release_us(),
            false => self.budget.due_us().min(self.session.release_us()),
        }
    }
}

impl Cameras {
    /// Whether a slot's RTP comes as datagrams.
    pub(in crate::media) fn has_datagrams(&self, slot: usize) -> bool {
        self.slots[slot].as_ref().is_some_and(|connection| connection.datagrams.is_some())
    }

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

    /// Reads the RTCP that a camera sent as datagrams.
    pub(in crate::media) fn read_rtcp(&mut self, slot: usize, now_us: u64) {
        let Some(connection) = self.slots[slot].as_mut() else { return };
        let Some(datagrams) = &connection.datagrams else { return };
        let mut buffer = [0; CAMERA_RTCP_BYTES_MAX];
        for _ in 0..RTCP_READS_MAX {
            match datagrams.sockets.receive_rtcp(&mut buffer) {
                Some(Some(bytes)) => connection.session.rtcp_datagram(bytes, now_us),
                Some(None) => {}
                None => return,
            }
        }
    }
}
