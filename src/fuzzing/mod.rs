//! Doors for fuzzing: one entry for each target, which takes any bytes and asserts what must hold
//! of them.
//!
//! They are compiled for the fuzzer (`--cfg fuzzing`, which `cargo fuzz` sets; `fuzz/` has its
//! targets) and for the unit tests, which put the committed corpora and mutations of them through
//! the same entries ([`replay`]). The program never has them. `docs/fuzzing.md` says what each
//! target holds and what it has found.

mod camera;
mod configuration;
mod console;
mod handshake;
mod http;
mod media;
mod offer;
#[cfg(test)]
mod replay;
mod tape;

pub(crate) use tape::Tape;

/// What fuzzing puts in where a secret belongs: nothing that is shown may contain it.
pub(crate) const SECRET: &str = "Zq7secretZq7";

/// A target's name, and its entry.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; `fuzz/fuzz_targets` and `fuzz/corpus` have one file and one folder for each.
pub const TARGETS: &[Target] = &[
    ("challenge", challenge),
    ("config", config),
    ("console", console),
    ("dtls_demux", dtls_demux),
    ("http_connection", http_connection),
    ("rtp_cut", rtp_cut),
    ("rtp_whole", rtp_whole),
    ("rtsp_dialog", rtsp_dialog),
    ("rtsp_framing", rtsp_framing),
    ("rtsp_head", rtsp_head),
    ("sdp", sdp),
    ("sps", sps),
    ("srtcp", srtcp),
    ("stun", stun),
    ("url", url),
    ("whep_fragment", whep_fragment),
    ("whep_offer", whep_offer),
];

pub use crate::rtsp::fuzzing::{
    challenge, dialog as rtsp_dialog, framing as rtsp_framing, head as rtsp_head, sdp, url,
};
pub use camera::{rtp_cut, rtp_whole, sps};
pub use configuration::config;
pub use console::console;
pub use handshake::dtls_demux;
pub use http::http_connection;
pub use media::{srtcp, stun};
pub use offer::{whep_fragment, whep_offer};
