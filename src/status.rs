//! What the media thread lets others see: statistics in atomics, one block per camera slot and per
//! session's slot. Written by one thread, read by any, never locked. How full things are is told
//! in the same way ([`TABLES`]).

mod usage;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::limits::{CAMERAS_MAX, SESSIONS_MAX};

pub use usage::{Counts, TABLES, Tables, Usage};

/// A camera's figures. Written by the media thread.
#[derive(Debug)]
pub struct CameraStats {
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
    /// Times it was over [`crate::limits::CAMERA_BITS_PER_S_MAX`] and had to wait.
    pub throttled: AtomicU64,
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
    /// Its RTP markers are missing or odd: each picture waits for the next one's start.
    pub holds_back: AtomicBool,
    /// It sends B-frames, which no browser shows smoothly.
    pub b_frames: AtomicBool,
}

/// A session's figures. Written by the media thread once it is live.
#[derive(Debug)]
pub struct SessionStats {
    /// The last end in this slot: which use of it, and an [`crate::webrtc::ended::Ended`] as its
    /// number in the low 8 bits.
    pub ended: AtomicU64,
    /// Where its media goes.
    pub address: StatsAddress,
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

/// An address in the statistics, IPv4 as IPv6. A reader beside its writer may see half of a change,
/// once.
#[derive(Debug)]
pub struct StatsAddress {
    high: AtomicU64,
    low: AtomicU64,
    /// 0 for none.
    port: AtomicU16,
}

impl StatsAddress {
    const fn new() -> Self {
        Self { high: zero(), low: zero(), port: AtomicU16::new(0) }
    }

    /// Shows an address.
    pub fn set(&self, address: SocketAddr) {
        let bits = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        #[allow(clippy::cast_possible_truncation)] // the two halves
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        self.high.store(high, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.port.store(address.port(), Ordering::Relaxed);
    }

    /// Shows none.
    pub fn clear(&self) {
        self.port.store(0, Ordering::Relaxed);
    }

    /// What is shown.
    pub fn shown(&self) -> Option<SocketAddr> {
        let port = self.port.load(Ordering::Relaxed);
        let high = u128::from(self.high.load(Ordering::Relaxed));
        let bits = high << 64 | u128::from(self.low.load(Ordering::Relaxed));
        let ip = Ipv6Addr::from_bits(bits).to_canonical();
        (port != 0).then_some(SocketAddr::new(ip, port))
    }
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
    /// Ring chunks with what a viewer has yet to get.
    pub ring_unserved_chunks: AtomicU64,
    /// Ring chunks with the history that resends are made of.
    pub ring_history_chunks: AtomicU64,
    /// Ring chunks with the newest key frames.
    pub ring_key_frame_chunks: AtomicU64,
    /// Ring chunks with the groups since them.
    pub ring_group_chunks: AtomicU64,
    /// Groups given up for want of chunks: who joins has a still until the next key frame.
    pub ring_groups_given_up: AtomicU64,
    /// Key frames given up for want of chunks: who joins waits for the next one.
    pub ring_key_frames_given_up: AtomicU64,
    /// Chunks of history given up for want of chunks: what was in them cannot be sent again.
    pub ring_history_given_up: AtomicU64,
    /// TLS handshakes under way.
    pub tls_handshakes: AtomicU64,
    /// TLS connections in the middle of a large record.
    pub tls_large_records: AtomicU64,
    /// TLS handshakes that ended well.
    pub tls_accepted: AtomicU64,
    /// TLS handshakes that did not.
    pub tls_failed: AtomicU64,
    /// 1 while the configured certificate cannot be used and another one is.
    pub tls_files_refused: AtomicU64,
    /// ICMP errors about what was sent, forged ones among them.
    pub icmp_errors: AtomicU64,
    /// Reviews of the media thread, ten a second: while they go on, it turns.
    pub media_reviews: AtomicU64,
    /// Datagrams of handshakes beyond [`crate::limits::HANDSHAKE_PAIRS_MAX`] or their rate.
    pub handshake_datagrams_refused: AtomicU64,
    /// Reports of live sessions beyond [`crate::limits::REPORTS_BURST`] and their rate.
    pub reports_refused: AtomicU64,
    /// Rounds of the handshake driver, at least one a second: while they go on, it drives.
    pub driver_rounds: AtomicU64,
    /// Passwords hashed.
    pub password_hashes: AtomicU64,
    /// Times that the file of the logins was written.
    pub login_writes: AtomicU64,
    /// Requests whose credentials were missing, wrong or too many.
    pub denials: AtomicU64,
}

/// The process's gauges.
pub static GAUGES: Gauges = Gauges {
    library_heap_used_bytes: AtomicU64::new(0),
    library_heap_high_water_bytes: AtomicU64::new(0),
    media_allocations: AtomicU64::new(0),
    gso: AtomicU64::new(0),
    udp_calls: AtomicU64::new(0),
    udp_messages: AtomicU64::new(0),
    udp_packets: AtomicU64::new(0),
    udp_refused: AtomicU64::new(0),
    udp_blocked: AtomicU64::new(0),
    ring_unserved_chunks: AtomicU64::new(0),
    ring_history_chunks: AtomicU64::new(0),
    ring_key_frame_chunks: AtomicU64::new(0),
    ring_group_chunks: AtomicU64::new(0),
    ring_groups_given_up: AtomicU64::new(0),
    ring_key_frames_given_up: AtomicU64::new(0),
    ring_history_given_up: AtomicU64::new(0),
    tls_handshakes: AtomicU64::new(0),
    tls_large_records: AtomicU64::new(0),
    tls_accepted: AtomicU64::new(0),
    tls_failed: AtomicU64::new(0),
    tls_files_refused: AtomicU64::new(0),
    icmp_errors: AtomicU64::new(0),
    media_reviews: AtomicU64::new(0),
    handshake_datagrams_refused: AtomicU64::new(0),
    reports_refused: AtomicU64::new(0),
    driver_rounds: AtomicU64::new(0),
    password_hashes: AtomicU64::new(0),
    login_writes: AtomicU64::new(0),
    denials: AtomicU64::new(0),
};

/// The statistics of each camera slot.
pub static CAMERAS: [CameraStats; CAMERAS_MAX] = [const { CameraStats::new() }; CAMERAS_MAX];

/// The statistics of each session slot.
pub static SESSIONS: [SessionStats; SESSIONS_MAX] = [const { SessionStats::new() }; SESSIONS_MAX];

impl CameraStats {
    /// All zeros.
    pub const fn new() -> Self {
        Self {
            ready: AtomicBool::new(false),
            last_rtp_us: zero(),
            packets: zero(),
            bytes: zero(),
            frames: zero(),
            packets_out: zero(),
            breaks: zero(),
            throttled: zero(),
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
            holds_back: AtomicBool::new(false),
            b_frames: AtomicBool::new(false),
        }
    }

