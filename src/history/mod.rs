//! The history of streams: the payloads last cut, in plaintext, which [`crate::rtp`] writes and
//! [`crate::egress`] reads; neither knows the other.
//!
//! [`chunks`] owns the memory of all rings; [`ring`] is one stream's history in it; [`packet`] is
//! what it consists of. Nothing here allocates, waits or knows of subscriptions.

pub mod chunks;
pub mod packet;
pub mod ring;

pub use chunks::Chunks;
pub use packet::{Flags, Packet};
pub use ring::Ring;
