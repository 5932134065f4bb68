//! An interleaved connection: the same frames at every split point, and every carry slot back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("rtsp_framing", data));
