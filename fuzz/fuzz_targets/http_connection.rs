//! A connection to the web's port: it ends with its client, and its answers are well-formed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("http_connection", data));
