//! Why a dialog or a session with a camera came to nothing, in words for the page and the log.

use std::fmt;

use super::auth::Tried;
use super::url::{CameraUrl, UrlError};
use crate::limits::{RTSP_REDIRECTS_MAX, RTSP_SILENCE_US_MAX};

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogError {
    /// The camera refuses the configured user and password.
    WrongCredentials {
        /// The user's name.
        user: String,
        /// The schemes it was refused with.
        tried: Tried,
    },
    /// The camera asks for a user and a password, and none are configured.
    NoCredentials,
    /// The camera asks for a login that weir does not speak.
    NoScheme,
    /// 403: the user is known and may not see this.
    Forbidden,
    /// 404 for the configured URL.
    NotFound {
        /// The URL; its path is not shown.
        url: CameraUrl,
    },
    /// 453 or 503: the camera serves others already.
    Busy {
        /// The status.
        status: u16,
    },
    /// Any other refusal.
    Refused {
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
    },
    /// The camera does not send over TCP.
    NoInterleaving,
    /// H.265 and no H.264.
    HevcOnly,
    /// Video in neither; the codec's name.
    Codec(String),
    /// No video at all.
    NoVideo {
        /// There is sound.
        audio: bool,
    },
    /// The camera says something that is not RTSP or SDP.
    Protocol(&'static str),
    /// Something the camera says is too large.
    OverLimit {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// Its bound.
        max: usize,
    },
    /// The camera closed the connection.
    Closed {
        /// While this was asked.
        method: &'static str,
    },
    /// More than [`RTSP_REDIRECTS_MAX`] redirects.
    Redirects,
    /// A redirect to what is no camera's URL.
    RedirectUrl(UrlError),
    /// A redirect to another host.
    RedirectHost {
        /// The host, port and scheme of what it leads to.
        url: CameraUrl,
    },
    /// Basic alone is asked for, by a camera that took Digest before.
    Downgrade,
}

/// Why a session is over. The connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// PLAY was refused.
    PlayRefused {
        /// The status.
        status: u16,
    },
    /// PLAY was not answered, and nothing came.
    PlayUnanswered,
    /// No RTP for [`RTSP_SILENCE_US_MAX`].
    Silent,
}

impl DialogError {
    /// Whether trying again soon is pointless: somebody has to change the camera or the
    /// configuration. Many cameras lock a user who is refused a few times.
    pub fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::WrongCredentials { .. }
                | Self::NoCredentials
                | Self::NoScheme
                | Self::Forbidden
                | Self::NoInterleaving
                | Self::HevcOnly
                | Self::Codec(_)
                | Self::NoVideo { .. }
                | Self::RedirectUrl(_)
                | Self::RedirectHost { .. }
                | Self::Downgrade
        )
    }
}

impl fmt::Display for DialogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCredentials { user, tried } => {
                write!(f, "camera refuses user {user}, is the password right? (401 after {tried})")
            }
            Self::NoCredentials => {
                f.write_str("camera asks for a user and a password, none are configured")
            }
            Self::NoScheme => f.write_str("camera asks for a login other than basic or digest"),
            Self::Forbidden => f.write_str("camera forbids this user the stream: 403"),
            Self::NotFound { url } => {
                write!(
                    f,
                    "camera has no such stream, is the path of its url right? (404 for {url})"
                )
            }
            Self::Busy { status } => write!(f, "camera is busy: {status}"),
            Self::Refused { method, status } => write!(f, "camera refuses {method}: {status}"),
            Self::NoInterleaving => f.write_str("camera does not send over tcp"),
            Self::HevcOnly => f.write_str("camera sends H265 only, weir serves H264"),
            Self::Codec(codec) => write!(f, "camera sends {codec} only, weir serves H264"),
            Self::NoVideo { audio: true } => f.write_str("camera sends sound only, no video"),
            Self::NoVideo { audio: false } => f.write_str("camera sends no video"),
            Self::Protocol(what) => write!(f, "camera breaks the protocol: {what}"),
            Self::OverLimit { what, bytes, max } => {
                write!(f, "camera's {what} {bytes} bytes, max {max}")
            }
            Self::Closed { method } => write!(f, "camera closed the connection at {method}"),
            Self::Redirects => write!(f, "camera redirects again, max {RTSP_REDIRECTS_MAX}"),
            Self::RedirectUrl(error) => write!(f, "camera redirects to a url that {error}"),
            Self::RedirectHost { url } => write!(
                f,
                "camera redirects to another host, {url}, where weir does not follow: if that is \
                 right, put it into the camera's url"
            ),
            Self::Downgrade => f.write_str(
                "camera asks for the password in the clear (basic) and took digest before: it may \
                 not be the camera; if it is, change its section or restart weir",
            ),
        }
    }
}

impl std::error::Error for DialogError {}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = RTSP_SILENCE_US_MAX / 1_000_000;
        match self {
            Self::PlayRefused { status } => write!(f, "camera refuses PLAY: {status}"),
            Self::PlayUnanswered => write!(f, "camera does not answer PLAY within {seconds} s"),
            Self::Silent => write!(f, "no rtp for {seconds} s"),
        }
    }
}

impl std::error::Error for SessionError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each that holds something of what the camera or the configuration says.
    fn with_texts(url: &CameraUrl, text: &str) -> [DialogError; 6] {
        [
            DialogError::NotFound { url: url.clone() },
            DialogError::RedirectHost { url: url.clone() },
            DialogError::RedirectUrl(
                CameraUrl::parse(&format!("rtsp://u:{text}@h:x/{text}")).expect_err("no port"),
            ),
            DialogError::RedirectUrl(
                CameraUrl::parse(&format!("rtsp:///{text}")).expect_err("no host"),
            ),
            DialogError::RedirectUrl(
                CameraUrl::parse(&format!("{text}@h/")).expect_err("no scheme"),
            ),
            DialogError::RedirectUrl(
                CameraUrl::parse(&format!("rtsp://{text}=/")).expect_err("no name"),
            ),
        ]
    }

    #[test]
    fn no_error_shows_what_stands_in_a_url() {
        for path in ["user=admin&password=sesame&stream=0.sdp", "sesame", "s?token=sesame"] {
            let url = CameraUrl::parse(&format!("rtsp://viewer:sesame@192.0.2.7/{path}"));
            for error in with_texts(&url.expect("a url"), "sesame") {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("sesame"), "{shown}");
            }
        }
    }
}
