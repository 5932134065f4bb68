//! A stream: one camera slot's history ring, the receive side that fills it, and its figures.
//!
//! It lives as long as the slot. Indexes and timeline run on when the camera is connected anew, and
//! when another takes its place, so that subscriptions live through it. Less than 8 KiB, and all zeros before it is configured.

use std::sync::atomic::Ordering::Relaxed;

use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};
use crate::rtp::Receiver;
use crate::rtp::cut::RingWriter;
use crate::rtp::receiver::Received;
use crate::status::CameraStats;

use super::figures::Figures;
use crate::history::Chunks;
use crate::history::Ring;

/// One camera slot's stream.
#[derive(Debug)]
pub struct Stream {
    pub(super) ring: Ring,
    /// When a viewer had it last.
    pub(super) looked_at_us: u64,
    bits_per_s: u64,
    receiver: Receiver,
    figures: Figures,
    /// The index of this camera's first packet.
    first: u64,
    connected: bool,
}

const _: () = assert!(size_of::<Stream>() <= 8 * 1024);

impl Stream {
    /// A stream without a camera.
    pub const fn new() -> Self {
        Self {
            ring: Ring::new(),
            looked_at_us: 0,
            bits_per_s: 0,
            receiver: Receiver::new(),
            figures: Figures::new(),
            first: 0,
            connected: false,
        }
    }

    /// Once, at start: the size of the payloads cut.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.receiver.configure(payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX));
    }

    /// The camera is connected, again perhaps: its video's payload type, and the parameter sets
    /// of its SDP. The first picture follows its next IDR.
    pub fn connect(&mut self, payload_type: u8, sps: Option<&[u8]>, pps: &[&[u8]]) {
        self.receiver.broken(&mut self.ring);
        self.receiver.connect(payload_type, sps, pps);
        self.connected = true;
    }

    /// An RTP packet of the video track came.
    pub fn rtp(&mut self, chunks: &mut Chunks, packet: &[u8], now_us: u64) {
        if !self.connected {
            return;
        }
        let mut head = RingWriter { ring: &mut self.ring, chunks, now_us };
        match self.receiver.packet(packet, &mut head) {
            Ok(Received::Taken) => {}
            Ok(Received::Lossy) => self.figures.breaks += 1,
            Ok(Received::OtherPayloadType(_)) | Err(_) => return,
        }
        self.figures.packets += 1;
        self.figures.bytes += packet.len() as u64;
        self.figures.last_rtp_us = now_us;
    }

    /// Packets of the video track were lost on our side: wait for the next IDR.
    pub fn broken(&mut self) {
        self.receiver.broken(&mut self.ring);
        self.figures.breaks += 1;
    }

    /// The camera is gone. What the ring has of history stays, until others need it.
    pub fn disconnect(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.receiver.broken(&mut self.ring);
        self.ring.give_back(chunks, now_us);
        self.connected = false;
    }

    /// Another camera takes the place of this one, or the same from another address: its pictures
    /// go, its figures begin anew. Subscriptions live on, and go on at the first IDR that comes.
    pub fn renew(&mut self, chunks: &mut Chunks) {
        self.receiver.renew();
        self.ring.forget(chunks);
        self.figures = Figures::new();
        self.first = self.ring.head();
        self.connected = false;
    }

    /// A read is about to come: what it is cut into is bounded by
    /// [`crate::limits::READ_CUT_CHUNKS_MAX`].
    pub fn begin_read(&mut self) {
        self.ring.begin_read();
    }

    /// Packets are about to come: none is overwritten before it is [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.ring.hold_unserved();
    }

    /// See [`Ring::served`].
    pub fn served(&mut self, wanted: Option<u64>) {
        self.ring.served(wanted);
    }

    /// A viewer has it now: what it holds is given up late.
    pub fn looked_at(&mut self, now_us: u64) {
        self.looked_at_us = now_us;
        self.ring.set_watched(true);
    }

    /// Nobody has it now: it keeps no history.
    pub fn not_looked_at(&mut self) {
        self.ring.set_watched(false);
    }

    /// What the camera sent in the last second or two; 0 before that.
    pub fn bits_per_s(&self) -> u64 {
        self.bits_per_s
    }

    /// The history, to read.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Viewers may join: parameter sets are known and the marker habit is settled.
    pub fn ready(&self) -> bool {
        self.receiver.ready()
    }

    /// The last access unit's timestamp, and when it began to arrive: for sender reports.
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        self.receiver.last_timestamp()
    }

    /// Writes the figures to the camera's statistics, and gives back what nothing needs any more; to be
    /// called now and then, once a second or more often.
    pub fn report(&mut self, chunks: &mut Chunks, stats: &CameraStats, now_us: u64) {
        self.ring.give_back(chunks, now_us);
        let frames = self.receiver.access_units();
        let (frames_per_s_x100, bits_per_s) = self.figures.rates(frames, now_us);
        self.bits_per_s = bits_per_s;
        let idrs = self.receiver.idrs();
        stats.ready.store(self.ready(), Relaxed);
        stats.last_rtp_us.store(self.figures.last_rtp_us, Relaxed);
        stats.packets.store(self.figures.packets, Relaxed);
        stats.bytes.store(self.figures.bytes, Relaxed);
        stats.frames.store(frames, Relaxed);
        stats.packets_out.store(self.ring.head() - self.first, Relaxed);
        stats.breaks.store(self.figures.breaks, Relaxed);
        stats.frames_per_s_x100.store(frames_per_s_x100, Relaxed);
        stats.bits_per_s.store(bits_per_s, Relaxed);
        stats.gop_ms.store(idrs.apart_ms, Relaxed);
        stats.last_idr_us.store(idrs.last_us, Relaxed);
        stats.holds_back.store(self.receiver.holds_back(), Relaxed);
        stats.b_frames.store(self.receiver.b_frames(), Relaxed);
        if let Some(picture) = self.receiver.picture() {
            stats.width.store(picture.width, Relaxed);
            stats.height.store(picture.height, Relaxed);
            stats.profile_level_id.store(picture.profile_level_id, Relaxed);
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}
