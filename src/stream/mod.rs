//! A camera's media once it is in weir: what fills its history, and what that is given up for.
//!
//! [`hub`] ties a ring of [`crate::history`] to the receive side of [`crate::rtp`] and to the
//! figures others see; [`store`] says which stream gives up what for which. Nothing here allocates,
//! waits or knows of subscriptions.

pub mod figures;
pub mod hub;
pub mod store;

pub use hub::Stream;

#[cfg(test)]
mod tests;
