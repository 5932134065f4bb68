//! Dialling cameras, and what they may send.

use super::KIB;

/// Cameras dialled at once; the others wait their turn.
pub const CAMERAS_DIALLED_MAX: usize = 8;
/// From the connection's begin to SETUP's answer.
pub const CAMERA_DIAL_MS_MAX: u64 = 10_000;
/// Before the second try; doubled for each further one.
pub const CAMERA_RETRY_MS_MIN: u64 = 1_000;
/// The longest between two tries, and what a camera that needs a person gets.
pub const CAMERA_RETRY_MS_MAX: u64 = 60_000;
/// A camera that played this long is dialled again as if for the first time.
pub const CAMERA_SETTLED_US: u64 = 10_000_000;

/// An RTSP message head, and the body of a DESCRIBE answer (Hikvision's largest is 1.5 KiB).
pub const RTSP_HEAD_BYTES_MAX: usize = 8 * KIB;
/// See [`RTSP_HEAD_BYTES_MAX`].
pub const RTSP_BODY_BYTES_MAX: usize = 16 * KIB;
/// A camera's URL, and any URL it names itself; ONVIF profiles with tokens reach 250. Longer: the
/// dialog fails, naming both figures.
pub const RTSP_URL_BYTES_MAX: usize = 512;
/// A session id; 32 is the longest seen. Longer: the dialog fails.
pub const RTSP_SESSION_ID_BYTES_MAX: usize = 128;
/// A user's name, and a password.
pub const RTSP_CREDENTIAL_BYTES_MAX: usize = 64;
/// The nonce of a Digest challenge. Longer: the challenge counts as not understood.
pub const RTSP_NONCE_BYTES_MAX: usize = 256;
/// Its realm, and its opaque.
pub const RTSP_REALM_BYTES_MAX: usize = 128;
/// Requests waiting to be written to a camera. The largest, a signed PLAY, has two URLs, a
/// session id, nonce, realm, opaque, user and 450 bytes of everything else.
pub const RTSP_TRANSMIT_BYTES_MAX: usize = 2304;
/// One read while a camera is dialled: what comes behind the last SETUP answer with it is handed
/// from dialog to session.
pub const RTSP_EARLY_BYTES_MAX: usize = 4 * KIB;
/// Redirects followed for one dialog.
pub const RTSP_REDIRECTS_MAX: u32 = 3;
/// PPS taken from an SDP; two are the most seen.
pub const RTSP_SDP_PPS_MAX: usize = 4;
/// Between receiver reports to a camera; Arlo stops without one every 5 s.
pub const RTSP_REPORT_INTERVAL_US: u64 = 5_000_000;
/// A camera silent for this long gets a keepalive at once.
pub const RTSP_PROBE_US: u64 = 5_000_000;
/// A camera silent for this long is given up; a PLAY unanswered for this long as well.
pub const RTSP_SILENCE_US_MAX: u64 = 10_000_000;
/// Between key frame requests to a camera; more are dropped.
pub const RTSP_KEY_FRAME_INTERVAL_US: u64 = 1_000_000;
