//! A script of a DHCP server: a lease is one that can be used, and ends when it should.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("dhcp", data));
