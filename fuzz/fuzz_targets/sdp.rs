//! A camera's SDP: what is taken of it is within bounds and is what it is called.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("sdp", data));
