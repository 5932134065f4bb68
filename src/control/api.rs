//! What the web and the console are told of cameras and of the configuration.

use crate::diagnosis::CameraFindings;

/// How many cameras the configuration has.
#[derive(Debug, Clone, Copy, Default)]
pub struct CameraCount {
    /// All of them, the disabled ones too.
    pub all: usize,
    /// Those of them that play now.
    pub playing: usize,
}

/// A camera as `/api/cameras` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CameraStatus {
    /// Its slot, which its statistics are found by.
    #[serde(skip)]
    pub slot: usize,
    /// The camera's name in the configuration.
    pub name: String,
    /// `connecting`, `playing`, `waiting` (between tries), `failed` (needs a person) or `disabled`.
    pub state: &'static str,
    /// Why it is not playing; absent while it is.
    pub reason: Option<String>,
    /// How its video comes: `tcp`, `udp` or `multicast`; absent while it does not.
    pub transport: Option<&'static str>,
    /// `H264` or `H265`, once an SPS was seen.
    pub codec: Option<&'static str>,
    /// Width of the picture in pixels, by its SPS.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
    /// Frames per second over the last two seconds or so.
    pub frames_per_s: Option<f64>,
    /// Bits per second over the last two seconds or so.
    pub bits_per_s: Option<u64>,
    /// Time between the last two key frames.
    pub gop_ms: Option<u32>,
    /// Age of the newest key frame.
    pub key_frame_age_ms: Option<u64>,
    /// How it is asked for key frames, and what came of it.
    pub key_frame_requests: KeyFrameStatus,
    /// The codec of its sound; absent while it has none that is passed on.
    pub sound: Option<&'static str>,
    /// Why it has none although the camera sends some.
    pub sound_problem: Option<String>,
    /// RTP packets of sound received.
    pub sound_packets: u64,
    /// Viewers that subscribe to it now.
    pub viewers: u32,
    /// Whether a POST would be answered.
    pub ready: bool,
    /// What is wrong with it, or good to know.
    pub findings: CameraFindings,
}

/// How a camera is asked for key frames. Of each way: `untried`, `works`, `unanswered` (lately) or
/// `given up`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeyFrameStatus {
    /// How often it was asked, at most once per second.
    pub asked: u64,
    /// What is known of requests by RTCP.
    pub rtcp: &'static str,
    /// What is known of requests by ONVIF; absent without a port for it.
    pub onvif: Option<&'static str>,
    /// Why the last request by ONVIF failed, if it did.
    pub onvif_problem: Option<String>,
}

/// How the configuration in force and its file stand to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Configuration {
    /// `good`, `warnings`, `last good` or `defaults`: see [`crate::config::ConfigOrigin`].
    pub state: &'static str,
    /// The same in a sentence that anybody may read; absent when all is good.
    #[serde(rename = "message")]
    pub sentence: Option<&'static str>,
    /// The file's mistakes with their places, for who may read the file; bounded by
    /// [`crate::limits::CONFIG_PROBLEMS_SHOWN`].
    pub problems: Vec<String>,
    /// When it was read last, UTC.
    pub read_at: String,
}

/// What a reload did.
#[derive(Debug, Default, serde::Serialize)]
pub struct Reloaded {
    /// `good`, or `warnings` where the file has mistakes.
    pub state: &'static str,
    /// Names of the cameras that are new.
    pub added: Vec<String>,
    /// Of those that are gone.
    pub removed: Vec<String>,
    /// Of those that are reached otherwise than before.
    pub changed: Vec<String>,
    /// Of those that were not touched.
    pub unchanged: Vec<String>,
    /// The file's mistakes with their places, as in [`Configuration`].
    pub problems: Vec<String>,
    /// Keys that have changed and are as before until a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadError {
    /// The demo has no configuration file: 409.
    NoFile,
    /// The file cannot be used: 422.
    Unusable {
        /// In words.
        detail: String,
        /// Line and column, where it is a place in the file.
        place: Option<(usize, usize)>,
    },
    /// No memory to read it now: 503 with Retry-After.
    NoRoom(String),
}
