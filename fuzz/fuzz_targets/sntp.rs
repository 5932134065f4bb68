//! An answer of a time server: what is believed is an answer to the question, and not too late.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("sntp", data));
