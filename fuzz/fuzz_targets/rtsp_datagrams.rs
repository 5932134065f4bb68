//! A camera's datagrams: order, sources, and every reorder slot back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("rtsp_datagrams", data));
