//! A camera's side of OPTIONS, DESCRIBE and SETUP: the same end however it is cut into reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("rtsp_dialog", data));
