//! A configuration file: no panic, every mistake with its place, no password in any message.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("config", data));
