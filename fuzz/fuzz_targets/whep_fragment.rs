//! A WHEP fragment: what is answered is itself a fragment, with our credentials and its section.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("whep_fragment", data));
