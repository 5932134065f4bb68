//! The statistics of a camera slot.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};

use super::figures::figures;

/// Why a stream has to wait for its next IDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakReason {
    /// Packets are missing between two that came.
    Gap,
    /// A NAL unit came incomplete.
    Torn,
    /// A read was cut into more packets than one read may be.
    Overflow,
    /// A frame found no carry slot.
    NoCarrySlot,
    /// The connection was out of sync.
    Resync,
}

impl BreakReason {
    /// Their names, in their order.
    pub const NAMES: &'static [&'static str] =
        &["gap", "torn", "overflow", "no carry slot", "resync"];
}

/// Why a viewer skipped to a later key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The packets that it needed next were overwritten.
    Overrun,
    /// Its receiver reports showed much loss, one after the other.
    Loss,
    /// More was to be sent again than its budget allows.
    Resends,
}

impl SkipReason {
    /// Their names, in their order.
    pub const NAMES: &'static [&'static str] = &["overrun", "loss", "resends"];
}

/// Skips to a later key frame, a number for each [`SkipReason`].
pub type SkipFigures = [AtomicU32; SkipReason::NAMES.len()];

/// The carry tiers' names, in their order.
const TIERS: &[&str] = &["small", "medium", "large"];

figures! {
    /// A camera's statistics, written by the media thread. `viewers` counts subscriptions, which
    /// may outlive one camera of the slot, `lost` is an answer to control, and `rtcp_in_vain` is
    /// control's: a reset keeps them.
    CameraStats:
    ready: AtomicBool, reset,
        "Viewers may join: the stream has parameter sets and its marker habit is known.";
    last_rtp_us: AtomicU64, reset,
        "When the last RTP packet came, in microseconds of [`crate::clock::now_us`]; 0 for never.";
    packets: AtomicU64, reset, "RTP packets received."
        => "weir_camera_packets_total", "counter";
    bytes: AtomicU64, reset, "RTP bytes received."
        => "weir_camera_bytes_total", "counter";
    frames: AtomicU64, reset, "Access units received."
        => "weir_camera_frames_total", "counter";
    packets_out: AtomicU64, reset, "Packets cut into the history ring."
        => "weir_camera_packets_out_total", "counter";
    breaks: [AtomicU32; BreakReason::NAMES.len()], reset,
        "Times the stream had to wait for its next IDR."
        => "weir_camera_breaks_total", "counter" by "reason" BreakReason::NAMES;
    gaps: AtomicU32, reset, "Gaps in the numbers of its RTP packets; a restart of them is none.";
    missing: AtomicU64, reset, "RTP packets that are missing by their numbers."
        => "weir_camera_missing_packets_total", "counter";
    skips: SkipFigures, reset, "Times a viewer skipped to a later key frame."
        => "weir_camera_skips_total", "counter" by "reason" SkipReason::NAMES;
    throttled: AtomicU64, reset,
        "Times it sent more than weir reads of one camera, and had to wait."
        => "weir_camera_throttled_total", "counter";
    unread_us: AtomicU64, reset,
        "Time for which weir had no room for what it had sent, and did not read it."
        => "weir_camera_unread_seconds_total", "counter", 1_000_000;
    clock_jumps: AtomicU32, reset, "Times that its timestamps jumped."
        => "weir_camera_clock_jumps_total", "counter";
    clock: AtomicU64, reset,
        "Its last timestamp that was believed, in the upper 32 bits, and when that came, in \
         milliseconds, in the lower; 0 before one.";
    sound: AtomicU8, reset, "The codec of its sound: the number of a `sound::SoundCodec`; 0 for none.";
    sound_packets: AtomicU64, reset, "RTP packets of sound received."
        => "weir_camera_sound_packets_total", "counter";
    sound_bytes: AtomicU64, reset, "RTP bytes of sound received."
        => "weir_camera_sound_bytes_total", "counter";
    sound_packets_out: AtomicU64, reset, "Packets of sound for viewers."
        => "weir_camera_sound_packets_out_total", "counter";
    lost_packets: AtomicU64, reset,
        "RTP packets of a UDP camera, picture and sound, that did not come in time."
        => "weir_camera_udp_lost_total", "counter";
    lost_sound_packets: AtomicU64, reset, "Of the lost ones, those of its sound."
        => "weir_camera_udp_sound_lost_total", "counter";
    late: AtomicU64, reset, "Of the lost ones, those that came later."
        => "weir_camera_udp_late_total", "counter";
    reordered: AtomicU64, reset, "RTP packets of a UDP camera that came out of order, and in time."
        => "weir_camera_udp_reordered_total", "counter";
    duplicates: AtomicU64, reset, "RTP packets of a UDP camera that came twice."
        => "weir_camera_udp_duplicates_total", "counter";
    foreign: AtomicU64, reset,
        "Datagrams to a UDP camera's port that were not of its stream: of another sender, \
         payload type or source, or too long."
        => "weir_camera_udp_foreign_total", "counter";
    frames_per_s_x100: AtomicU32, reset,
        "Frames per second over the last two seconds or so, times 100.";
    bits_per_s: AtomicU64, reset, "Bit rate over the last two seconds or so."
        => "weir_camera_bytes_per_second", "gauge", 8;
    gop_ms: AtomicU32, reset, "Time between the last two IDRs; 0 before the second."
        => "weir_camera_gop_seconds", "gauge", 1000;
    last_idr_us: AtomicU64, reset,
        "When the last IDR began, in microseconds of [`crate::clock::now_us`]; 0 for never.";
    key_frames_asked: AtomicU64, reset,
        "Key frames that the camera was asked for, at most one per second for all its viewers."
        => "weir_camera_key_frame_requests_total", "counter";
    key_frame_asked_us: AtomicU64, reset,
        "When it was last asked for one, in microseconds of [`crate::clock::now_us`]; 0 for never.";
    rtcp_in_vain: AtomicBool, keep,
        "Written by control: the camera makes no key frame when it is asked for one by RTCP.";
    width: AtomicU32, reset, "Width of the picture by the SPS, in pixels; 0 before one.";
    height: AtomicU32, reset, "Height of the picture by the SPS, in pixels; 0 before one.";
    profile: AtomicU32, reset,
        "Codec, profile and level by the SPS, as a number of [`crate::codec::CodecProfile`].";
    viewers: AtomicU32, keep, "Subscriptions now."
        => "weir_camera_viewers", "gauge";
    abandoned: [AtomicU64; TIERS.len()], reset, "Interleaved frames without a carry slot."
        => "weir_camera_frames_abandoned_total", "counter" by "tier" TIERS;
    lost: AtomicU8, keep,
        "Why the media thread gave the connection up: the number of a `media::Lost`.";
    holds_back: AtomicBool, reset,
        "The RTP markers are missing or odd: each picture waits for the start of the next one.";
    b_frames: AtomicBool, reset, "The camera sends B-frames, which no browser shows smoothly.";
}

