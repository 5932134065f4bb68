//! weir from outside: the program with simulated cameras and viewers, one behaviour a file.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod allocations;
mod camera_flood;
mod camera_trouble;
mod carry;
mod churn;
mod ciphers;
mod clip_md5;
mod console;
mod dialling;
mod evicted_connections;
mod giant_key_frame;
mod heavy_cameras;
mod hostile_camera;
mod ice_restart;
mod identity;
mod import;
mod joining;
mod junk_offers;
mod kills;
mod largest_file;
mod last_good;
mod liveness;
mod logins;
mod lossy_viewer;
mod lost_flight;
mod many_addresses;
mod mixed_viewers;
mod offers_at_once;
mod owners;
mod password;
mod payload;
mod privileges;
mod proxies;
mod reload;
mod resend;
mod session_life;
mod tls;
mod tls_crowd;
mod tls_files;
mod unread_answers;
mod whep;
mod whole_frames;
