//! STUN checks: no reply without the right MAC, which is computed once more by other code.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("stun", data));
