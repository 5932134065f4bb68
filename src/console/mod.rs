//! The console: what a person with a serial cable, or at a shell of the box, asks and tells weir
//! when the network is dead.
//!
//! [`terminal`] is a terminal sans-IO: keys ([`keys`]), the line being typed ([`mod@line`]), lines of
//! before ([`history`]), the password ([`login`]), and the queue of what is to be sent
//! ([`output`]). All of it has a fixed size, whatever a cable at the wrong speed sends.
//!
//! What is typed is read into a [`command::Command`] and answered by `dispatcher`, whose texts
//! (`screens`) are made of what `/api/status`, `/api/cameras` and `/api/sessions` are made of. Each
//! wire (`wire`: a serial device; `local`: the socket in the state folder) is attended to by a task
//! of the control thread (`run_session`), at most [`crate::limits::CONSOLES_MAX`] of them, and none ever
//! waits for a wire that nobody reads. The media thread knows nothing of it.

pub mod command;
mod dispatcher;
pub mod history;
pub mod keys;
pub mod line;
mod local;
pub mod login;
pub mod output;
mod password;
mod screens;
mod serve;
mod session;
pub mod terminal;
#[cfg(test)]
mod testing;
mod wire;

pub use local::{SOCKET, TERMINAL};
pub use serve::{Cable, Device, end, serve};
