//! The send side: every subscription is a cursor into a stream's history ring, whose packets are
//! sealed and sent in batches. All of weir's SRTP encryption (RTP, resends, sender reports) happens
//! here, on the media thread.
//!
//! - [`cursor`] chooses the next packet and the number that it is sealed under (the nonce rule).
//! - [`srtp`] seals packets; [`batch`] gathers runs of equal size and sends them.
//! - [`pace`] limits the send rate; [`resends`] holds the packets to send again, and limits them.
//! - [`rtcp`] parses the browsers' feedback and writes sender reports.
//! - [`subscription`] combines these for one stream in one session, and [`sound`] for its sound;
//!   [`context`] is what both send with, and `rtp_header` what their packets begin with.
//!
//! No function here allocates or blocks: when the socket is full, the batch is kept.

pub mod batch;
pub mod context;
pub mod cursor;
pub mod pace;
pub mod resends;
pub mod rtcp;
mod rtp_header;
pub mod sound;
pub mod srtp;
pub mod subscription;
