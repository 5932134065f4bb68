//! A preset of a box: taken whole or refused in words without the password.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("preset", data));
