//! The variables of a state block: within bounds through every transition of the boot order.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("environment_block", data));
