//! weir from outside: the program with simulated cameras and viewers, one behaviour a file.

#[path = "../common/mod.rs"]
mod common;

mod ciphers;
mod dialling;
mod offers_at_once;
mod payload;
mod session_life;
mod whep;
mod whole_frames;
