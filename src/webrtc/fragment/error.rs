//! What is wrong with a fragment.

use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX, OFFER_TOKEN_BYTES_MAX};

/// What is wrong with a fragment, in words for the one who sent it; lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentError {
    /// There is nothing in it.
    Empty,
    /// Over [`OFFER_BYTES_MAX`].
    TooLarge {
        /// The fragment's size.
        bytes: usize,
    },
    /// Over [`OFFER_MEDIA_MAX`].
    TooManyMedia {
        /// The fragment's media sections.
        count: usize,
    },
    /// A line that is not a letter, `=` and a value.
    NoSdp {
        /// Which.
        line: usize,
    },
    /// A line that must be understood is not.
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Which.
        line: usize,
    },
    /// A word over [`OFFER_TOKEN_BYTES_MAX`].
    TokenTooLong {
        /// Of what.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// In which line.
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
