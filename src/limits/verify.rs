//! Bounds of `weir verify`, which runs in a process of its own and keeps none of weir's memory.

use super::{KIB, MIB};

/// Bytes of an answer over HTTP: 512 cameras of `/api/cameras` take 240 KiB, and 960 with all that
/// can be found of them; `/api/status` takes 40 KiB. What is kept of the cameras is less than that.
pub const VERIFY_ANSWER_BYTES_MAX: usize = 1024 * KIB;
/// Bytes of an answer that is read as a tree of JSON, of which the worst takes 4 MiB of the library
/// heap.
pub const VERIFY_TREE_BYTES_MAX: usize = 128 * KIB;
/// Cameras that are read of a list: those of the largest profile.
pub const VERIFY_CAMERAS_MAX: usize = 512;
/// Findings that are read of a camera: twice as many as weir tells.
pub const VERIFY_FINDINGS_MAX: usize = 2 * super::CAMERA_FINDINGS_MAX;
/// How long one request may take, in milliseconds: longer than an offer waits for a handshake slot.
pub const VERIFY_REQUEST_MS_MAX: u64 = 10_000;
/// Sessions that are looked at side by side: half of the handshake slots, so that others find some.
pub const VERIFY_SESSIONS_AT_ONCE_MAX: usize = 8;
/// From the answer to an offer until media comes, in milliseconds: ICE, DTLS, and the wait of a
/// camera with long groups for its next key frame.
pub const VERIFY_CONNECT_MS_MAX: u64 = 10_000;
/// Cameras that are looked at unless all are asked for: a few of each corner of the list.
pub const VERIFY_SAMPLE_DEFAULT: usize = 8;
/// Seconds of media of a session unless asked for otherwise: a few groups of any camera.
pub const VERIFY_SECONDS_DEFAULT: u64 = 10;
/// The least seconds of media that show a rate.
pub const VERIFY_SECONDS_MIN: u64 = 2;
/// The most seconds of media of a session.
pub const VERIFY_SECONDS_MAX: u64 = 600;
/// The first milliseconds of a session's media: what was kept for new viewers comes at once, and
/// counts for no rate and no jitter.
pub const VERIFY_SETTLE_MS: u64 = 1_000;
/// Milliseconds between two checks of a session's round trip.
pub const VERIFY_CHECK_MS: u64 = 250;
/// Checks whose answers are waited for.
pub const VERIFY_CHECKS_OPEN_MAX: usize = 8;
/// Candidates of an answer that are tried.
pub const VERIFY_CANDIDATES_MAX: usize = 16;
/// Packets in a row of which is known whether they came, a multiple of 64: two key frames of 1 MiB.
pub const VERIFY_WINDOW_PACKETS: usize = 2048;
/// Packets behind an access unit's last one until it is judged: what comes later counts as lost.
pub const VERIFY_REORDERED_PACKETS_MAX: u64 = 32;
/// Receive buffer of a session's socket, where the kernel allows it: a key frame in one burst.
pub const VERIFY_SOCKET_BYTES: usize = 4 * MIB;
/// Bytes of a file with a token.
pub const VERIFY_TOKEN_FILE_BYTES_MAX: usize = 4 * KIB;
/// An error of the log is new for so many seconds.
pub const VERIFY_ERRORS_NEW_S: u64 = 600;
/// Seconds between the begins of two rounds of `--watch`.
pub const VERIFY_WATCH_S: u64 = 60;
/// Bytes of the file of `--watch`; a full one becomes `.1`, in place of the one before.
pub const VERIFY_WATCH_FILE_BYTES_MAX: u64 = MIB as u64;
