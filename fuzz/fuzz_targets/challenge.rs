//! A camera's `WWW-Authenticate` value: within bounds, and signed as an independent
//! implementation signs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("challenge", data));
