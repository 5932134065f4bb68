//! STUN in a live session: verifies and answers the browser's consent checks (RFC 7675), which are
//! ICE binding requests (RFC 8445).
//!
//! A session has one pair of credentials ([`Pairs`]). After an ICE restart it has a second pair,
//! until the browser has proven that one. There is no other state.

use std::net::SocketAddr;

use is::stun::{StunMessage, TransId};

use super::credentials::{IceCredentials, sha1_hmac};

/// Bytes of a binding reply: header, XOR-MAPPED-ADDRESS (IPv6), MESSAGE-INTEGRITY, FINGERPRINT.
pub const REPLY_BYTES_MAX: usize = 20 + 24 + 24 + 8;
const HEADER_BYTES: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// The credentials that checks of one session may use.
///
/// After an ICE restart (RFC 8445 section 9) checks with either pair are answered: the browser goes
/// on with the old pair until its new one works, and may never get our answer. The old pair is
/// dropped when the browser has nominated an address with the new one and its media reports come
/// from there. The check alone is no proof: its MAC does not cover the address it came from.
#[derive(Debug)]
pub struct Pairs {
    current: IceCredentials,
    next: Option<Next>,
}

#[derive(Debug)]
struct Next {
    credentials: IceCredentials,
    /// Whether the browser has used them.
    is_known: bool,
    /// The address that the browser nominated by a check with them.
    nominated: Option<SocketAddr>,
}

impl Pairs {
    /// The one pair that the answer to an offer gave.
    pub const fn new(current: IceCredentials) -> Self {
        Self { current, next: None }
    }

    /// Starts an ICE restart: `next` is valid from now on, beside the pair in use.
    pub fn restart(&mut self, next: IceCredentials) {
        // A second pair that the browser has used becomes the current one; an unused one is
        // dropped.
        if let Some(former) = self.next.take()
            && former.is_known
        {
            self.current = former.credentials;
        }
        self.next = Some(Next { credentials: next, is_known: false, nominated: None });
    }

    /// The pair that a check from `address` was made with; `None` if it is not authentic.
    pub fn verify(&mut self, check: &Check<'_>, address: SocketAddr) -> Option<&IceCredentials> {
        if check.is_authentic(&self.current) {
            return Some(&self.current);
        }
        let next = self.next.as_mut().filter(|next| check.is_authentic(&next.credentials))?;
        next.is_known = true;
        if check.nominates() {
            next.nominated = Some(address);
        }
        Some(&next.credentials)
    }

    /// The pair that a browser at `address` uses: the new one if it nominated that address.
    pub fn of(&self, address: SocketAddr) -> &IceCredentials {
        let next = self.next.as_ref().filter(|next| next.nominated == Some(address));
        next.map_or(&self.current, |next| &next.credentials)
    }

    /// The address that the browser nominated with a new pair which it has not proven yet.
    pub fn nominated(&self) -> Option<SocketAddr> {
        self.next.as_ref()?.nominated
    }

    /// Tells that the session's reports come from `address`. Drops the old pair if the browser
    /// nominated that address with the new one.
    pub fn prove(&mut self, address: SocketAddr) {
        let is_proven = |next: &mut Next| next.nominated == Some(address);
        if let Some(next) = self.next.take_if(is_proven) {
            self.current = next.credentials;
        }
    }
}

/// A well-formed binding request that is not verified yet.
#[derive(Debug)]
pub struct Check<'d> {
    message: StunMessage<'d>,
}

impl<'d> Check<'d> {
    /// Parses a datagram; `None` if it is not a binding request.
    pub fn parse(datagram: &'d [u8]) -> Option<Self> {
        // The parser allocates and logs when it fails; other datagrams should cost neither.
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

    /// The session slot that our ufrag in the USERNAME names.
    pub fn slot(&self) -> Option<u16> {
        let (ours, _) = self.message.split_username()?;
        u16::from_str_radix(ours.get(..4)?, 16).ok()
    }

    /// Whether the check was made with these credentials.
    pub fn is_authentic(&self, credentials: &IceCredentials) -> bool {
        let ours = self.message.split_username().map(|(ours, _)| ours);
        ours == Some(credentials.ufrag.as_str())
            && self.message.verify(credentials.password.as_bytes(), sha1_hmac)
    }

    /// Whether the browser nominates this pair for the media (USE-CANDIDATE).
    pub fn nominates(&self) -> bool {
        self.message.use_candidate()
    }

    /// Writes the answer to a check that came from `peer`. Returns its bytes.
    pub fn reply<'b>(
        &self,
        credentials: &IceCredentials,
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

#[cfg(test)]
mod tests {
    use super::super::credentials::Peer;
    use super::*;

    fn credentials() -> IceCredentials {
        IceCredentials {
            ufrag: "00a3abcdefgh".try_into().unwrap(),
            password: "0123456789abcdefghijklmn".try_into().unwrap(),
            peer: Peer::none(),
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
    fn the_old_pair_goes_when_the_new_one_is_proven_and_no_sooner() {
        let ours =
            |ufrag: &str| IceCredentials { ufrag: ufrag.try_into().unwrap(), ..credentials() };
        let (here, there) = (address(1), address(2));
        let mut pairs = Pairs::new(ours("00a3old"));
        let password = &credentials().password;
        let old = request(password, "00a3old:them", true);
        let unnominated = request(password, "00a3new:them", false);
        let new = request(password, "00a3new:them", true);
        let verify = |pairs: &mut Pairs, bytes: &[u8], from| {
            let check = Check::parse(bytes).expect("a request");
            pairs.verify(&check, from).map(|found| found.ufrag.as_str().to_owned())
        };
        assert_eq!(verify(&mut pairs, &new, there), None, "before the restart");
        pairs.restart(ours("00a3new"));
        pairs.prove(here);
        assert_eq!(verify(&mut pairs, &unnominated, there).as_deref(), Some("00a3new"));
        pairs.prove(there);
        assert!(verify(&mut pairs, &old, here).is_some(), "not nominated");
        assert!(verify(&mut pairs, &new, there).is_some());
        pairs.prove(here);
        assert!(verify(&mut pairs, &old, here).is_some(), "reports from where it was");
        pairs.prove(there);
        assert_eq!(verify(&mut pairs, &old, here), None, "it is proven");
        assert!(verify(&mut pairs, &new, there).is_some());
    }

    #[test]
    fn of_many_restarts_the_last_used_and_the_newest_pair_stay() {
        let ours =
            |ufrag: &str| IceCredentials { ufrag: ufrag.try_into().unwrap(), ..credentials() };
        let mut pairs = Pairs::new(ours("00a30"));
        let is_valid = |pairs: &mut Pairs, ufrag: &str| {
            let bytes = request(&credentials().password, &format!("{ufrag}:them"), true);
            let check = Check::parse(&bytes).expect("a request");
            pairs.verify(&check, address(1)).is_some()
        };
        // The browser never used the first two.
        for ufrag in ["00a31", "00a32", "00a33"] {
            pairs.restart(ours(ufrag));
        }
        assert!(is_valid(&mut pairs, "00a30") && is_valid(&mut pairs, "00a33"));
        assert!(!is_valid(&mut pairs, "00a31") && !is_valid(&mut pairs, "00a32"));
        // It used the third, and restarts again.
        pairs.restart(ours("00a34"));
        assert!(is_valid(&mut pairs, "00a33") && is_valid(&mut pairs, "00a34"));
        assert!(!is_valid(&mut pairs, "00a30"));
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
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
