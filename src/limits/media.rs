//! Bounds of packets, history rings and sending.

use super::{KIB, PROFILE};

/// Packets that one chunk describes: 8 KiB hold 6 payloads of 1200 bytes, or more small ones.
pub const CHUNK_PACKETS_MAX: usize = 24;

/// Default bytes of an RTP payload, with the FU header and without header extension and tag. A path
/// that takes no IPv6 packets of 1284 bytes needs less, as weir does not discover the path MTU.
pub const PAYLOAD_BYTES_DEFAULT: usize = 1200;
/// The largest payload that may be configured: 1400 + 12 + 8 + 16 fits an Ethernet frame with IPv4.
pub const PAYLOAD_BYTES_MAX: usize = 1400;
/// The smallest payload that may be configured: below it headers cost more than they carry.
pub const PAYLOAD_BYTES_MIN: usize = 500;
/// RTP header (12), playout-delay extension (8) and GCM tag (16) around a payload.
pub const RTP_OVERHEAD_BYTES: usize = 12 + 8 + 16;
/// Bytes of the largest sealed packet.
pub const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + RTP_OVERHEAD_BYTES;
/// Segments of one GSO message: 64 is what every kernel with UDP GSO takes.
pub const GSO_SEGMENTS_MAX: usize = 64;
/// Bytes of one GSO message: an IPv4 datagram less its headers.
pub const GSO_BYTES_MAX: usize = 65_507;
/// Bytes of the largest datagram that is read: an Ethernet frame's. Longer ones are cut and
/// dropped.
pub const DATAGRAM_BYTES_MAX: usize = 1500;

/// Wake-ups of the media thread between two reviews (0.1 s) from which on they keep a distance: a
/// wake-up costs as much as a packet.
pub const WAKEUPS_AT_ONCE_MAX: u32 = 200;
/// That distance: the most that it adds to a packet's way. A frame lasts 33 ms.
pub const WAKEUP_DISTANCE_US: u64 = 700;

/// Bytes of a small carry slot. An interleaved frame has at most 4 + 65 535 bytes.
pub const CARRY_SMALL_BYTES: usize = 2 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_MEDIUM_BYTES: usize = 8 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_LARGE_BYTES: usize = 64 * KIB + 4;
/// Bytes of a parameter set: the largest seen in the field has 64.
pub const PARAMETER_SET_BYTES_MAX: usize = 256;
/// Access units that are watched before it is settled how a stream uses the marker bit, and viewers
/// are admitted.
pub const MARKER_PROBE_ACCESS_UNITS: u32 = 3;
/// How long sent packets are kept for resends, while there is room and a viewer watches. A browser
/// asks again for some 100 ms and a round trip or two.
pub const HISTORY_US: u64 = 250_000;
/// Ring chunks of all streams.
pub const CHUNKS_MAX: usize = PROFILE.ring_chunks;
/// Chunks that one stream's queue may have: 4 MiB, two seconds at 16 Mbit/s.
pub const RING_CHUNKS_MAX: usize =
    if PROFILE.ring_chunks < 512 { PROFILE.ring_chunks } else { 512 };
/// Chunks of a key frame that is kept without its group: 1 MiB, if the queue has that.
pub const STILL_CHUNKS_MAX: usize = RING_CHUNKS_MAX / 4;
/// Free chunks that are needed before a camera is read. The bytes of one read are packetized before
/// they are sent: the read, a frame it completes, and the open chunk, each chunk with less than a
/// packet left over at its end. A read of only tiny packets needs more, and overwrites the oldest
/// packets of its own stream; see [`READ_CUT_CHUNKS_MAX`].
pub const READ_CHUNKS_MAX: usize = 1
    + (PROFILE.read_scratch_bytes + CARRY_LARGE_BYTES)
        .div_ceil(PROFILE.ring_chunk_bytes - PAYLOAD_BYTES_MAX);
