//! Words of SDP (RFC 8866) that offers, answers and ICE fragments share, read from hostile text and
//! written into ours.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::limits::OFFER_TOKEN_BYTES_MAX;

/// The least characters of an ICE ufrag and of a password (RFC 8839 section 5.4).
pub(super) const UFRAG_CHARS_MIN: usize = 4;
/// See [`UFRAG_CHARS_MIN`].
pub(super) const PASSWORD_CHARS_MIN: usize = 22;

/// What is wrong with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordError {
    /// Empty, too short, or with a character that it must not have.
    Malformed,
    /// Over [`OFFER_TOKEN_BYTES_MAX`].
    TooLong {
        /// Its size.
        bytes: usize,
    },
}

/// A word of visible ASCII, not empty and not too long, as it may be echoed.
pub(super) fn token(value: &str) -> Result<&str, WordError> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(WordError::Malformed);
    }
    if value.len() > OFFER_TOKEN_BYTES_MAX {
        return Err(WordError::TooLong { bytes: value.len() });
    }
    Ok(value)
}

/// An ICE ufrag or password.
pub(super) fn credential(value: &str, chars_min: usize) -> Result<&str, WordError> {
    let value = token(value)?;
    // A colon would cut the USERNAME of a check in the wrong place (RFC 8839: ice-char has none).
    if value.len() < chars_min || value.contains(':') {
        return Err(WordError::Malformed);
    }
    Ok(value)
}

/// Writes our candidates, all that there are, and our credentials.
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
