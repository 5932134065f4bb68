//! A console: before a right password nothing but the password is asked for, whatever the bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("console", data));
