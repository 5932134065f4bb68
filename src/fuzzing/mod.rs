//! Entries for fuzzing: one per target, which takes any bytes and asserts what must hold for them.
//!
//! They are compiled for the fuzzer (`--cfg fuzzing`, which `cargo fuzz` sets; `fuzz/` has its
//! targets) and for the unit tests, which put the committed corpora and mutations of them through
//! the same entries ([`replay`]). The program does not contain them. `docs/fuzzing.md` says what
//! each target asserts and what it has found.

mod bytes;
mod camera;
mod configuration;
mod console;
mod handshake;
mod http;
mod init;
mod media;
mod offer;
mod onvif;
#[cfg(test)]
mod replay;
mod tape;

pub(crate) use tape::Tape;

const KIB: usize = 1024;

/// Marks a secret in fuzzing inputs: no output may contain it.
pub(crate) const SECRET: &str = "Zq7secretZq7";

/// An entry for fuzzing, and bounds of its memory.
#[derive(Debug)]
pub struct Target {
    /// Name of the target, of its program and of its corpus.
    pub name: &'static str,
    entry: fn(&[u8]),
    /// Heap bytes at once, whatever the input, including what the test itself needs.
    bytes_max: usize,
    /// Further heap bytes per byte of the input.
    bytes_per_byte_max: usize,
}

const fn target(
    name: &'static str,
    entry: fn(&[u8]),
    bytes_max: usize,
    bytes_per_byte_max: usize,
) -> Target {
    Target { name, entry, bytes_max, bytes_per_byte_max }
}

/// Runs a target's entry, and asserts that it stays within its memory bounds and keeps nothing.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target's name");
    bytes::check(target, data);
}

/// Every target; each has a file in `fuzz/fuzz_targets` and a folder in `fuzz/corpus`. The bounds
/// are one and a half times the highest peaks seen with the corpora and the fuzzer.
pub const TARGETS: &[Target] = &[
    target("bundle_head", bundle_head, 32 * KIB, 80),
    target("challenge", challenge, 8 * KIB, 16),
    target("config", config, 768 * KIB, 160),
    target("console", console, 32 * KIB, 512),
    target("dhcp", dhcp, 4 * KIB, 4),
    target("dtls_demux", dtls_demux, 768 * KIB, 64),
    target("environment_block", environment_block, 4 * KIB, 12),
    target("hevc_cut", hevc_cut, 64 * KIB, 256),
    target("hevc_sps", hevc_sps, KIB, 0),
    target("hevc_whole", hevc_whole, 512 * KIB, 64),
    target("http_connection", http_connection, 96 * KIB, 64),
    target("onvif_answer", onvif_answer, 16 * KIB, 8),
    target("preset", preset, 64 * KIB, 160),
    target("rtp_cut", rtp_cut, 64 * KIB, 256),
    target("rtp_whole", rtp_whole, 512 * KIB, 64),
    target("rtsp_datagrams", rtsp_datagrams, 8 * KIB, 16),
    target("rtsp_dialog", rtsp_dialog, 8 * KIB, 32),
    target("rtsp_framing", rtsp_framing, 12 * KIB, 16),
    target("rtsp_head", rtsp_head, 8 * KIB, 64),
    target("sdp", sdp, 2 * KIB, 20),
    target("slot_header", slot_header, 2 * KIB, 16),
    target("sntp", sntp, KIB, 4),
    target("sps", sps, KIB, 0),
    target("srtcp", srtcp, 4 * KIB, 16),
    target("stun", stun, 2 * KIB, 8),
    target("url", url, 2 * KIB, 8),
    target("whep_fragment", whep_fragment, 2 * KIB, 4),
    target("whep_offer", whep_offer, 32 * KIB, 32),
];

pub use crate::appliance::fuzzing::{bundle_head, environment_block, slot_header};
pub use crate::rtsp::fuzzing::{
    challenge, datagrams as rtsp_datagrams, dialog as rtsp_dialog, framing as rtsp_framing,
    head as rtsp_head, sdp, url,
};
pub use camera::{hevc_cut, hevc_sps, hevc_whole, rtp_cut, rtp_whole, sps};
pub use configuration::config;
pub use console::console;
pub use handshake::dtls_demux;
pub use http::http_connection;
pub use init::{dhcp, preset, sntp};
pub use media::{srtcp, stun};
pub use offer::{whep_fragment, whep_offer};
pub use onvif::onvif_answer;
