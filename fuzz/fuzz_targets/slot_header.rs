//! A slot's header: its parts within the slot and apart.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("slot_header", data));
