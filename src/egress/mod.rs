//! The way out: every subscription is a cursor into a stream's history ring, sealed and sent in
//! batches. The only encryptor of weir (RTP, resends, sender reports), on the media thread.
//!
//! - [`cursor`] says which packet is next and under which number it is sealed: the nonce rule.
//! - [`srtp`] seals, [`batch`] gathers runs of equal size and sends them.
//! - [`pace`] bounds how fast; [`resends`] holds what is asked for again, and its bound.
//! - [`rtcp`] reads what browsers report and writes our reports.
//! - [`subscription`] puts these together for one stream in one session.
//!
//! No function here allocates, and none blocks: a full socket leaves the batch as it is.

pub mod batch;
pub mod cursor;
pub mod pace;
pub mod resends;
pub mod rtcp;
pub mod srtp;
pub mod subscription;
