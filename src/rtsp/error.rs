//! Why a dialog or a session with a camera failed, with texts for the web page and the log.

use std::fmt;

use super::auth::{Auth, AuthError, Tried};
use super::setup::Transport;
use super::url::{CameraUrl, UrlError};
use crate::limits::{RTSP_REDIRECTS_MAX, RTSP_SILENCE_US_MAX};

/// Why the handshake with a camera gave no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogError {
    /// The camera refuses the configured user and password (401).
    WrongCredentials {
        /// The name of the user.
        user: String,
        /// The schemes with which it was refused.
        tried: Tried,
    },
    /// The camera asks for a user and a password, but none are configured.
    NoCredentials,
    /// The camera asks only for authentication schemes that weir does not support.
    NoScheme,
    /// 403: the login is accepted, but this user may not see the stream.
    Forbidden,
    /// 404 for the configured URL.
    NotFound {
        /// The URL; its path is never displayed.
        url: CameraUrl,
    },
    /// 453 or 503: the camera already serves as many clients as it can.
    Busy {
        /// The RTSP status, 453 or 503.
        status: u16,
    },
    /// The camera refused a request with any other status.
    Refused {
        /// The method of the refused request.
        method: &'static str,
        /// The RTSP status of the answer.
        status: u16,
    },
    /// The camera refuses the transport that the operator chose, or all that weir has (`None`).
    NoTransport(Option<Transport>),
    /// The camera sends H.265 with decoding order numbers.
    OutOfOrder {
        /// The `sprop-max-don-diff` of its SDP, above 0.
        max_don_diff: u16,
    },
    /// The camera's video is neither H.264 nor H.265; this is the codec's name.
    Codec(String),
    /// The SDP describes no video.
    NoVideo {
        /// Whether it describes audio.
        audio: bool,
    },
    /// An answer is not valid RTSP or SDP; the text says what is wrong.
    Protocol(&'static str),
    /// A part of an answer or request exceeds its bound.
    OverLimit {
        /// The part that is too large.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The camera closed the connection during the handshake.
    Closed {
        /// The method of the request that it did not answer.
        method: &'static str,
    },
    /// More than [`RTSP_REDIRECTS_MAX`] redirects.
    Redirects,
    /// A redirect whose target is not a valid camera URL.
    RedirectUrl(UrlError),
    /// A redirect to another host, which is not followed.
    RedirectHost {
        /// The target; only scheme, host and port are displayed.
        url: CameraUrl,
    },
    /// A redirect to another kind of connection, for example from TLS to none.
    RedirectScheme {
        /// The target; only scheme, host and port are displayed.
        url: CameraUrl,
    },
    /// The camera asks for Basic alone, but accepted Digest before.
    Downgrade,
}

/// Why a session ended. The caller must close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// The camera refused PLAY, and no RTP came.
    PlayRefused {
        /// The RTSP status of the answer.
        status: u16,
    },
    /// The camera did not answer PLAY, and no RTP came.
    PlayUnanswered,
    /// No RTP for [`RTSP_SILENCE_US_MAX`].
    Silent,
    /// PLAY was accepted, no datagram came, and another transport can be tried.
    NoDatagrams,
}

impl DialogError {
    /// Why a 401 cannot be answered.
    pub(super) fn of_login(error: AuthError, auth: &Auth) -> Self {
        match error {
            AuthError::NoCredentials => Self::NoCredentials,
            AuthError::NoScheme => Self::NoScheme,
            AuthError::Downgrade => Self::Downgrade,
            AuthError::Refused(tried) => {
                let user = auth.credentials().map(|known| known.user.clone()).unwrap_or_default();
                Self::WrongCredentials { user, tried }
            }
        }
    }

    /// Whether retrying soon is pointless, because a person must change the camera or the
    /// configuration. Many cameras lock a user after a few refused attempts.
    pub fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::WrongCredentials { .. }
                | Self::NoCredentials
                | Self::NoScheme
                | Self::Forbidden
                | Self::NoTransport(_)
                | Self::OutOfOrder { .. }
                | Self::Codec(_)
                | Self::NoVideo { .. }
                | Self::RedirectUrl(_)
                | Self::RedirectHost { .. }
                | Self::RedirectScheme { .. }
                | Self::Downgrade
        )
    }
}

impl fmt::Display for DialogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCredentials { user, tried } => {
                write!(f, "camera refuses user {user}: check the password (401 after {tried})")
            }
            Self::NoCredentials => {
                f.write_str("camera asks for a user and a password, none are configured")
            }
            Self::NoScheme => f.write_str("camera asks for a login other than basic or digest"),
            Self::Forbidden => {
                f.write_str("camera does not allow this user to see the stream (403)")
            }
            Self::NotFound { url } => {
                write!(f, "camera has no such stream: check the path in its url (404 for {url})")
            }
            Self::Busy { status } => write!(f, "camera is busy: {status}"),
            Self::Refused { method, status } => write!(f, "camera refuses {method}: {status}"),
            Self::NoTransport(Some(transport)) => {
                write!(f, "camera does not support rtp over {}", transport.name())
            }
            Self::NoTransport(None) => {
                f.write_str("camera supports rtp neither over tcp nor over udp")
            }
            Self::OutOfOrder { max_don_diff } => write!(
                f,
                "camera sends H265 out of its decoding order (sprop-max-don-diff {max_don_diff}), \
                 which weir does not sort: set its stream to H264"
            ),
            Self::Codec(codec) => write!(f, "camera sends {codec} only, weir serves H264 and H265"),
            Self::NoVideo { audio: true } => f.write_str("camera sends sound only, no video"),
            Self::NoVideo { audio: false } => f.write_str("camera sends no video"),
            Self::Protocol(what) => write!(f, "camera breaks the protocol: {what}"),
            Self::OverLimit { what, bytes, max } => {
                write!(f, "camera's {what} is {bytes} bytes, max {max}")
            }
            Self::Closed { method } => write!(f, "camera closed the connection during {method}"),
            Self::Redirects => write!(f, "camera redirects too often, max {RTSP_REDIRECTS_MAX}"),
            Self::RedirectUrl(error) => write!(f, "camera redirects to a url that {error}"),
            Self::RedirectHost { url } => write!(
                f,
                "camera redirects to another host, {url}, where weir does not follow: if that is \
                 right, put it into the camera's url"
            ),
            Self::RedirectScheme { url } => write!(
                f,
                "camera redirects to another kind of connection, {url}, where weir does not \
                 follow: if that is right, put it into the camera's url"
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
            Self::NoDatagrams => f.write_str("no rtp over udp"),
        }
    }
}

impl std::error::Error for SessionError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// One error of each kind that contains text from the camera or the configuration.
    fn with_texts(url: &CameraUrl, text: &str) -> [DialogError; 7] {
        [
            DialogError::NotFound { url: url.clone() },
            DialogError::RedirectScheme { url: url.clone() },
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
