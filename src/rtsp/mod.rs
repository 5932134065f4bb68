//! The RTSP client, sans-IO: bytes and time in, bytes and the next deadline out. TCP interleaved
//! (RFC 2326, 10.12) only.
//!
//! A [`Dialog`] goes from the camera's URL to the moment before PLAY on the control thread; it may
//! allocate, within bounds. It ends in a [`Session`], which plays on the media thread: it finds
//! the RTP packets in what a read returned, keeps the camera alive, reports to it, and does not
//! allocate. Both read the connection by the same rules (`examine`), which tell messages from `$`
//! frames and find the way back after garbage.
//!
//! What cameras get wrong is the rule here and not the exception: nothing that a camera says ends
//! a session as long as it delivers RTP.

mod auth;
mod challenge;
mod control;
mod dialog;
mod digest;
mod error;
mod examine;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod habits;
mod message;
mod reception;
mod rtcp;
mod schedule;
mod sdp;
mod session;
mod setup;
mod step;
mod tail;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))] // the fuzz targets need a part of it
mod testing;
mod transmit;
mod url;

pub use auth::Tried;
pub use dialog::Dialog;
pub use error::{DialogError, SessionError};
pub use framing::Broken;
pub use habits::{Ending, Habits, Keepalive};
pub use sdp::VideoTrack;
pub use session::{Counters, Session, Sink};
pub use step::{Ready, Step};
pub use url::{CameraUrl, Credentials, UrlError};
