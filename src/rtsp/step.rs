//! What a dialog asks of its caller, and what it comes to.

use std::fmt;

use super::sdp::VideoTrack;
use super::session::Session;

/// What a dialog wants next.
pub enum Step {
    /// Write this, and ask again.
    Send(Vec<u8>),
    /// Read, and call [`super::Dialog::receive`] or [`super::Dialog::closed`].
    Read,
    /// Close the connection, open one to this port of the same address, and ask again.
    Connect(u16),
    /// All is set up: the connection belongs to the session.
    Ready(Box<Ready>),
}

/// What a dialog comes to.
#[derive(Debug)]
pub struct Ready {
    /// The session, before PLAY.
    pub session: Session,
    /// The track it will deliver.
    pub video: VideoTrack,
    /// The session's timeout in seconds, when the camera told one.
    pub timeout_s: Option<u32>,
    /// The camera had the password sent as it is.
    pub is_in_the_clear: bool,
}

impl fmt::Debug for Step {
    /// Shows no bytes: the password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Read => f.write_str("Read"),
            Self::Connect(port) => write!(f, "Connect({port})"),
            Self::Ready(ready) => write!(f, "Ready({:?})", ready.video),
        }
    }
}
