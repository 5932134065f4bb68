//! The beginning of an update bundle: the same however it is read, and nothing unsigned accepted.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("bundle_head", data));
