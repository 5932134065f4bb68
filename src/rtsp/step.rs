//! What a dialog asks its caller to do, and the result of a dialog.

use std::fmt;

use super::habits::Forms;
use super::sdp::{CameraSound, VideoTrack};
use super::session::Session;
use super::setup::{Delivery, Transport};

/// The next step of a dialog, to be done by its caller.
pub enum DialogStep {
    /// Write these bytes to the connection, then poll again.
    Send(Vec<u8>),
    /// Read from the connection, and call [`super::Dialog::receive`] or [`super::Dialog::closed`].
    Read,
    /// Open two neighbouring UDP ports, for the sound if [`super::Dialog::awaits_sound`] and for
    /// the video otherwise, and call [`super::Dialog::ports_opened`].
    OpenPorts,
    /// Close the connection, open one to this port of the same address, and poll again.
    Connect(u16),
    /// Everything is set up: the connection now belongs to the session.
    Ready(Box<Ready>),
}

/// The result of a dialog.
#[derive(Debug)]
pub struct Ready {
    /// The session, ready for PLAY.
    pub session: Session,
    /// The video track that it will deliver.
    pub video: VideoTrack,
    /// What becomes of the camera's sound.
    pub sound: CameraSound,
    /// How its RTP comes.
    pub transport: Transport,
    /// Where its datagrams come from; `None` with TCP.
    pub delivery: Option<Delivery>,
    /// The same of the sound; `None` where it comes to the video's sockets, or not at all.
    pub sound_delivery: Option<Delivery>,
    /// How the camera wanted to be asked.
    pub forms: Forms,
    /// The session's timeout in seconds, if the camera announced one.
    pub timeout_s: Option<u32>,
    /// Whether the password is sent in plaintext, since the camera asks for Basic. The dial, which
    /// knows whether the connection is encrypted, sets it right.
    pub is_in_the_clear: bool,
}

impl fmt::Debug for DialogStep {
    /// Shows no bytes, because the password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Read => f.write_str("Read"),
            Self::OpenPorts => f.write_str("OpenPorts"),
            Self::Connect(port) => write!(f, "Connect({port})"),
            Self::Ready(ready) => write!(f, "Ready({:?})", ready.video),
        }
    }
}
