//! A sequence parameter set: facts within bounds, and bytes behind it change nothing.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("hevc_sps", data));
