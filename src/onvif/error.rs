//! Why an answer by ONVIF counts for nothing.

use std::fmt;

use crate::limits::{ONVIF_ANSWER_BYTES_MAX, ONVIF_DEPTH_MAX};

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// It is not well-formed XML, or declares a document type.
    NotXml,
    /// It has more than [`ONVIF_DEPTH_MAX`] elements within one another.
    TooDeep,
    /// It is not SOAP: its first element is no `Envelope`.
    NotSoap,
    /// It has more than [`ONVIF_ANSWER_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotXml => f.write_str("its answer is no XML"),
            Self::TooDeep => write!(f, "its answer has more than {ONVIF_DEPTH_MAX} levels"),
            Self::NotSoap => f.write_str("its answer is no SOAP: is this its port for ONVIF?"),
            Self::TooLong => {
                write!(f, "its answer has more than {ONVIF_ANSWER_BYTES_MAX} bytes")
            }
        }
    }
}
