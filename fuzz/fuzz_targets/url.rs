//! A camera's URL: understood the same without its login, which shows nowhere.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("url", data));
