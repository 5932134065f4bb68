//! weir pulls RTSP from the cameras of a LAN and serves them to browsers over WebRTC, in memory
//! that is counted before it runs.
//!
//! The folders are the data path, in order:
//!
//! ```text
//! camera ─TCP→ rtsp ─→ rtp ─→ stream (history ring) ─→ egress ─UDP→ browser      media thread
//! browser ─UDP→ webrtc (demux, session, consent) ─→ webrtc::handshake ← web (WHEP)  control thread
//! ```
//!
//! [`media`] is the thread that moves packets and [`control`] the one that does everything else.
//! [`access`] says who may, [`tls`] is what HTTPS adds. [`limits`] holds every bound, [`plan`] adds
//! them up, [`mem`] is the memory, [`net`] the sockets, [`clock`] the time, [`journal`] the log and
//! [`process`] what the supervisor sees. The cores of `rtsp`, `rtp`, `webrtc` and `egress` are sans-IO.

pub mod access;
pub mod clock;
pub mod config;
pub mod console;
pub mod control;
pub mod daemon;
pub mod demo;
mod der;
pub mod egress;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod history;
pub mod import;
pub mod journal;
pub mod limits;
pub mod media;
pub mod mem;
pub mod net;
pub mod plan;
pub mod process;
pub mod rtp;
pub mod rtsp;
pub mod status;
pub mod storage;
pub mod stream;
pub mod tls;
pub mod web;
pub mod webrtc;

/// The version's number; [`process::version`] has all that tells one build from another.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, 12 digits; `unknown` outside a repository.
pub const COMMIT: &str = env!("WEIR_COMMIT");
