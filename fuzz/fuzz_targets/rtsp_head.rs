//! An RTSP message's head: read as an independent reader reads it, and judged the same by its
//! beginning.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("rtsp_head", data));
