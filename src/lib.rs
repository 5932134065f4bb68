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
//! [`access`] says who may. [`limits`] holds every bound, [`mem`] the memory they add up to, [`net`] the sockets and
//! [`clock`] the time. The cores of `rtsp`, `rtp`, `webrtc` and `egress` are sans-IO.

pub mod access;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod egress;
pub mod limits;
pub mod media;
pub mod mem;
pub mod net;
pub mod rtp;
pub mod rtsp;
pub mod status;
pub mod stream;
pub mod web;
pub mod webrtc;

/// Version, commit and memory profile, as `weir --version` prints them.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("WEIR_COMMIT"), ", ", env!("WEIR_PROFILE"), ")");
