//! Why dialling a camera failed, in words for `/api/cameras` and the console.

use std::fmt;
use std::io;

use super::dial_schedule::DialEnding;
use crate::diagnosis::CameraFinding;
use crate::limits::{CAMERA_CONNECT_MS_MAX, CAMERA_DIAL_MS_MAX};
use crate::mem::accounts::{OverBudget, Refused};
use crate::net::names::NameError;
use crate::rtsp::DialogError;
use crate::tls::camera::CameraTlsError;

/// Why dialling a camera failed.
#[derive(Debug)]
pub(super) enum DialError {
    Camera(DialogError),
    Name(NameError),
    Network(io::Error),
    Tls(CameraTlsError),
    /// The UDP ports could not be opened, or the group not be joined.
    Datagrams(io::Error),
    Timeout,
    /// None of its addresses took a connection in time.
    NoConnection,
    /// The section has no URL; a disabled camera is not dialled.
    NoUrl,
    /// Not begun: the number of dials or the heap is at its bound.
    Refused(Refused),
    /// It took more memory than its account allows.
    OverBudget(OverBudget),
}

impl DialError {
    /// Whether a retry cannot help before a person changes something.
    pub(super) fn needs_person(&self) -> bool {
        match self {
            Self::Camera(error) => error.needs_person(),
            Self::Tls(error) => error.needs_person(),
            _ => false,
        }
    }

    /// What it means for the next dials.
    pub(super) fn ending(&self) -> DialEnding {
        match self {
            Self::Camera(DialogError::WrongCredentials { .. }) => DialEnding::LoginRefused,
            Self::Camera(DialogError::Closed { .. })
            | Self::Name(_)
            | Self::Network(_)
            | Self::NoConnection
            | Self::Timeout => DialEnding::NoAnswer,
            _ if self.needs_person() => DialEnding::NeedsPerson,
            Self::Camera(_)
            | Self::Tls(_)
            | Self::Datagrams(_)
            | Self::NoUrl
            | Self::Refused(_)
            | Self::OverBudget(_) => DialEnding::Failed,
        }
    }

    /// What it says of the camera, where there is a code for it.
    pub(super) fn finding(&self) -> Option<CameraFinding> {
        let Self::Camera(error) = self else { return None };
        match error {
            DialogError::WrongCredentials { .. } => Some(CameraFinding::WrongPassword),
            DialogError::NoCredentials => Some(CameraFinding::NoLogin),
            DialogError::NoScheme => Some(CameraFinding::UnknownLogin),
            DialogError::Downgrade => Some(CameraFinding::OnlyBasic),
            _ => None,
        }
    }

    /// Whether the camera has as many clients as it can serve.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Camera(DialogError::Busy { .. }))
    }

    /// What an error of the stream means.
    pub(super) fn of(error: io::Error) -> Self {
        match error.downcast() {
            Ok(over) => Self::OverBudget(over),
            Err(error) => Self::Network(error),
        }
    }
}

impl From<DialogError> for DialError {
    fn from(error: DialogError) -> Self {
        Self::Camera(error)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(error) => write!(f, "{error}"),
            Self::Name(error) => write!(f, "no address for the camera's name: {error}"),
            Self::Network(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "the camera refuses the connection: is its RTSP port right?")
            }
            Self::Tls(error) => write!(f, "{error}"),
            Self::Network(error) => write!(f, "cannot reach the camera: {error}"),
            Self::Datagrams(error) => write!(f, "no way for the camera's datagrams: {error}"),
            Self::Refused(refused) => write!(f, "not dialled now, will retry: {refused}"),
            Self::OverBudget(over) => write!(f, "the dial used {over}"),
            Self::NoUrl => f.write_str("the camera has no url"),
            Self::NoConnection => {
                let limit_s = CAMERA_CONNECT_MS_MAX / 1000;
                write!(f, "cannot reach the camera: no connection within {limit_s} s")
            }
            Self::Timeout => {
                write!(f, "the camera does not answer within {} s", CAMERA_DIAL_MS_MAX / 1000)
            }
        }
    }
}
