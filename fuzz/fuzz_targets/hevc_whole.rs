//! An honest camera's pictures, however packed: every slice comes out to the byte.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("hevc_whole", data));
