//! What the media thread lets others see: one card of atomics for each camera's slot and each
//! session's slot. Written by one thread, read by any, never locked.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::limits::{CAMERAS_MAX, SESSIONS_MAX};

/// A camera's figures. Written by the media thread.
#[derive(Debug)]
pub struct CameraCard {
    /// Viewers may join: the stream has parameter sets and its marker habit is known.
    pub ready: AtomicBool,
    /// When the last RTP packet came, in [`crate::clock::now_us`] microseconds; 0 for never.
    pub last_rtp_us: AtomicU64,
    /// RTP packets and bytes received.
    pub packets: AtomicU64,
    /// See `packets`.
    pub bytes: AtomicU64,
    /// Access units seen.
    pub frames: AtomicU64,
    /// Packets cut into the history ring.
    pub packets_out: AtomicU64,
    /// Times the stream had to wait for its next IDR: lost packets, abandoned frames.
    pub breaks: AtomicU64,
    /// Frames per second over the last two seconds or so, times 100.
    pub frames_per_s_x100: AtomicU32,
    /// Bits per second over the last two seconds or so.
    pub bits_per_s: AtomicU64,
    /// Time between the last two IDRs; 0 before the second.
    pub gop_ms: AtomicU32,
    /// When the last IDR began, in [`crate::clock::now_us`] microseconds; 0 for never.
    pub last_idr_us: AtomicU64,
    /// Picture size from the SPS; 0 before one.
    pub width: AtomicU32,
    /// See `width`.
    pub height: AtomicU32,
    /// profile_idc, constraint flags and level_idc of the SPS, as in `profile-level-id`.
    pub profile_level_id: AtomicU32,
    /// Subscriptions now.
    pub viewers: AtomicU32,
    /// Interleaved frames abandoned for want of a carry slot: small, medium, large.
    pub abandoned: [AtomicU64; 3],
    /// Why the media thread gave the connection up: a [`crate::media::Lost`] as its number.
    pub lost: AtomicU8,
}

/// A session's figures. Written by the media thread once it is live.
#[derive(Debug)]
pub struct SessionCard {
    /// The last end in this slot: which use of it, and an [`crate::webrtc::ended::Ended`] as its
    /// number in the low 8 bits.
    pub ended: AtomicU64,
    /// RTP packets and payload bytes sealed, resends not counted.
    pub packets: AtomicU64,
    /// See `packets`.
    pub bytes: AtomicU64,
    /// Packets sealed again for a NACK.
    pub resends: AtomicU64,
    /// NACKed packets that could not be answered: too old, over budget, resend off.
    pub resends_refused: AtomicU64,
    /// PLI and FIR received.
    pub key_frame_requests: AtomicU64,
    /// Times the cursor skipped to an IDR: overrun or congestion.
    pub skips: AtomicU64,
    /// Fraction lost of the last receiver report, in 1/256.
    pub fraction_lost: AtomicU8,
    /// Round-trip time from the last receiver report, microseconds; 0 before one.
    pub round_trip_us: AtomicU32,
    /// The last sign of life, in [`crate::clock::now_us`] microseconds.
    pub last_sign_us: AtomicU64,
}

/// Figures of the process as a whole. Each has one writer.
#[derive(Debug)]
pub struct Gauges {
    /// The library heap: in use now, and the most since the start.
    pub library_heap_used_bytes: AtomicU64,
    /// See `library_heap_used_bytes`.
    pub library_heap_high_water_bytes: AtomicU64,
    /// Heap allocations the media thread made since the start.
    pub media_allocations: AtomicU64,
    /// Handshake slots in use.
    pub handshakes: AtomicU64,
    /// Sessions, in handshake or live.
    pub sessions: AtomicU64,
    /// 1 while media leaves by UDP GSO.
    pub gso: AtomicU64,
    /// Calls of `sendmmsg`.
    pub udp_calls: AtomicU64,
    /// Messages that left, each a run of packets.
    pub udp_messages: AtomicU64,
    /// Packets that left.
    pub udp_packets: AtomicU64,
    /// Messages that the kernel refused for good.
    pub udp_refused: AtomicU64,
    /// Times the socket was full.
    pub udp_blocked: AtomicU64,
    /// Passwords hashed.
    pub password_hashes: AtomicU64,
    /// Requests whose credentials were missing, wrong or too many.
    pub denials: AtomicU64,
}

/// The process's gauges.
pub static GAUGES: Gauges = Gauges {
    library_heap_used_bytes: AtomicU64::new(0),
    library_heap_high_water_bytes: AtomicU64::new(0),
    media_allocations: AtomicU64::new(0),
    handshakes: AtomicU64::new(0),
    sessions: AtomicU64::new(0),
    gso: AtomicU64::new(0),
    udp_calls: AtomicU64::new(0),
    udp_messages: AtomicU64::new(0),
    udp_packets: AtomicU64::new(0),
    udp_refused: AtomicU64::new(0),
    udp_blocked: AtomicU64::new(0),
    password_hashes: AtomicU64::new(0),
    denials: AtomicU64::new(0),
};

/// One card a camera's slot.
pub static CAMERAS: [CameraCard; CAMERAS_MAX] = [const { CameraCard::new() }; CAMERAS_MAX];

/// One card a session's slot.
pub static SESSIONS: [SessionCard; SESSIONS_MAX] = [const { SessionCard::new() }; SESSIONS_MAX];

impl CameraCard {
    /// A card of zeros.
    pub const fn new() -> Self {
        Self {
            ready: AtomicBool::new(false),
            last_rtp_us: zero(),
            packets: zero(),
            bytes: zero(),
            frames: zero(),
            packets_out: zero(),
            breaks: zero(),
            frames_per_s_x100: AtomicU32::new(0),
            bits_per_s: zero(),
            gop_ms: AtomicU32::new(0),
            last_idr_us: zero(),
            width: AtomicU32::new(0),
            height: AtomicU32::new(0),
            profile_level_id: AtomicU32::new(0),
            viewers: AtomicU32::new(0),
            abandoned: [const { zero() }; 3],
            lost: AtomicU8::new(0),
        }
    }
}

impl Default for CameraCard {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionCard {
    /// A card of zeros.
    pub const fn new() -> Self {
        Self {
            ended: zero(),
            packets: zero(),
            bytes: zero(),
            resends: zero(),
            resends_refused: zero(),
            key_frame_requests: zero(),
            skips: zero(),
            fraction_lost: AtomicU8::new(0),
            round_trip_us: AtomicU32::new(0),
            last_sign_us: zero(),
        }
    }

    /// Makes the figures ready for the slot's next use.
    pub fn reset(&self) {
        for counter in [
            &self.packets,
            &self.bytes,
            &self.resends,
            &self.resends_refused,
            &self.key_frame_requests,
            &self.skips,
            &self.last_sign_us,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.fraction_lost.store(0, Ordering::Relaxed);
        self.round_trip_us.store(0, Ordering::Relaxed);
    }

    /// Says that one use of the slot is over.
    pub fn end(&self, generation: u32, reason: u8) {
        self.ended.store(u64::from(generation) << 8 | u64::from(reason), Ordering::Release);
    }

    /// Whether one use of the slot is over, and why.
    pub fn ended(&self, generation: u32) -> Option<u8> {
        let ended = self.ended.load(Ordering::Acquire);
        (ended >> 8 == u64::from(generation)).then_some(ended.to_le_bytes()[0])
    }
}

impl Default for SessionCard {
    fn default() -> Self {
        Self::new()
    }
}

const fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}
