//! What packets, history rings and sending are bounded by.

use super::{KIB, PROFILE};

/// Packets one ring chunk describes: 8 KiB of 1200-byte payloads are 6, small ones more.
pub const CHUNK_PACKETS_MAX: usize = 24;

/// RTP payload bytes by default, FU header included, header extension and tag not. A path behind
/// the interface that takes no IPv6 packets of 1284 bytes needs less: no path MTU is learnt.
pub const PAYLOAD_BYTES_DEFAULT: usize = 1200;
/// The largest a configuration may ask for: 1400 + 12 + 8 + 16 fits an Ethernet frame with IPv4.
pub const PAYLOAD_BYTES_MAX: usize = 1400;
/// The smallest: below this headers cost more than they carry.
pub const PAYLOAD_BYTES_MIN: usize = 500;
/// RTP header (12), playout-delay extension (8) and GCM tag (16) around a payload.
pub const RTP_OVERHEAD_BYTES: usize = 12 + 8 + 16;
/// A sealed packet.
pub const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + RTP_OVERHEAD_BYTES;
/// Segments of one GSO message: 64 is what every kernel with UDP GSO takes.
pub const GSO_SEGMENTS_MAX: usize = 64;
/// Bytes of one GSO message: an IPv4 datagram less its headers.
pub const GSO_BYTES_MAX: usize = 65_507;
/// A datagram we read: what fits an Ethernet frame; longer ones are truncated and dropped.
pub const DATAGRAM_BYTES_MAX: usize = 1500;

/// Carry slot sizes. An interleaved frame is at most 4 + 65 535 bytes.
pub const CARRY_SMALL_BYTES: usize = 2 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_MEDIUM_BYTES: usize = 8 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_LARGE_BYTES: usize = 64 * KIB + 4;
/// An SPS or PPS: the largest seen in the field is 64 bytes.
pub const PARAMETER_SET_BYTES_MAX: usize = 256;
/// Access units watched before a stream's marker habit is latched and viewers are let in.
pub const MARKER_PROBE_ACCESS_UNITS: u32 = 3;
/// History kept for resends while there is room and somebody watches: a browser asks again for some
/// 100 ms and a round trip or two.
pub const HISTORY_US: u64 = 250_000;
/// Ring chunks of all streams.
pub const CHUNKS_MAX: usize = PROFILE.ring_chunks;
/// Chunks that one stream's queue can have: 4 MiB, two seconds at 16 Mbit/s.
pub const RING_CHUNKS_MAX: usize =
    if PROFILE.ring_chunks < 512 { PROFILE.ring_chunks } else { 512 };
/// Chunks of a key frame that is kept without its group: 1 MiB, where the queue has that.
pub const STILL_CHUNKS_MAX: usize = RING_CHUNKS_MAX / 4;
/// Chunks that are free before a camera is read. What is read at once is cut before anybody is
/// served: the read, a frame it completes, and the chunk that is open, each chunk with less than a
/// packet left at its end. A read of nothing but tiny packets is cut into more, and overwrites the
/// oldest of its own stream; see [`READ_CUT_CHUNKS_MAX`].
pub const READ_CHUNKS_MAX: usize = 1
    + (PROFILE.read_scratch_bytes + CARRY_LARGE_BYTES)
        .div_ceil(PROFILE.ring_chunk_bytes - PAYLOAD_BYTES_MAX);
/// Chunks that are free once there were fewer than [`READ_CHUNKS_MAX`]: who gives them up is looked
/// for among all streams, once in several reads.
pub const ROOM_CHUNKS: usize = READ_CHUNKS_MAX + CHUNKS_MAX / 64;
/// Chunks that one read is cut into at most, and so [`CHUNK_PACKETS_MAX`] times as many packets:
/// with more the stream waits for its next IDR, of a later read. A read of 28 KiB from a camera at
/// night, a slice of a few bytes in each packet of its own, is 50 chunks; what makes more of it
/// packs NAL units of nothing by the thousand.
pub const READ_CUT_CHUNKS_MAX: usize = 5 * READ_CHUNKS_MAX;
/// Chunks above which no further NAL unit of that read is begun: the one at hand may take the rest.
pub const READ_CUT_CHUNKS_BEHIND: usize = READ_CUT_CHUNKS_MAX - READ_CHUNKS_MAX;
/// SPS a stream remembers; one with a further id takes the oldest's place. Cameras send one.
pub const SPS_MAX: usize = 2;
/// PPS a stream remembers, in the same way; two were seen. 256 bytes each, as an SPS.
pub const PPS_MAX: usize = 4;
/// RTP video clock (RFC 6184 section 8.2.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;
/// A camera's timestamp further than this from the last one is a jump, and replaced.
pub const TIMESTAMP_JUMP_S: u32 = 5;
/// A step back of less than this is a B-frame's; a longer one is a jump.
pub const TIMESTAMP_BACK_S: u32 = 1;
/// So many steps back within [`TIMESTAMP_BACKS_UNITS`] access units are a camera's B-frames; fewer
/// are its clock's.
pub const TIMESTAMP_BACKS_MIN: u8 = 3;
/// See [`TIMESTAMP_BACKS_MIN`].
pub const TIMESTAMP_BACKS_UNITS: u8 = 100;
/// Jumps in a row after which the camera's new timeline is adopted.
pub const TIMESTAMP_JUMPS_MAX: u8 = 3;
/// How far media time may fall behind arrival before it is brought forward.
pub const TIMESTAMP_DRIFT_MS_MAX: u64 = 250;
/// The least time between frames over a gap that we stamp ourselves: 30 frames a second.
pub const TIMESTAMP_STEP_MIN: u32 = VIDEO_CLOCK_HZ / 30;

