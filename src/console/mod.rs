//! The console: how a person with a serial cable, or at a shell of the box, operates weir when the
//! network is dead.
//!
//! [`terminal`] is a sans-IO terminal: keys ([`keys`]), the line being typed ([`mod@line`]),
//! earlier lines ([`history`]), what Tab adds (`completion`), password tries ([`login`]) and the
//! output queue ([`output`]). All of it has a fixed size, whatever a cable at the wrong speed
//! sends.
//!
//! A typed line is parsed into a [`command::ConsoleCommand`] and answered by `dispatcher`, whose
//! texts (`screens`) come from the same data as `/api/status`, `/api/cameras` and `/api/sessions`.
//! A task of the control thread (`run_session`) serves each wire (`wire`: a serial device; `local`:
//! the socket in the state folder), at most [`crate::limits::CONSOLES_MAX`] of them. None blocks on
//! a wire that is not read. The media thread is not involved.

mod appliance;
pub mod command;
mod completion;
mod dispatcher;
pub mod history;
pub mod keys;
pub mod line;
mod local;
pub mod login;
pub mod output;
mod password;
mod response;
mod screens;
mod selftest;
mod serve;
mod session;
pub mod terminal;
#[cfg(test)]
mod testing;
mod wire;

pub use local::{SOCKET, TERMINAL};
pub use password::CONSOLE_PASSWORD_FILE;
pub use serve::{Cable, Device, end, serve};
