//! What weir says to cameras by ONVIF, and how it reads their answers: as much of it as it takes to
//! ask for a key frame (`SetSynchronizationPoint` of the media service, version 1 or 2).
//!
//! Texts in and texts out: the control thread has the connection and its time limits. An answer is
//! bounded before it is read ([`crate::limits::ONVIF_ANSWER_BYTES_MAX`]), and what is kept of it
//! has bounds of its own. Entities that a document declares are never expanded.

mod answer;
mod error;
mod reader;
mod request;

pub use answer::{OnvifAnswer, ServicePaths};
pub use error::AnswerError;
pub use request::{DEVICE_PATH, MediaVersion, OnvifRequest, UsernameToken};
