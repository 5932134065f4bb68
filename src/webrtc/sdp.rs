//! The parts of SDP (RFC 8866) that offers, answers and ICE fragments share: parsing hostile words,
//! and writing our own lines.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::limits::OFFER_TOKEN_BYTES_MAX;

/// The least number of characters of an ICE ufrag (RFC 8839 section 5.4).
pub(super) const UFRAG_CHARS_MIN: usize = 4;
/// The least number of characters of an ICE password (RFC 8839 section 5.4).
pub(super) const PASSWORD_CHARS_MIN: usize = 22;

/// Why a word is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordError {
    /// The word is empty, too short, or has a character that is not allowed.
    Malformed,
    /// The word is longer than [`OFFER_TOKEN_BYTES_MAX`].
    TooLong {
        /// The word's size in bytes.
        bytes: usize,
    },
}

/// Checks that a word may be echoed: visible ASCII, not empty and not too long.
pub(super) fn token(value: &str) -> Result<&str, WordError> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(WordError::Malformed);
    }
    if value.len() > OFFER_TOKEN_BYTES_MAX {
        return Err(WordError::TooLong { bytes: value.len() });
    }
    Ok(value)
}

/// Checks an ICE ufrag or password.
pub(super) fn credential(value: &str, chars_min: usize) -> Result<&str, WordError> {
    let value = token(value)?;
    // A colon would split the USERNAME of a check in the wrong place (RFC 8839: ice-char has none).
    if value.len() < chars_min || value.contains(':') {
        return Err(WordError::Malformed);
    }
    Ok(value)
}

/// Writes all our candidates and our credentials.
pub(super) fn write_ice(
    text: &mut String,
    candidates: &[SocketAddr],
    ufrag: &str,
    password: &str,
) -> std::fmt::Result {
    for (index, address) in (0u32..).zip(candidates) {
        // RFC 8445 section 5.1.2.1: host candidates of one component, in our order.
        let priority = 126 << 24 | (65_535 - index) << 8 | 255;
        let (foundation, ip, port) = (index + 1, address.ip(), address.port());
        write!(text, "a=candidate:{foundation} 1 udp {priority} {ip} {port} typ host\r\n")?;
    }
    write!(text, "a=end-of-candidates\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n")
}
