//! Takes the browser's first DTLS datagram as its nomination.
//!
//! str0m's agent sends DTLS only to a nominated pair (RFC 8445 section 8). Chromium sends DTLS as
//! soon as its first check is answered, and nominates with its next check, 50 ms later; its picture
//! would be late by that. A browser that sends DTLS has shown which pair it uses, so str0m is given
//! a check that nominates this pair. The browser's own check came from there before. The answer to
//! the made-up check is not sent.

use is::stun::{StunMessage, TransId};

use crate::limits::HANDSHAKE_CHECK_BYTES_MAX;
use crate::webrtc::credentials::sha1_hmac;
use crate::webrtc::place::{Transaction, answer};

use super::Ice;

/// The PRIORITY of the made-up check; the pair keeps that of the browser's own check.
const PRIORITY: u32 = 1;
/// Offset of the transaction id in a STUN message (RFC 8489 section 5).
const TRANSACTION_AT: usize = 8;

/// A check in the browser's name, for str0m only.
pub(super) struct Nomination(Box<[u8]>);

impl Nomination {
    /// The check for a browser with these credentials; `None` if they are too long for a check.
    pub(super) fn new(local: &Ice, remote: &Ice) -> Option<Self> {
        let username = format!("{}:{}", local.ufrag, remote.ufrag);
        let check =
            StunMessage::binding_request(&username, TransId::new(), true, 0, PRIORITY, true);
        let mut buffer = [0; HANDSHAKE_CHECK_BYTES_MAX];
        let password = Some(local.password.as_bytes());
        let length = check.to_bytes(password, &mut buffer, sha1_hmac).ok()?;
        Some(Self(buffer[..length].into()))
    }

    /// The check as a datagram.
    pub(super) fn check(&self) -> &[u8] {
        &self.0
    }

    /// Whether a datagram of str0m's answers this check.
    pub(super) fn is_answered_by(&self, datagram: &[u8]) -> bool {
        let transaction = |answer: Transaction| self.0[TRANSACTION_AT..].starts_with(&answer);
        answer(datagram).is_some_and(transaction)
    }
}
