//! A browser's connection: its offer, its handshake, and the live session with its keys.

pub mod admission;
pub mod consent;
pub mod credentials;
pub mod demux;
pub mod ended;
pub mod fragment;
pub mod handshake;
pub mod offer;
pub mod place;
pub mod profile;
pub mod provider;
pub mod rate;
pub mod remote_ice;
mod sdp;
pub mod session;
