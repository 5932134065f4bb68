//! The RTSP client, without I/O: the caller passes in bytes and time, and gets bytes to send and
//! the next deadline. RTP comes interleaved on the RTSP connection (RFC 2326 section 10.12), or as
//! datagrams by UDP, unicast or multicast.
//!
//! A [`Dialog`] runs on the control thread, from the camera's URL up to PLAY; it may allocate,
//! within bounds. Its result is a [`Session`], which runs on the media thread: it finds RTP packets
//! in the bytes read or puts datagrams in order, keeps the camera's session alive, sends receiver
//! reports, and does not allocate. Both parse the connection by the same rules (`examine`), which
//! separate messages from `$` frames and resynchronise after garbage.
//!
//! Cameras deviate from the RFCs all the time. No message from a camera ends a session as long as
//! RTP arrives.

mod auth;
mod challenge;
mod control;
mod dialog;
mod digest;
mod error;
mod examine;
mod framing;
mod further;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod habits;
mod http_login;
mod message;
mod reception;
mod reorder;
pub mod report_block;
mod rtcp;
mod schedule;
mod scheme;
mod sdp;
mod session;
mod setup;
mod sprop;
mod step;
mod tail;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))] // the fuzz targets need a part of it
mod testing;
mod transmit;
mod tunnel;
mod url;

pub use auth::Tried;
pub use dialog::Dialog;
pub use error::{DialogError, SessionError};
pub use framing::Broken;
pub use habits::{Forms, Habits, Keepalive, SessionEnding};
pub use http_login::{HttpLogin, LoginRefused};
pub use reorder::ReorderCounters;
pub use rtcp::RtcpPacket;
pub use scheme::UrlScheme;
pub use sdp::{CameraSound, SoundTrack, VideoTrack};
pub use session::{CameraTrack, FramingCounters, Session, Sink};
pub use setup::{Delivery, Transport};
pub use step::{DialogStep, Ready};
pub use tunnel::{Tunnel, TunnelStep};
pub use url::{CameraCredentials, CameraUrl, UrlError};
