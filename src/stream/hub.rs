//! A stream: one camera slot's history ring, the receive side that fills it, and its statistics.
//!
//! It lives as long as the slot. Indexes and timeline continue when the camera reconnects, and when
//! another camera gets the slot, so that subscriptions survive. A stream takes less than 8 KiB, and
//! is all zeros until it is configured.

use std::sync::atomic::Ordering::Relaxed;

use crate::codec::Codec;
use crate::history::{Chunks, Ring};
use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};
use crate::rtp::Receiver;
use crate::rtp::cut::RingWriter;
use crate::rtp::receiver::Received;
use crate::status::{BreakReason, CameraStats};

use super::figures::StreamFigures;

/// The stream of one camera slot.
#[derive(Debug)]
pub struct Stream {
    pub(super) ring: Ring,
    /// When the stream last had a viewer.
    pub(super) looked_at_us: u64,
    bits_per_s: u64,
    receiver: Receiver,
    figures: StreamFigures,
    /// The index of this camera's first packet.
    first: u64,
    connected: bool,
}

const _: () = assert!(size_of::<Stream>() <= 8 * 1024);

impl Stream {
    /// The stream of a slot without a camera.
    pub const fn new() -> Self {
        Self {
            ring: Ring::new(),
            looked_at_us: 0,
            bits_per_s: 0,
            receiver: Receiver::new(),
            figures: StreamFigures::new(),
            first: 0,
            connected: false,
        }
    }

    /// Sets the largest RTP payload to cut, in bytes. Called once, at start.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.receiver.configure(payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX));
    }

    /// The camera has connected or reconnected, with the codec, payload type and parameter sets of
    /// its SDP. The first picture comes with its next IDR. Before another codec than the last one
    /// the slot is renewed ([`Self::renew`]), as the ring keeps what viewers of that were sent.
    pub fn connect(&mut self, codec: Codec, payload_type: u8, sets: &[&[u8]]) {
        self.receiver.broken(&mut self.ring);
        self.receiver.connect(codec, payload_type, sets);
        self.connected = true;
    }

    /// The codec of the last connection; H.264 before the first.
    pub fn codec(&self) -> Codec {
        self.receiver.codec()
    }

    /// Handles one RTP packet of the video track.
    pub fn rtp(&mut self, chunks: &mut Chunks, packet: &[u8], now_us: u64) {
        if !self.connected {
            return;
        }
        let mut head = RingWriter { ring: &mut self.ring, chunks, now_us };
        match self.receiver.packet(packet, &mut head) {
            Ok(Received::Taken) => {}
            Ok(Received::Lossy(why)) => self.figures.breaks[why as usize] += 1,
            Ok(Received::OtherPayloadType(_) | Received::OtherSource) | Err(_) => return,
        }
        self.figures.packets += 1;
        self.figures.bytes += packet.len() as u64;
        self.figures.last_rtp_us = now_us;
    }

    /// weir itself lost packets of the video track: wait for the next IDR.
    pub fn broken(&mut self, why: BreakReason) {
        self.receiver.broken(&mut self.ring);
        self.figures.breaks[why as usize] += 1;
    }

    /// The camera has disconnected. The history in the ring stays until other streams need its
    /// chunks.
    pub fn disconnect(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.receiver.broken(&mut self.ring);
        self.ring.give_back(chunks, now_us);
        self.connected = false;
    }

    /// The slot gets another camera, or the same camera at another address: drops its pictures and
    /// zeros its counters. Subscriptions survive and continue at the first IDR that arrives.
    pub fn renew(&mut self, chunks: &mut Chunks) {
        self.receiver.renew();
        self.ring.forget(chunks);
        self.figures = StreamFigures::new();
        self.first = self.ring.head();
        self.connected = false;
    }

    /// Called before each read, to bound what it is cut into by
    /// [`crate::limits::READ_CUT_CHUNKS_MAX`].
    pub fn begin_read(&mut self) {
        self.ring.begin_read();
    }

    /// Called before packets arrive: none is overwritten before [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.ring.hold_unserved();
    }

    /// Every viewer that was up to date has all packets: see [`Ring::served`].
    pub fn served(&mut self, wanted: Option<u64>) {
        self.ring.served(wanted);
    }

    /// The stream has a viewer now. Its chunks are given up later than those of unwatched streams.
    pub fn looked_at(&mut self, now_us: u64) {
        self.looked_at_us = now_us;
        self.ring.set_watched(true);
    }

    /// The stream has no viewer now, so it keeps no history for resends.
    pub fn not_looked_at(&mut self) {
        self.ring.set_watched(false);
    }

    /// The camera's bit rate over about the last two seconds; 0 before the first measurement.
    pub fn bits_per_s(&self) -> u64 {
        self.bits_per_s
    }

    /// The stream's history ring, for reading.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Whether viewers may join: parameter sets are known, and it is known how the camera sets
    /// markers.
    pub fn ready(&self) -> bool {
        self.receiver.ready()
    }

    /// The last access unit's RTP timestamp and when it began to arrive (µs), for sender reports.
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        self.receiver.last_timestamp()
    }

    /// Copies the counters to the camera's statistics, and gives back chunks with no further use.
    /// Call it at least once a second.
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
        for (shown, breaks) in stats.breaks.iter().zip(self.figures.breaks) {
            shown.store(breaks, Relaxed);
        }
        stats.frames_per_s_x100.store(frames_per_s_x100, Relaxed);
        stats.bits_per_s.store(bits_per_s, Relaxed);
        stats.gop_ms.store(idrs.apart_ms, Relaxed);
        stats.last_idr_us.store(idrs.last_us, Relaxed);
        stats.holds_back.store(self.receiver.holds_back(), Relaxed);
        stats.b_frames.store(self.receiver.b_frames(), Relaxed);
        let losses = self.receiver.losses();
        stats.gaps.store(losses.gaps, Relaxed);
        stats.missing.store(losses.packets, Relaxed);
        stats.clock_jumps.store(self.receiver.clock_jumps(), Relaxed);
        if let Some((timestamp, at_us)) = self.receiver.camera_clock() {
            stats.set_clock(timestamp, at_us);
        }
        if let Some(picture) = self.receiver.picture() {
            stats.width.store(picture.width, Relaxed);
            stats.height.store(picture.height, Relaxed);
            stats.profile.store(picture.profile.to_number(), Relaxed);
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}