/// Segments a subscription that is live may send at once, and then again each millisecond.
pub const PACING_SEGMENTS_PER_MS: u32 = 64;
/// The least pace of one that is on its way from a key frame to what is live, or whose losses
/// follow bursts: quick, and no burst that would fill an access point's queue.
pub const PACED_BITS_PER_S_MIN: u64 = 25_000_000;
/// And at least so many times what the camera sends: a key frame of 700 KB at 8 Mbit/s is there
/// before the player takes the picture for frozen.
pub const PACED_RATE_FACTOR: u64 = 8;
/// However slow a viewer's link is: with less it would not catch up after a key frame.
pub const PACED_RATE_FACTOR_MIN: u64 = 3;
/// What a paced subscription may save up, when it is not served each millisecond.
pub const PACED_SAVED_MS_MAX: u64 = 4;
/// Steps by which a pace is made slower, each to three quarters.
pub const PACE_STEPS_MAX: u8 = 12;
/// After so long without dense losses a pace is made one step quicker; twice as long each time that
/// this was too quick, to a bound.
pub const PACE_CALM_US: u64 = 2_000_000;
/// See [`PACE_CALM_US`].
pub const PACE_CALM_US_MAX: u64 = 600_000_000;
/// And after so long at least one is without a pace again: a burst too much costs more than a pace.
pub const PACE_FREE_US: u64 = 60_000_000;
/// Losses are dense where of so many packets in a row ...
pub const DENSE_LOSS_SPAN_PACKETS: u16 = 64;
/// ... about so many are missed: 1 of 6, which is a queue that overflows, and not chance.
pub const DENSE_LOSS_PACKETS: u16 = 10;
/// What is sent to who joins is this much closer to live by its timestamps: a player without the
/// playout-delay extension does not take it for delay.
pub const CATCH_UP_TIME_DIVISOR: i32 = 64;
/// Packets behind the newest that may wait to be sent again: the most that Chromium asks for.
pub const RESENDS_WAITING_MAX: usize = 1024;
/// After what time a packet that was sent again is sent once more, unasked: Chromium waits 100 ms
/// before it asks a second time, and where one packet is lost the next may be as well.
pub const RESEND_COPY_US: u64 = 10_000;
/// The budget of resends is a second of the stream, so that a whole key frame can be mended, and at
/// least this.
pub const RESEND_BYTES_MIN: u64 = 32 * PAYLOAD_BYTES_MAX as u64;
/// In which time a spent budget is whole again.
pub const RESEND_BUDGET_US: u64 = 4_000_000;
/// A viewer that reports much loss for so long is paused to the next key frame.
pub const CONGESTED_US: u64 = 500_000;
/// Between sender reports of one subscription.
pub const SENDER_REPORT_INTERVAL_US: u64 = 3_000_000;

/// Zeros in a row, over packets, within a NAL unit; a valid one has two (H.264 section 7.4.1). One
/// with more than this is torn: the stream waits for its next IDR. Behind a NAL unit there may be
/// as many as a camera likes: they are taken off.
pub const NAL_ZEROS_MAX: usize = 1024;

/// What is read of one camera: above it the camera is read no faster, so that TCP slows it down
/// and the others lose nothing. Eight times the heaviest camera of the bench.
pub const CAMERA_BITS_PER_S_MAX: u64 = 64_000_000;
/// Bytes of a camera that may come at once, after a pause of the network: a key frame or several.
pub const CAMERA_BURST_BYTES: usize = 2 << 20;
/// A camera that is over its rate is read again when it may send so much: not byte by byte.
pub const CAMERA_READ_BYTES_MIN: usize = 24 << 10;

/// The smallest packet of a slice: interleaved and RTP header, a NAL header and three bytes.
const SLICE_PACKET_BYTES_MIN: usize = 4 + 12 + 4;

const _: () = {
    assert!(CAMERA_BURST_BYTES >= PROFILE.read_scratch_bytes);
    assert!(CAMERA_READ_BYTES_MIN <= PROFILE.read_scratch_bytes);
    assert!(
        PROFILE.read_scratch_bytes / SLICE_PACKET_BYTES_MIN
            <= READ_CUT_CHUNKS_BEHIND * CHUNK_PACKETS_MAX,
        "a read of the smallest packets of one slice each is cut whole"
    );
    assert!(RING_CHUNKS_MAX >= 2 * READ_CHUNKS_MAX, "a stream has room for a read and another");
    assert!(CHUNKS_MAX >= READ_CHUNKS_MAX + 2 * PROFILE.cameras, "each stream has its open chunk");
};