/// Chunks that are made free once fewer than [`READ_CHUNKS_MAX`] are. The search for a stream to
/// take them from covers all streams, so it is made once in several reads.
pub const ROOM_CHUNKS: usize = READ_CHUNKS_MAX + CHUNKS_MAX / 64;
/// Most chunks that one read may be packetized into, with [`CHUNK_PACKETS_MAX`] packets each.
/// Beyond it the stream waits for the next IDR of a later read. A read of 28 KiB from a camera at
/// night, with a slice of a few bytes in each packet, takes 50 chunks. Only a stream that packs
/// thousands of empty NAL units takes more.
pub const READ_CUT_CHUNKS_MAX: usize = 5 * READ_CHUNKS_MAX;
/// Chunks above which no further NAL unit of that read is begun; the present one may take the rest.
pub const READ_CUT_CHUNKS_BEHIND: usize = READ_CUT_CHUNKS_MAX - READ_CHUNKS_MAX;
/// Parameter sets that a stream remembers, of [`PARAMETER_SET_BYTES_MAX`] each.
pub const PARAMETER_SETS_MAX: usize = SPS_MAX + PPS_MAX;
/// VPS among them, of H.265. Its place is one of [`PPS_MAX`].
pub const VPS_MAX: usize = 1;
/// SPS among them; one with a further id replaces the oldest. Cameras send one.
pub const SPS_MAX: usize = 2;
/// PPS among them, likewise; at most two were seen.
pub const PPS_MAX: usize = 4;
/// Rate of the RTP video clock (RFC 6184 section 8.2.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;
/// A camera's timestamp further than this from the last one is a jump, and is replaced.
pub const TIMESTAMP_JUMP_S: u32 = 5;
/// A step back by less than this is a B-frame's; a longer one is a jump.
pub const TIMESTAMP_BACK_S: u32 = 1;
/// Steps back within [`TIMESTAMP_BACKS_UNITS`] access units from which on the camera has B-frames.
/// Fewer are errors of its clock.
pub const TIMESTAMP_BACKS_MIN: u8 = 3;
/// See [`TIMESTAMP_BACKS_MIN`].
pub const TIMESTAMP_BACKS_UNITS: u8 = 100;
/// Packets in a row with one sequence number, after which a camera's numbers count as fixed.
pub const SEQUENCE_REPEATS_MIN: u8 = 16;
/// How long a source may be silent and still count as the track's own, when there are two.
pub const SOURCE_SILENCE_US_MAX: u64 = 3_000_000;
/// How far a source's numbers may have advanced while another one sent: more than a key frame has
/// packets.
pub const SOURCE_RETURN_PACKETS_MAX: u16 = 3000;
/// Jumps in a row after which the camera's new timeline is adopted.
pub const TIMESTAMP_JUMPS_MAX: u8 = 3;
/// How far media time may fall behind arrival before it is moved forward.
pub const TIMESTAMP_DRIFT_MS_MAX: u64 = 250;
/// How many times as fast as a camera's timestamps media time may run, where frames come slower
/// than they say: 6 frames a second that are stamped as 25.
pub const TIMESTAMP_RATE_MAX: i64 = 4;
/// The least distance between the timestamps of two pictures: enough that they differ when they are
/// compressed by [`CATCH_UP_TIME_DIVISOR`].
pub const TIMESTAMP_APART_MIN: u32 = CATCH_UP_TIME_DIVISOR.cast_unsigned();
/// The least step between frames for timestamps that weir makes over a gap: 30 frames per second.
pub const TIMESTAMP_STEP_MIN: u32 = VIDEO_CLOCK_HZ / 30;

/// Segments that a live subscription may send at once, and again in each millisecond.
pub const PACING_SEGMENTS_PER_MS: u32 = 64;
/// The least pace of a subscription that catches up from a key frame to live, or whose losses
/// follow bursts. It is quick, but no burst that would fill an access point's queue.
pub const PACED_BITS_PER_S_MIN: u64 = 25_000_000;
/// The pace is also at least this many times the camera's rate, so that a key frame of 700 KB at
/// 8 Mbit/s arrives before the player takes the picture for frozen.
pub const PACED_RATE_FACTOR: u64 = 8;
/// The least factor for a slow link: with less a viewer would not catch up after a key frame.
pub const PACED_RATE_FACTOR_MIN: u64 = 3;
/// What a paced subscription may save up if it is not served in each millisecond.
pub const PACED_SAVED_MS_MAX: u64 = 4;
/// Steps by which a pace may be slowed, each to three quarters.
pub const PACE_STEPS_MAX: u8 = 12;
/// After this long without dense losses a pace is sped up by one step. The time doubles each time
/// the faster pace was too fast, up to [`PACE_CALM_US_MAX`].
pub const PACE_CALM_US: u64 = 2_000_000;
/// See [`PACE_CALM_US`].
pub const PACE_CALM_US_MAX: u64 = 600_000_000;
/// At least this long before a subscription is unpaced again: a needless burst costs more than a
/// needless pace.
pub const PACE_FREE_US: u64 = 60_000_000;
/// Losses are dense if [`DENSE_LOSS_PACKETS`] of this many packets in a row are missing.
pub const DENSE_LOSS_SPAN_PACKETS: u16 = 64;
/// Missing packets of [`DENSE_LOSS_SPAN_PACKETS`], about: 1 of 6, which is a queue that overflows,
/// not chance.
pub const DENSE_LOSS_PACKETS: u16 = 10;
/// The timestamps of what is sent to a viewer who joins are compressed by this divisor toward live,
/// so that a player without the playout-delay extension does not take it for delay.
pub const CATCH_UP_TIME_DIVISOR: i32 = 64;
/// Packets behind the newest that may wait to be sent again: the most that Chromium asks for.
pub const RESENDS_WAITING_MAX: usize = 1024;
/// When a packet that was sent again is sent once more without a request. Chromium waits 100 ms
/// before it asks a second time, and where one packet is lost the next may be as well.
pub const RESEND_COPY_US: u64 = 10_000;
/// Least budget of resends. The budget is otherwise one second of the stream, so that a whole key
/// frame can be repaired.
pub const RESEND_BYTES_MIN: u64 = 32 * PAYLOAD_BYTES_MAX as u64;
/// The time in which a spent budget is restored in full.
pub const RESEND_BUDGET_US: u64 = 4_000_000;
/// A viewer that reports high loss for this long is paused until the next key frame.
pub const CONGESTED_US: u64 = 500_000;
/// Microseconds between two sender reports of one subscription.
pub const SENDER_REPORT_INTERVAL_US: u64 = 3_000_000;

