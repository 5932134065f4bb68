//! What a camera answers by ONVIF: what is taken of it is within bounds, and text.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("onvif_answer", data));
