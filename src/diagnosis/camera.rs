//! What can be found of a camera: its codes and words.

use std::fmt;

use super::{Diagnosis, FindingSeverity};
use crate::limits::CAMERA_BITS_PER_S_MAX;

/// Something that is wrong with a camera, or good to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraFinding {
    /// The camera refuses the configured user and password.
    WrongPassword,
    /// The camera asks for a login, and none is configured.
    NoLogin,
    /// The camera asks only for logins that weir does not have: weir has Basic, and Digest with MD5
    /// and SHA-256.
    UnknownLogin,
    /// The camera asks for Basic alone, and took Digest before.
    OnlyBasic,
    /// The camera refused a login, and does not answer since.
    SeemsToBan,
    /// Video comes without an SPS, or without a PPS or VPS.
    NoParameterSets {
        /// Whether an SPS came.
        has_sps: bool,
    },
    /// Video comes, and no key frame with it.
    NoKeyFrame {
        /// Seconds since the last one, or else since the video began.
        for_s: u16,
        /// Whether one came in this connection.
        had_one: bool,
    },
    /// Packets are lost before weir has them.
    LostBeforeWeir {
        /// Packets that are missing in the last one or two minutes.
        missing: u16,
    },
    /// weir itself has no room for what the camera sends.
    NoRoom {
        /// Percent of the last one or two minutes in which it was not read.
        unread_percent: u8,
        /// Times that a part of its video was dropped.
        dropped: u16,
    },
    /// The camera sends more than weir reads of one camera.
    OverRate,
    /// The camera's timestamps jump.
    ClockJumps {
        /// How often in the last one or two minutes.
        times: u16,
    },
    /// The camera's timestamps run faster than the time.
    ClockFast {
        /// By how many thousandths.
        per_mille: u16,
    },
    /// The camera's timestamps run slower than the time.
    ClockSlow {
        /// By how many thousandths.
        per_mille: u16,
    },
    /// The camera's pictures are not in the order in which they are shown.
    BFrames,
    /// The camera's password can be read on the network.
    PasswordInTheClear,
    /// Fewer frames come than the camera says it sends.
    SlowerThanItSays {
        /// Frames per second that come.
        comes: u16,
        /// Frames per second by its SDP.
        says: u16,
    },
    /// The camera's video is H.265.
    H265,
    /// The camera's sound is in a codec that browsers do not take.
    SoundNotTaken,
}

impl CameraFinding {
    /// One of each, in the order of docs/api.md.
    #[cfg(test)]
    pub(super) const ALL: [Self; 18] = [
        Self::WrongPassword,
        Self::NoLogin,
        Self::UnknownLogin,
        Self::OnlyBasic,
        Self::SeemsToBan,
        Self::NoParameterSets { has_sps: false },
        Self::NoKeyFrame { for_s: 21, had_one: true },
        Self::LostBeforeWeir { missing: 17 },
        Self::NoRoom { unread_percent: 34, dropped: 2 },
        Self::OverRate,
        Self::ClockJumps { times: 4 },
        Self::ClockFast { per_mille: 12 },
        Self::ClockSlow { per_mille: 160 },
        Self::BFrames,
        Self::PasswordInTheClear,
        Self::SlowerThanItSays { comes: 12, says: 25 },
        Self::H265,
        Self::SoundNotTaken,
    ];

    /// Whether it says why a camera that plays has shown no picture so far.
    pub fn is_pictureless(&self) -> bool {
        matches!(self, Self::NoParameterSets { .. } | Self::NoKeyFrame { had_one: false, .. })
    }
}

