//! Bounds of what is asked of cameras by ONVIF, and of what they may answer.

use super::KIB;

/// Conversations by ONVIF at once, over all cameras; further ones wait. A camera has one at most.
pub const ONVIF_CONVERSATIONS_MAX: usize = 2;
/// Library heap of one conversation: an answer, what is read of it, and TLS where the camera is
/// encrypted.
pub const ONVIF_HEAP_BYTES: usize = 112 * KIB;
/// Bytes of an answer. The profiles are the longest, some 4 KiB each: a camera has 2 to 5. Those
/// of a recorder with many channels are refused.
pub const ONVIF_ANSWER_BYTES_MAX: usize = 32 * KIB;
/// Bytes of an answer that are read at once, its head whole among them: hyper's least.
pub const ONVIF_READ_BYTES: usize = 8 * KIB;
/// The time limit of one request, from connecting to the end of its answer. Small cameras take up
/// to a second for their profiles.
pub const ONVIF_REQUEST_MS_MAX: u64 = 4_000;
/// Elements within one another in an answer; profiles have 8. More are refused.
pub const ONVIF_DEPTH_MAX: usize = 32;
/// Bytes of an element's text that are kept: the longest that matters is the URL of a stream.
pub const ONVIF_TEXT_BYTES_MAX: usize = 1024;
/// Bytes of the path of a service, where the camera says it. A longer one is refused.
pub const ONVIF_PATH_BYTES_MAX: usize = 256;
/// Bytes of the token of a profile (ONVIF's `ReferenceToken` has 64). A longer one is left out.
pub const ONVIF_TOKEN_BYTES_MAX: usize = 64;
/// Profiles of a camera whose stream is asked for, until one is found to be that of its section.
pub const ONVIF_PROFILES_MAX: usize = 8;
/// Bytes of what a fault says that are shown.
pub const ONVIF_FAULT_BYTES_MAX: usize = 64;

/// A key frame that begins this soon after a request for one counts as the camera's answer.
pub const KEY_FRAME_ANSWER_US_MAX: u64 = 1_000_000;
/// How long a request by RTCP has to bring a key frame before the camera is asked by ONVIF too,
/// where it can be. Encoders begin one with their next frame or the one after.
pub const KEY_FRAME_RTCP_US: u64 = 300_000;
/// Requests in a row that brought no key frame, after which the camera is not asked in this way any
/// more while weir runs and its section stays.
pub const KEY_FRAME_FAILURES_MAX: u8 = 3;

const _: () = assert!(KEY_FRAME_RTCP_US < KEY_FRAME_ANSWER_US_MAX);
