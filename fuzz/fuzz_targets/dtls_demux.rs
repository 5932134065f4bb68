//! A handshake whose datagrams are changed, lost and mixed with a stranger's: it ends once,
//! speaks to proven addresses only, and strangers change nothing.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir::fuzzing::run("dtls_demux", data));
