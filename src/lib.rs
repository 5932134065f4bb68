//! weir pulls RTSP from the cameras of a LAN and serves them to browsers over WebRTC. Its memory is
//! bounded and counted at compile time.
//!
//! The folders are the data path, in order:
//!
//! ```text
//! media thread:   camera ─TCP→ rtsp ─→ rtp ─→ stream (history ring) ─→ egress ─UDP→ browser
//!                 browser ─UDP→ webrtc (demux, session, consent)
//! control thread: browser ─HTTP→ web (WHEP) ─→ signalling ─→ webrtc::handshake ─→ session
//! ```
//!
//! [`media`] is the thread that moves packets and [`control`] the one that does everything else.
//! [`access`] decides who is admitted, and [`tls`] adds HTTPS. [`limits`] holds every bound,
//! [`plan`] adds them up and [`mem`] allocates. [`net`] has the sockets, [`clock`] the time,
//! [`journal`] the log, and [`process`] what the kernel and the service manager see. [`diagnosis`]
//! says what is wrong with a camera or a viewer. [`verify`] looks at a weir from outside, and
//! [`selftest`] at one that it starts on this box. The cores of `rtsp`, `rtp`, `signalling`,
//! `webrtc` and `egress` are sans-IO.

pub mod access;
pub mod appliance;
pub mod clock;
pub mod codec;
pub mod config;
pub mod console;
pub mod control;
pub mod daemon;
pub mod demo;
mod der;
pub mod diagnosis;
pub mod egress;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hex;
pub mod history;
pub mod import;
pub mod journal;
pub mod limits;
pub mod media;
pub mod mem;
pub mod net;
pub mod onvif;
pub mod plan;
pub mod process;
mod random;
pub mod rtp;
pub mod rtsp;
pub mod selftest;
pub mod signalling;
pub mod sound;
pub mod status;
pub mod storage;
pub mod stream;
pub mod tls;
pub mod verify;
pub mod web;
pub mod webrtc;

/// The version number; [`process::version`] has everything that tells one build from another.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The first 12 digits of the commit of this build; `unknown` outside a repository.
pub const COMMIT: &str = env!("WEIR_COMMIT");
