//! ICE credentials of a session (RFC 8445 section 5.3), ours and the browser's, and the HMAC that
//! signs STUN messages.

use ring::hmac;

use crate::limits::{PEER_PASSWORD_BYTES_MAX, PEER_UFRAG_BYTES_MAX};
use crate::random::random;

/// Characters of our ufrag: the session's slot in hex, then random ones.
pub const UFRAG_CHARS: usize = 4 + 8;
/// Characters of our ICE password: 128 bits of randomness take 22 (RFC 8445 section 5.3).
pub const PASSWORD_CHARS: usize = 24;

/// Our ICE credentials in one session, with the browser's.
#[derive(Clone)]
pub struct IceCredentials {
    /// The session's slot in hex, then random characters.
    pub ufrag: heapless::String<UFRAG_CHARS, u8>,
    /// Random characters of [`PASSWORD_CHARS`] length.
    pub password: heapless::String<PASSWORD_CHARS, u8>,
    /// The browser's, to ask it where it is.
    pub peer: Peer,
}

impl IceCredentials {
    /// New credentials of ours for a session's slot, without the browser's.
    pub fn random(slot: u16) -> Self {
        let mut ufrag = heapless::String::new();
        let random: heapless::String<8, u8> = random_text();
        // Fits: four digits and eight characters are the capacity of the string.
        let _ = std::fmt::write(&mut ufrag, format_args!("{slot:04x}{random}"));
        Self { ufrag, password: random_text(), peer: Peer::none() }
    }

    /// Credentials that no check can match.
    pub const fn none() -> Self {
        Self {
            ufrag: heapless::String::new(),
            password: heapless::String::new(),
            peer: Peer::none(),
        }
    }
}

/// `N` random characters that ICE allows (`ice-char` of RFC 8839).
fn random_text<const N: usize>() -> heapless::String<N, u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let random: [u8; N] = random();
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The browser's ICE credentials, to send it a binding request with.
#[derive(Clone, Default)]
pub struct Peer {
    pub(super) ufrag: heapless::String<PEER_UFRAG_BYTES_MAX, u8>,
    pub(super) password: heapless::String<PEER_PASSWORD_BYTES_MAX, u8>,
}

impl Peer {
    /// The placeholder for a browser whose credentials are not known.
    pub const fn none() -> Self {
        Self { ufrag: heapless::String::new(), password: heapless::String::new() }
    }

    /// Keeps a browser's credentials. Credentials longer than any seen do not fit, and become
    /// [`Peer::none`]; such a browser is not followed to another address.
    pub fn new(ufrag: &str, password: &str) -> Self {
        match (ufrag.try_into(), password.try_into()) {
            (Ok(ufrag), Ok(password)) => Self { ufrag, password },
            _ => Self::none(),
        }
    }
}

/// MESSAGE-INTEGRITY of STUN (RFC 8489 section 14.5).
pub(crate) fn sha1_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 20];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}
