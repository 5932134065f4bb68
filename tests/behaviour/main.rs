//! weir from outside: the program with simulated cameras and viewers, one behaviour a file.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod allocations;
mod camera_trouble;
mod carry;
mod ciphers;
mod clip_md5;
mod dialling;
mod lossy_viewer;
mod lost_flight;
mod offers_at_once;
mod payload;
mod resend;
mod session_life;
mod whep;
mod whole_frames;