    /// Makes the figures ready for another camera. `viewers` is of the subscriptions, which may
    /// live on, and `lost` is an answer to control.
    pub fn reset(&self) {
        // Every field is named, so that a new one cannot be forgotten here.
        let Self {
            ready,
            last_rtp_us,
            packets,
            bytes,
            frames,
            packets_out,
            breaks,
            throttled,
            frames_per_s_x100,
            bits_per_s,
            gop_ms,
            last_idr_us,
            width,
            height,
            profile_level_id,
            viewers: _,
            abandoned: [small, medium, large],
            lost: _,
            holds_back,
            b_frames,
        } = self;
        for said in [ready, holds_back, b_frames] {
            said.store(false, Ordering::Relaxed);
        }
        for figure in [
            last_rtp_us,
            packets,
            bytes,
            frames,
            packets_out,
            breaks,
            throttled,
            bits_per_s,
            last_idr_us,
            small,
            medium,
            large,
        ] {
            figure.store(0, Ordering::Relaxed);
        }
        for figure in [frames_per_s_x100, gop_ms, width, height, profile_level_id] {
            figure.store(0, Ordering::Relaxed);
        }
    }
}

impl Default for CameraStats {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionStats {
    /// All zeros.
    pub const fn new() -> Self {
        Self {
            ended: zero(),
            address: StatsAddress::new(),
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

    /// Makes the figures ready for the slot's next use; `ended` is of the last one.
    pub fn reset(&self) {
        let Self {
            ended: _,
            address,
            packets,
            bytes,
            resends,
            resends_refused,
            key_frame_requests,
            skips,
            fraction_lost,
            round_trip_us,
            last_sign_us,
        } = self;
        for counter in
            [packets, bytes, resends, resends_refused, key_frame_requests, skips, last_sign_us]
        {
            counter.store(0, Ordering::Relaxed);
        }
        address.clear();
        fraction_lost.store(0, Ordering::Relaxed);
        round_trip_us.store(0, Ordering::Relaxed);
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

impl Default for SessionStats {
    fn default() -> Self {
        Self::new()
    }
}

const fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_camera_is_left_for_the_next_one() {
        let stats = CameraStats::new();
        stats.holds_back.store(true, Ordering::Relaxed);
        stats.b_frames.store(true, Ordering::Relaxed);
        stats.packets.store(7, Ordering::Relaxed);
        stats.abandoned[2].store(7, Ordering::Relaxed);
        stats.gop_ms.store(7, Ordering::Relaxed);
        stats.reset();
        assert_eq!(format!("{stats:?}"), format!("{:?}", CameraStats::new()));
    }

    #[test]
    fn an_address_is_shown_as_it_was_set() {
        let shown = StatsAddress::new();
        assert_eq!(shown.shown(), None);
        for address in ["192.0.2.1:53124", "[2001:db8::1]:1"] {
            let address = address.parse().unwrap();
            shown.set(address);
            assert_eq!(shown.shown(), Some(address));
        }
        shown.clear();
        assert_eq!(shown.shown(), None);
    }
}