impl Diagnosis for CameraFinding {
    fn code(&self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::NoLogin => "no_login",
            Self::UnknownLogin => "unknown_login",
            Self::OnlyBasic => "only_basic",
            Self::SeemsToBan => "seems_to_ban",
            Self::NoParameterSets { .. } => "no_parameter_sets",
            Self::NoKeyFrame { .. } => "no_key_frame",
            Self::LostBeforeWeir { .. } => "lost_before_weir",
            Self::NoRoom { .. } => "no_room",
            Self::OverRate => "over_rate",
            Self::ClockJumps { .. } => "clock_jumps",
            Self::ClockFast { .. } => "clock_fast",
            Self::ClockSlow { .. } => "clock_slow",
            Self::BFrames => "b_frames",
            Self::PasswordInTheClear => "password_in_the_clear",
            Self::SlowerThanItSays { .. } => "slower_than_it_says",
            Self::H265 => "h265",
            Self::SoundNotTaken => "sound_not_taken",
        }
    }

    fn severity(&self) -> FindingSeverity {
        match self {
            Self::WrongPassword
            | Self::NoLogin
            | Self::UnknownLogin
            | Self::OnlyBasic
            | Self::SeemsToBan
            | Self::NoParameterSets { .. }
            | Self::NoKeyFrame { had_one: false, .. } => FindingSeverity::Error,
            Self::SlowerThanItSays { .. } | Self::H265 | Self::SoundNotTaken => {
                FindingSeverity::Note
            }
            _ => FindingSeverity::Warning,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::WrongPassword => "correct user and password of its section",
            Self::NoLogin => "add user and password to its section",
            Self::UnknownLogin => "set its RTSP login to digest",
            Self::OnlyBasic => "set its login to digest; if basic is meant, change its section",
            Self::SeemsToBan => "check user and password, and wait or restart the camera",
            Self::NoParameterSets { .. } => "restart the camera, or try its other stream",
            Self::NoKeyFrame { .. } => {
                "set its key frame interval to 1 or 2 s; no H.264+, H.265+ or Zipstream"
            }
            Self::LostBeforeWeir { .. } => {
                "look at its cable or Wi-Fi; over UDP, set transport = \"tcp\""
            }
            Self::NoRoom { .. } => "fewer viewers or lower bit rates; see `weir console memory`",
            Self::OverRate => "lower its bit rate",
            Self::ClockJumps { .. } => "give it a working time server, or none",
            Self::ClockFast { .. } | Self::ClockSlow { .. } => {
                "set a frame rate that it keeps at night too, and update its firmware"
            }
            Self::BFrames => "turn them off in the camera",
            Self::PasswordInTheClear => "set its login to digest, or use rtsps",
            Self::SlowerThanItSays { .. } => {
                "turn slow shutter off, or lower its resolution or number of streams"
            }
            Self::H265 => "set the stream to H.264 for all browsers",
            Self::SoundNotTaken => "set the camera to G.711",
        }
    }
}

impl fmt::Display for CameraFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword => "the camera refuses user and password",
            Self::NoLogin => "the camera asks for a user and a password, none are configured",
            Self::UnknownLogin => "the camera asks for a login other than basic or digest",
            Self::OnlyBasic => {
                "the camera asks for basic, and took digest before: is it the camera?"
            }
            Self::SeemsToBan => "it refused weir's login before, and seems to ban weir now",
            Self::NoParameterSets { has_sps: false } => {
                "no picture: the camera sends no SPS (sequence parameter set)"
            }
            Self::NoParameterSets { has_sps: true } => {
                "no picture: the camera sends no PPS or VPS (parameter sets)"
            }
            Self::NoKeyFrame { for_s, had_one: true } => {
                return write!(f, "no key frame (IDR) for {for_s} s");
            }
            Self::NoKeyFrame { had_one: false, .. } => {
                "no picture yet: the camera has sent no key frame (IDR)"
            }
            Self::LostBeforeWeir { missing } => {
                return write!(f, "{missing} packets were lost before weir within two minutes");
            }
            Self::NoRoom { unread_percent, dropped } => {
                return write!(
                    f,
                    "weir had no room: {unread_percent} % of the time not read, {dropped} times \
                     dropped"
                );
            }
            Self::OverRate => {
                let most = CAMERA_BITS_PER_S_MAX / 1_000_000;
                return write!(f, "sends more than {most} Mbit/s and is read no faster");
            }
            Self::ClockJumps { times } => {
                return write!(f, "its clock jumped {times} times within two minutes");
            }
            Self::ClockFast { per_mille } => return write_clock(f, *per_mille, "fast"),
            Self::ClockSlow { per_mille } => return write_clock(f, *per_mille, "slow"),
            Self::BFrames => "b-frames, which no browser shows smoothly",
            Self::PasswordInTheClear => "has its password sent in the clear (basic)",
            Self::SlowerThanItSays { comes, says } => {
                return write!(f, "{comes} frames per second come, and it says {says}");
            }
            Self::H265 => "H.265, which plays only in browsers that decode it",
            Self::SoundNotTaken => "its sound is in a codec that browsers do not take",
        })
    }
}

fn write_clock(f: &mut fmt::Formatter<'_>, per_mille: u16, how: &str) -> fmt::Result {
    write!(f, "its clock is {}.{} % {how}", per_mille / 10, per_mille % 10)
}
