//! The receive side of a camera's RTP: from packets as the camera sends them to packets as a
//! browser wants them, written into the history ring once for all viewers.
//!
//! In order: [`header`] finds the payload and [`sequence`] the losses; [`h264`] takes NAL units
//! out of it, with [`annexb`] for cameras that put start codes into RTP; [`access_unit`] decides
//! what is forwarded, keeps the [`parameter_sets`] and holds back what follows a loss; [`cut`]
//! writes the pieces; [`timeline`] stamps them, [`marker`] learns the camera's marker habit.
//! [`receiver`] is all of it for one stream.
//!
//! Every state is of a fixed size, nothing allocates, and no input panics. Pictures are not
//! decoded, and frames are not put together: a piece is published as soon as it is full.

pub mod access_unit;
pub mod annexb;
pub mod bits;
pub mod cut;
pub mod h264;
pub mod header;
pub mod marker;
pub mod nal;
pub mod parameter_sets;
pub mod receiver;
pub mod sequence;
pub mod sps;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))] // the fuzz targets need a part of it
pub(crate) mod testing;
pub mod timeline;

pub use receiver::Receiver;
