//! STUN as a live session needs it: the browser's consent checks (RFC 7675), which are ICE
//! binding requests (RFC 8445), are verified and answered. Nothing here keeps state.

use std::net::SocketAddr;

use is::stun::{StunMessage, TransId};
use ring::hmac;

/// A binding reply: header, XOR-MAPPED-ADDRESS (IPv6), MESSAGE-INTEGRITY, FINGERPRINT.
pub const REPLY_BYTES_MAX: usize = 20 + 24 + 24 + 8;
/// Characters of our ufrag: the session's slot in hex, then random ones.
pub const UFRAG_CHARS: usize = 4 + 8;
/// Characters of our ICE password: 128 bits of randomness take 22 (RFC 8445 section 5.3).
pub const PASSWORD_CHARS: usize = 24;

const HEADER_BYTES: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// Our ICE credentials in one session.
#[derive(Clone)]
pub struct Credentials {
    /// The session's slot in hex, then random characters.
    pub ufrag: heapless::String<UFRAG_CHARS>,
    /// Random characters.
    pub password: heapless::String<PASSWORD_CHARS>,
}

impl Credentials {
    /// Credentials that no check has.
    pub const fn none() -> Self {
        Self { ufrag: heapless::String::new(), password: heapless::String::new() }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// A binding request that is well formed; not verified yet.
#[derive(Debug)]
pub struct Check<'d> {
    message: StunMessage<'d>,
}

impl<'d> Check<'d> {
    /// Reads a datagram; `None` for what is no binding request.
    pub fn parse(datagram: &'d [u8]) -> Option<Self> {
        // The parser's refusals allocate and log; what is not STUN shall cost neither.
        let is_stun = datagram.len() >= HEADER_BYTES && datagram[4..8] == COOKIE;
        if !is_stun || datagram[..2] != BINDING_REQUEST {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        if length % 4 != 0 || length + HEADER_BYTES != datagram.len() {
            return None;
        }
        Some(Self { message: StunMessage::parse(datagram).ok()? })
    }

    /// The session's slot that our ufrag names.
    pub fn slot(&self) -> Option<u16> {
        let (ours, _) = self.message.split_username()?;
        u16::from_str_radix(ours.get(..4)?, 16).ok()
    }

    /// Whether it was made with these credentials.
    pub fn is_authentic(&self, credentials: &Credentials) -> bool {
        let ours = self.message.split_username().map(|(ours, _)| ours);
        ours == Some(credentials.ufrag.as_str())
            && self.message.verify(credentials.password.as_bytes(), sha1_hmac)
    }

    /// Whether the browser wants this pair for the media.
    pub fn nominates(&self) -> bool {
        self.message.use_candidate()
    }

    /// Writes the answer for a check that came from `peer`; its bytes.
    pub fn reply<'b>(
        &self,
        credentials: &Credentials,
        peer: SocketAddr,
        buffer: &'b mut [u8; REPLY_BYTES_MAX],
    ) -> Option<&'b [u8]> {
        let transaction: TransId = self.message.trans_id();
        let reply = StunMessage::binding_reply(transaction, peer);
        let password = Some(credentials.password.as_bytes());
        let length = reply.to_bytes(password, buffer, sha1_hmac).ok()?;
        Some(&buffer[..length])
    }
}

fn sha1_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 20];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            ufrag: "00a3abcdefgh".try_into().unwrap(),
            password: "0123456789abcdefghijklmn".try_into().unwrap(),
        }
    }

    fn request(password: &str, username: &str, nominates: bool) -> Vec<u8> {
        let message = StunMessage::binding_request(username, TransId::new(), true, 7, 1, nominates);
        let mut bytes = vec![0; 300];
        let length =
            message.to_bytes(Some(password.as_bytes()), &mut bytes, sha1_hmac).expect("room");
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn a_check_names_its_slot_and_is_answered() {
        let ours = credentials();
        let bytes = request(&ours.password, "00a3abcdefgh:them", true);
        let check = Check::parse(&bytes).expect("a request");
        assert_eq!(check.slot(), Some(0xa3));
        assert!(check.is_authentic(&ours));
        assert!(check.nominates());
        for peer in ["192.0.2.1:7", "[2001:db8::1]:7"] {
            let peer = peer.parse().unwrap();
            let mut buffer = [0; REPLY_BYTES_MAX];
            let reply = check.reply(&ours, peer, &mut buffer).expect("fits").to_vec();
            let reply = StunMessage::parse(&reply).expect("a reply");
            assert_eq!(reply.mapped_address(), Some(peer));
            assert_eq!(reply.trans_id(), check.message.trans_id());
            assert!(reply.verify(ours.password.as_bytes(), sha1_hmac));
        }
    }

    #[test]
    fn another_password_or_ufrag_is_not_authentic() {
        let ours = credentials();
        let forged = request("another-password-of-24-ch", "00a3abcdefgh:them", false);
        assert!(!Check::parse(&forged).expect("well formed").is_authentic(&ours));
        let stale = request(&ours.password, "00a3zzzzzzzz:them", false);
        assert!(!Check::parse(&stale).expect("well formed").is_authentic(&ours));
    }

    #[test]
    fn what_is_no_binding_request_is_nothing() {
        let whole = request("p", "00a3abcdefgh:them", false);
        for length in 0..whole.len() {
            assert!(Check::parse(&whole[..length]).is_none(), "cut at {length}");
        }
        let mut reply = whole.clone();
        reply[0] = 1;
        assert!(Check::parse(&reply).is_none());
        let mut other = whole;
        other[4] = 0;
        assert!(Check::parse(&other).is_none());
    }
}
