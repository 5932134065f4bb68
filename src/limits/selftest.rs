//! Bounds of `weir selftest`, which loads a weir of its own from a process of its own.

use super::{CAMERAS_MAX, KIB, SESSIONS_MAX};

/// Cameras, and viewers as many: what the memory profile has, up to 64. So many viewers take half
/// of the library heap of the process that is the load.
pub const SELFTEST_CAMERAS_MAX: usize = {
    let profile = if CAMERAS_MAX < SESSIONS_MAX { CAMERAS_MAX } else { SESSIONS_MAX };
    if profile < 64 { profile } else { 64 }
};
/// Seconds of the window in which is measured, unless asked for otherwise.
pub const SELFTEST_SECONDS_DEFAULT: u64 = 20;
/// The shortest window: a group of each camera.
pub const SELFTEST_SECONDS_MIN: u64 = 2;
/// The longest window: a box is warm by then.
pub const SELFTEST_SECONDS_MAX: u64 = 300;
/// Bit rate of each camera: what a sub stream of 720 lines has, or a main stream at its least.
pub const SELFTEST_BITS_PER_S: u32 = 2_000_000;
/// Cameras at the console, where weir's own pictures go on beside it.
pub const SELFTEST_CONSOLE_CAMERAS: usize =
    if SELFTEST_CAMERAS_MAX < 16 { SELFTEST_CAMERAS_MAX } else { 16 };
/// Seconds of the window at the console.
pub const SELFTEST_CONSOLE_SECONDS: u64 = 10;
/// Bytes that the console takes of its answer.
pub const SELFTEST_CONSOLE_BYTES_MAX: usize = 8 * KIB;
/// From the start of the judged weir until all its cameras play, in milliseconds: with 64 on a slow
/// box, 8 dials at a time and the wait for a key frame.
pub const SELFTEST_START_MS_MAX: u64 = 30_000;
/// From the first offer until all viewers have media, in milliseconds.
pub const SELFTEST_CONNECT_MS_MAX: u64 = 60_000;
/// Milliseconds between two looks at what is waited for.
pub const SELFTEST_LOOK_MS: u64 = 50;
/// From the last viewer's media to the window, in milliseconds: what was kept for new viewers is
/// sent by then.
pub const SELFTEST_SETTLE_MS: u64 = 2_000;
/// For the pictures under way at the window's end, in milliseconds.
pub const SELFTEST_TRAIL_MS: u64 = 500;
/// How long the judged weir may take to end, and its sessions before it, in milliseconds.
pub const SELFTEST_END_MS_MAX: u64 = 5_000;
/// Bytes of the end of the judged weir's log that are read where it does not start.
pub const SELFTEST_LOG_BYTES_MAX: u64 = 4 * KIB as u64;
/// Payload of the packet whose sealing is measured: that of a full packet.
pub const SELFTEST_SEALED_BYTES: usize = 1200;
/// Packets that are sealed between two looks at the clock, which counts microseconds.
pub const SELFTEST_SEALS_PER_ROUND: u32 = 256;
/// For how long packets are sealed, in microseconds.
pub const SELFTEST_SEALING_US: u64 = 100_000;
/// What the 99th percentile of latency has to keep, in milliseconds: a picture is through before
/// the camera's next one comes.
pub const SELFTEST_LATENCY_MS_MAX: f64 = 40.0;
/// Percent of the pictures that have to come whole.
pub const SELFTEST_FRAMES_PERCENT_MIN: f64 = 99.9;
/// Percent of one core that the judged weir may use: half is to spare.
pub const SELFTEST_CPU_PERCENT_MAX: f64 = 50.0;
/// Percent of one core that cameras and viewers may use: beyond it latency and loss are theirs.
pub const SELFTEST_LOAD_PERCENT_MAX: f64 = 90.0;
/// CPU time of the judged weir below which nothing is derived from it, in milliseconds: the kernel
/// tells it in steps of 10.
pub const SELFTEST_CPU_MS_MIN: u64 = 100;
/// Bit rates, in Mbit/s, of which is said how many cameras the box carries.
pub const SELFTEST_CARRIED_MBIT_PER_S: [u32; 3] = [2, 4, 8];
