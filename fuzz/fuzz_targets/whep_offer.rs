//! A WHEP offer: one that is taken has an answer with as many media sections, which is SDP.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("whep_offer", data));
