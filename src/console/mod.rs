//! The console: what a person with a serial cable, or at a shell of the box, asks and tells weir
//! when the network is dead.
//!
//! [`terminal`] is a terminal sans-IO: keys ([`keys`]), the line being typed ([`line`]), lines of
//! before ([`history`]), the password ([`login`]), and the queue of what is to be sent
//! ([`output`]). All of it has a fixed size, whatever a cable at the wrong speed sends.

pub mod history;
pub mod keys;
pub mod line;
pub mod login;
pub mod output;
pub mod terminal;
#[cfg(test)]
mod testing;
