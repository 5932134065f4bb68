//! Errors of SDP fragments.

use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX, OFFER_TOKEN_BYTES_MAX};

/// What is wrong with a fragment, with a text for the client. Lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentError {
    /// The fragment has no text.
    Empty,
    /// The fragment has more than [`OFFER_BYTES_MAX`] bytes.
    TooLarge {
        /// The fragment's size in bytes.
        bytes: usize,
    },
    /// The fragment has more than [`OFFER_MEDIA_MAX`] media sections.
    TooManyMedia {
        /// The number of media sections.
        count: usize,
    },
    /// A line that is not a letter, `=` and a value.
    NoSdp {
        /// Number of the line.
        line: usize,
    },
    /// A line that weir needs could not be parsed.
    Malformed {
        /// What the line should have been.
        what: &'static str,
        /// Number of the line.
        line: usize,
    },
    /// A word is longer than [`OFFER_TOKEN_BYTES_MAX`].
    TokenTooLong {
        /// The kind of word, such as `a=mid`.
        what: &'static str,
        /// The word's size in bytes.
        bytes: usize,
        /// Number of the line.
        line: usize,
    },
}

impl std::fmt::Display for FragmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "the fragment is empty"),
            Self::TooLarge { bytes } => {
                write!(f, "fragment of {bytes} bytes, max {OFFER_BYTES_MAX}")
            }
            Self::TooManyMedia { count } => {
                write!(f, "fragment of {count} media sections, max {OFFER_MEDIA_MAX}")
            }
            Self::NoSdp { line } => write!(f, "line {line} of the fragment is not SDP"),
            Self::Malformed { what, line } => {
                write!(f, "malformed {what} in line {line} of the fragment")
            }
            Self::TokenTooLong { what, bytes, line } => {
                let max = OFFER_TOKEN_BYTES_MAX;
                write!(f, "{what} of {bytes} bytes in line {line} of the fragment, max {max}")
            }
        }
    }
}

impl std::error::Error for FragmentError {}
