//! A camera's stream inside weir: what fills its history, and for what that is given up.
//!
//! [`hub`] connects a ring of [`crate::history`] with the receive side of [`crate::rtp`] and with
//! the statistics; [`store`] decides which stream gives up chunks when another needs them. Nothing
//! here allocates, waits or knows of subscriptions.

pub mod figures;
pub mod hub;
pub mod sound;
pub mod store;

pub use hub::Stream;
pub use sound::Sound;

#[cfg(test)]
mod tests;
