//! The sound of one camera slot: its small ring, the receive side that fills it, and its counts.
//!
//! Like the picture's [`Stream`](super::Stream) it lives as long as the slot, so that subscriptions
//! survive a camera that reconnects.

use std::sync::atomic::Ordering::Relaxed;

use crate::history::SoundRing;
use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, VIDEO_CLOCK_HZ};
use crate::rtp::{LipSync, SoundReceiver};
use crate::sound::SoundCodec;
use crate::status::CameraStats;

/// The sound of one camera slot.
#[derive(Debug)]
pub struct Sound {
    ring: SoundRing,
    receiver: SoundReceiver,
    lip_sync: LipSync,
    packets: u64,
    bytes: u64,
    /// The index of this camera's first packet.
    first: u64,
}

impl Sound {
    /// The sound of a slot without a camera.
    pub const fn new() -> Self {
        Self {
            ring: SoundRing::new(),
            receiver: SoundReceiver::new(),
            lip_sync: LipSync::new(),
            packets: 0,
            bytes: 0,
            first: 0,
        }
    }

    /// Sets the largest RTP payload, in bytes. Called once, at start.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.receiver.configure(payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX));
    }

    /// The camera has connected, with sound of this payload type and codec, or without.
    pub fn connect(&mut self, track: Option<(u8, SoundCodec)>) {
        self.ring.forget();
        self.lip_sync = LipSync::new();
        self.receiver.connect(track);
    }

    /// Handles one RTP packet of the sound.
    pub fn rtp(&mut self, packet: &[u8], now_us: u64) {
        if self.receiver.packet(packet, &mut self.ring, now_us) {
            self.packets += 1;
            self.bytes += packet.len() as u64;
            let (end, clock_hz) = self.receiver.camera_end();
            self.lip_sync.sound.arrives(end, clock_hz, now_us);
        }
    }

    /// An RTP packet of the picture came.
    pub fn picture_came(&mut self, packet: &[u8], now_us: u64) {
        let [_, _, _, _, t0, t1, t2, t3, ..] = *packet else { return };
        let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
        self.lip_sync.picture.arrives(timestamp, VIDEO_CLOCK_HZ, now_us);
    }

    /// The camera sent a report on its picture.
    pub fn picture_reported(&mut self, packet: &[u8]) {
        // Without sound there is nothing to keep it together with.
        if self.codec().is_some() {
            self.lip_sync.picture.report(packet);
        }
    }

    /// The camera sent a report on its sound.
    pub fn reported(&mut self, packet: &[u8]) {
        self.lip_sync.sound.report(packet);
    }

    /// The camera has disconnected, or the slot gets another one.
    pub fn disconnect(&mut self) {
        self.receiver.connect(None);
    }

    /// The slot gets another camera: zeros the counters.
    pub fn renew(&mut self) {
        self.disconnect();
        (self.packets, self.bytes, self.first) = (0, 0, self.ring.head());
    }

    /// The ring, for reading.
    pub fn ring(&self) -> &SoundRing {
        &self.ring
    }

    /// The codec of what is in the ring; `None` without sound.
    pub fn codec(&self) -> Option<SoundCodec> {
        self.receiver.codec()
    }

    /// The timestamp at the end of the last packet and when that came (µs), for sender reports. The
    /// time is that of the picture which was captured together with it.
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        let (timestamp, at_us) = self.receiver.last_timestamp()?;
        Some((timestamp, at_us.saturating_add_signed(-self.lip_sync.sound_late_us())))
    }

    /// Copies the counters to the camera's statistics.
    pub fn report(&self, stats: &CameraStats) {
        stats.sound.store(self.codec().map_or(0, |codec| codec as u8), Relaxed);
        stats.sound_packets.store(self.packets, Relaxed);
        stats.sound_bytes.store(self.bytes, Relaxed);
        stats.sound_packets_out.store(self.ring.head() - self.first, Relaxed);
    }
}

impl Default for Sound {
    fn default() -> Self {
        Self::new()
    }
}