impl CameraStats {
    /// Notes a timestamp of the camera's and when it came, on [`crate::clock`].
    pub fn set_clock(&self, timestamp: u32, at_us: u64) {
        let at_ms = (at_us / 1000) & u64::from(u32::MAX);
        self.clock.store(u64::from(timestamp) << 32 | at_ms, Relaxed);
    }

    /// The same: the timestamp, and the milliseconds, which wrap.
    pub fn clock(&self) -> (u32, u32) {
        let [m0, m1, m2, m3, t0, t1, t2, t3] = self.clock.load(Relaxed).to_le_bytes();
        (u32::from_le_bytes([t0, t1, t2, t3]), u32::from_le_bytes([m0, m1, m2, m3]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_camera_is_left_for_the_next_one() {
        let stats = CameraStats::new();
        stats.holds_back.store(true, Relaxed);
        stats.packets.store(7, Relaxed);
        stats.abandoned[2].store(7, Relaxed);
        stats.gop_ms.store(7, Relaxed);
        stats.reset();
        assert_eq!(format!("{stats:?}"), format!("{:?}", CameraStats::new()));
        stats.viewers.store(2, Relaxed);
        stats.lost.store(1, Relaxed);
        stats.reset();
        assert_eq!((stats.viewers.load(Relaxed), stats.lost.load(Relaxed)), (2, 1));
        stats.set_clock(u32::MAX, (1 << 32) * 1000 + 7_999);
        assert_eq!(stats.clock(), (u32::MAX, 7), "2^32 ms and 7.999 ms");
    }
}
