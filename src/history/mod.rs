//! The history of streams: the latest RTP payloads, in plaintext. [`crate::rtp`] writes them and
//! [`crate::egress`] reads them; neither depends on the other.
//!
//! [`chunks`] owns the memory of all rings, [`ring`] is the history of one stream, and [`packet`]
//! is one entry of it. [`sound`] is the small ring of a camera's sound. Nothing here allocates,
//! waits or knows of subscriptions.

pub mod chunks;
pub mod packet;
pub mod ring;
pub mod sound;

pub use chunks::Chunks;
pub use packet::{Flags, Packet};
pub use ring::Ring;
pub use sound::SoundRing;