/// Bytes of one camera's ring of sound: 0.5 s of G.711. All of its viewers are served after each
/// read of the camera, which has less sound than that unless the picture has nearly no bits.
pub const SOUND_RING_BYTES: usize = 4 * KIB;
/// Packets of such a ring: 20 ms each is what cameras send.
pub const SOUND_RING_PACKETS: usize = 32;
/// How far a camera's timestamp of sound may be from the one that its samples add up to. From there
/// on it is a jump, and the time of arrival counts.
pub const SOUND_JUMP_S: u32 = 5;
/// The most by which sound is taken to come later or earlier than its picture, in µs. A camera
/// whose own reports say more is not believed.
pub const LIP_SYNC_US_MAX: i64 = 1_000_000;
/// The most by which a browser may show a picture later than it could, so that its sound keeps up:
/// browsers hold sound back for 40 to 150 ms, and cameras may send it later. Chromium takes more
/// than 500 ms for a wish to play smoothly, and then waits without a need.
pub const PLAYOUT_DELAY_MS_MAX: u16 = 500;
/// A pause of sound without a timestamp to be believed counts by the time of arrival if it is
/// longer than this; a network delays packets as well.
pub const SOUND_PAUSE_US: u64 = 250_000;

/// Zero bytes in a row within a NAL unit, across packets; a valid one has two (H.264 section
/// 7.4.1). A NAL unit with more than this is broken, and the stream waits for its next IDR. Zeros
/// after a NAL unit are stripped, in any number.
pub const NAL_ZEROS_MAX: usize = 1024;

/// Bit rate up to which a camera is read. Above it the camera is read no faster, so that TCP slows
/// it down and the other cameras lose nothing. Eight times the heaviest camera of the bench.
pub const CAMERA_BITS_PER_S_MAX: u64 = 64_000_000;
/// Bytes of a camera that may come at once after a pause of the network: one or more key frames.
pub const CAMERA_BURST_BYTES: usize = 2 << 20;
/// The same of sound that comes as datagrams: eight times the heaviest Opus. With what a datagram
/// costs at least that is 2000 per second.
pub const CAMERA_SOUND_BITS_PER_S_MAX: u64 = 4_000_000;
/// Bytes of such sound that may come at once.
pub const CAMERA_SOUND_BURST_BYTES: usize = 64 << 10;
/// A camera over its rate is read again once it may send this much, not byte by byte.
pub const CAMERA_READ_BYTES_MIN: usize = 24 << 10;

/// Bytes of the smallest packet of a slice: interleaved and RTP header, NAL header and three bytes.
const SLICE_PACKET_BYTES_MIN: usize = 4 + 12 + 4;

const _: () = {
    assert!(CAMERA_BURST_BYTES >= PROFILE.read_scratch_bytes);
    assert!(CAMERA_READ_BYTES_MIN <= PROFILE.read_scratch_bytes);
    assert!(CAMERA_READ_BYTES_MIN <= CAMERA_SOUND_BURST_BYTES);
    assert!(
        PROFILE.read_scratch_bytes / SLICE_PACKET_BYTES_MIN
            <= READ_CUT_CHUNKS_BEHIND * CHUNK_PACKETS_MAX,
        "a read of the smallest packets of one slice each is cut whole"
    );
    assert!(RING_CHUNKS_MAX >= 2 * READ_CHUNKS_MAX, "a stream has room for a read and another");
    assert!(CHUNKS_MAX >= READ_CHUNKS_MAX + 2 * PROFILE.cameras, "each stream has its open chunk");
};
