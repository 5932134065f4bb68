//! A camera's media once it is in weir: the history ring that every subscription reads, and the
//! stream that fills it.
//!
//! [`chunks`] owns the memory of all rings; [`ring`] is one stream's history in it; [`store`] says
//! who gives up what for whom; [`hub`] ties a ring to the receive side of [`crate::rtp`] and to the
//! figures others see. Nothing here allocates, waits or knows of subscriptions.

pub mod chunks;
pub mod figures;
pub mod hub;
pub mod packet;
pub mod ring;
pub mod store;

pub use chunks::Chunks;
pub use hub::Stream;
pub use packet::{Flags, Packet};
pub use ring::Ring;

#[cfg(test)]
mod tests;
