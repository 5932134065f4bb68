//! Any RTP packets: what the ring then holds has no gap, no packet over its size and whole
//! fragments.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("hevc_cut", data));
