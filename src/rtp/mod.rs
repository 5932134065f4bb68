//! The receive side of a camera's RTP: turns the camera's packets into packets for browsers, and
//! writes them into the history ring once for all viewers.
//!
//! In order: [`header`] finds the payload and [`sequence`] detects losses; [`depacketizer`]
//! extracts NAL units, with [`annexb`] for cameras that put start codes into RTP; [`access_unit`]
//! decides what is forwarded, keeps the [`parameter_sets`] and drops what follows a loss; [`cut`]
//! writes the payloads; [`timeline`] sets their timestamps; [`marker`] learns how the camera sets
//! the marker bit. [`receiver`] combines all of it for one stream. What H.264 and H.265 differ in
//! is in [`nal`], in [`h264`] and [`h265`], and in the SPS of each, [`sps`] and [`hevc_sps`].
//! [`sound`] is the same for a camera's sound, which needs none of it, and [`lip_sync`] keeps both
//! together.
//!
//! All state has a fixed size, nothing allocates, and no input causes a panic. Pictures are not
//! decoded and frames are not assembled: a payload is published as soon as it is full.

pub mod access_unit;
pub mod annexb;
pub mod bits;
pub mod cut;
pub mod depacketizer;
pub mod h264;
pub mod h265;
pub mod header;
pub mod hevc_sps;
pub mod lip_sync;
pub mod marker;
pub mod nal;
pub mod parameter_sets;
pub mod payload;
pub mod picture;
pub mod receiver;
pub mod sequence;
pub mod sound;
pub mod source;
pub mod sps;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))] // the fuzz targets need a part of it
pub(crate) mod testing;
pub mod timeline;

pub use lip_sync::LipSync;
pub use receiver::Receiver;
pub use sound::SoundReceiver;
