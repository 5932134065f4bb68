//! SRTCP: nothing authenticates but what was sealed, once, and what is refused changes nothing.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("srtcp", data));
