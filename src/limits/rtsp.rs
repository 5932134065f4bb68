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
/// Video that has come for so long without a picture has its reason shown; a camera's key frames
/// are seldom further apart.
pub const CAMERA_PICTURELESS_US: u64 = 10_000_000;

/// An RTSP message head, and the body of a DESCRIBE answer (Hikvision's largest is 1.5 KiB).
pub const RTSP_HEAD_BYTES_MAX: usize = 8 * KIB;
/// See [`RTSP_HEAD_BYTES_MAX`].
pub const RTSP_BODY_BYTES_MAX: usize = 16 * KIB;
/// A camera's URL, as configured or as a redirect names it; ONVIF profiles with tokens reach 250.
/// Longer: `weir check` refuses it, and so does the dialog, both with the figures.
pub const RTSP_URL_BYTES_MAX: usize = 512;
/// A URL as a request has it: the camera's own with a track behind it, or what the camera announced
/// in its place. Longer: the dialog fails.
pub const RTSP_REQUEST_URL_BYTES_MAX: usize = RTSP_URL_BYTES_MAX + 256;
/// A session id; 32 is the longest seen. Longer: the dialog fails.
pub const RTSP_SESSION_ID_BYTES_MAX: usize = 128;
/// A user's name at a camera. Longer: `weir check` refuses it.
pub const RTSP_USER_BYTES_MAX: usize = 64;
/// Its password, in the configuration or in a `password_file`; some are tokens. Longer: `weir check`
/// refuses it. It costs nothing more in a request: Basic with it is shorter than Digest.
pub const RTSP_PASSWORD_BYTES_MAX: usize = 256;
/// The nonce of a Digest challenge. Longer: the challenge counts as not understood.
pub const RTSP_NONCE_BYTES_MAX: usize = 256;
/// Its realm, and its opaque.
pub const RTSP_REALM_BYTES_MAX: usize = 128;
/// Requests waiting to be written to a camera: 64 times this is a part of all cameras' sessions.
pub const RTSP_TRANSMIT_BYTES_MAX: usize = 2816;
/// What a request has besides what cameras and configuration say.
const RTSP_REQUEST_BYTES: usize = 450;
/// The largest, signed with Digest: two URLs, a session id, nonce, realm, opaque, and a user with
/// each byte escaped.
const RTSP_DIGEST_REQUEST_BYTES_MAX: usize = 2 * RTSP_REQUEST_URL_BYTES_MAX
    + RTSP_SESSION_ID_BYTES_MAX
    + RTSP_NONCE_BYTES_MAX
    + 2 * RTSP_REALM_BYTES_MAX
    + 2 * RTSP_USER_BYTES_MAX
    + RTSP_REQUEST_BYTES;
/// The largest with Basic.
const RTSP_BASIC_REQUEST_BYTES_MAX: usize = RTSP_REQUEST_URL_BYTES_MAX
    + RTSP_SESSION_ID_BYTES_MAX
    + (RTSP_USER_BYTES_MAX + 1 + RTSP_PASSWORD_BYTES_MAX).div_ceil(3) * 4
    + RTSP_REQUEST_BYTES;
const _: () = assert!(
    RTSP_TRANSMIT_BYTES_MAX >= RTSP_DIGEST_REQUEST_BYTES_MAX
        && RTSP_TRANSMIT_BYTES_MAX >= RTSP_BASIC_REQUEST_BYTES_MAX,
    "the longest request of a good configuration can be written"
);
/// One read while a camera is dialled: what comes behind the last SETUP answer with it is handed
/// from dialog to session.
pub const RTSP_LEFTOVER_BYTES_MAX: usize = 4 * KIB;
/// Bytes of one dial that are no answer to it: noise, line ends, requests of the camera's own. With
/// more of them the dial fails; cameras send none, or a message or two.
pub const RTSP_NOISE_BYTES_MAX: usize = 64 * KIB;
/// Redirects followed for one dialog.
pub const RTSP_REDIRECTS_MAX: u32 = 3;
/// Media sections of an SDP that are looked at; Hikvision's have 3. Further ones are passed over.
pub const RTSP_SDP_MEDIA_MAX: usize = 16;
/// Formats of a media section that are looked at; cameras have one.
pub const RTSP_SDP_FORMATS_MAX: usize = 16;
/// Tracks beside the video that are set up for a camera that plays only then.
pub const RTSP_OTHER_TRACKS_MAX: usize = 3;
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
