//! Checks whether a browser is at the address that its reports come from, before media goes there.
//!
//! A fresh report proves the session's keys but not the address: a viewer can forge the source
//! address of its packets, and direct a stream at a host that never asked for it. So weir sends a
//! question to the new address: a binding request as in ICE (RFC 8445 section 7.2), with 96 random
//! bits. Every full agent answers one. The media moves once the answer has come from that address.
//! If the question or the answer is lost, the browser's next report makes weir send it again.
//!
//! Sans-IO. A session has one question at a time.

use is::stun::{StunMessage, TransId};

use crate::egress::batch::Path;
use crate::limits::PLACE_ASKED_US;

use super::credentials::{IceCredentials, Peer, sha1_hmac};

/// Bytes of the question: header, USERNAME, PRIORITY, ICE-CONTROLLED, MESSAGE-INTEGRITY,
/// FINGERPRINT.
pub const QUESTION_BYTES_MAX: usize = 20 + 4 + 32 + 8 + 12 + 24 + 8;
/// The transaction id of the question, which the answer repeats.
pub type Transaction = [u8; 12];

const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const BINDING_INDICATION: [u8; 2] = [0, 0x11];
/// The priority of a peer-reflexive candidate of the first component (RFC 8445 section 5.1.2).
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 255;

/// A question to one address that is not answered yet.
#[derive(Debug)]
pub struct Question {
    path: Path,
    /// The transaction id, and when the question was last sent; `None` before the first time.
    asked: Option<(Transaction, u64)>,
}

impl Question {
    /// A question whether the browser is at `path`.
    pub fn new(path: Path) -> Self {
        Self { path, asked: None }
    }

    /// The path that the question is about.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The transaction id to send the question with, if it is due. The first time it is made by
    /// `random`, and stays the same.
    pub fn ask(
        &mut self,
        now_us: u64,
        random: impl FnOnce() -> Transaction,
    ) -> Option<Transaction> {
        let transaction = match self.asked {
            Some((_, asked_us)) if now_us < asked_us + PLACE_ASKED_US => return None,
            Some((transaction, _)) => transaction,
            None => random(),
        };
        self.asked = Some((transaction, now_us));
        Some(transaction)
    }

    /// Whether an answer with this transaction id that came by `path` answers the question.
    pub fn is_answered(&self, path: Path, transaction: &Transaction) -> bool {
        let is_asked = self.asked.is_some_and(|(asked, _)| asked == *transaction);
        is_asked && self.path.to == path.to
    }
}

/// Writes the question; `None` for a browser whose credentials are not known.
pub fn write<'b>(
    ours: &IceCredentials,
    transaction: &Transaction,
    buffer: &'b mut [u8; QUESTION_BYTES_MAX],
) -> Option<&'b [u8]> {
    let Peer { ufrag, password } = &ours.peer;
    if ufrag.is_empty() {
        return None;
    }
    let mut username = heapless::String::<32, u8>::new();
    username.push_str(ufrag).ok()?;
    username.push(':').ok()?;
    username.push_str(&ours.ufrag).ok()?;
    let transaction = library(transaction)?;
    // weir is ICE-lite and never the controlling agent, so the tie breaker is not used.
    let request = StunMessage::binding_request(&username, transaction, false, 0, PRIORITY, false);
    let length = request.to_bytes(Some(password.as_bytes()), buffer, sha1_hmac).ok()?;
    Some(&buffer[..length])
}

/// The transaction id of a datagram that answers a binding request.
pub fn answer(datagram: &[u8]) -> Option<Transaction> {
    let is_answer = datagram.starts_with(&BINDING_SUCCESS) && datagram.get(4..8)? == COOKIE;
    is_answer.then(|| datagram.get(8..20)?.try_into().ok())?
}

/// The transaction id in the library's type; those that the library makes itself can be guessed.
fn library(transaction: &Transaction) -> Option<TransId> {
    let mut header = [0; 20];
    header[..2].copy_from_slice(&BINDING_INDICATION);
    header[4..8].copy_from_slice(&COOKIE);
    header[8..].copy_from_slice(transaction);
    Some(StunMessage::parse(&header).ok()?.trans_id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{PEER_PASSWORD_BYTES_MAX, PEER_UFRAG_BYTES_MAX};

    fn path(port: u16) -> Path {
        Path { to: ([192, 0, 2, 1], port).into(), from: [192, 0, 2, 9].into() }
    }

    fn ours(peer: Peer) -> IceCredentials {
        IceCredentials {
            ufrag: "00a3abcdefgh".try_into().unwrap(),
            password: "0123456789abcdefghijklmn".try_into().unwrap(),
            peer,
        }
    }

    #[test]
    fn a_question_is_a_check_that_the_browser_takes() {
        let longest =
            Peer::new(&"u".repeat(PEER_UFRAG_BYTES_MAX), &"p".repeat(PEER_PASSWORD_BYTES_MAX));
        let mut buffer = [0; QUESTION_BYTES_MAX];
        let bytes = write(&ours(longest.clone()), &[7; 12], &mut buffer).expect("it fits").to_vec();
        let message = StunMessage::parse(&bytes).expect("a request");
        let expected = Some(("uuuuuuuuuuuuuuuu", "00a3abcdefgh"));
        assert_eq!(message.split_username(), expected);
        assert!(message.verify(longest.password.as_bytes(), sha1_hmac));
        assert!(!message.use_candidate());
        assert_eq!(bytes[8..20], [7; 12]);
        // The answer as a browser makes it.
        let reply = StunMessage::binding_reply(message.trans_id(), path(1).to);
        let mut buffer = [0; 128];
        let length = reply.to_bytes(Some(longest.password.as_bytes()), &mut buffer, sha1_hmac);
        assert_eq!(answer(&buffer[..length.unwrap()]), Some([7; 12]));
        assert_eq!(answer(&bytes), None, "a request is no answer");
        for length in 0..20 {
            assert_eq!(answer(&buffer[..length]), None);
        }
    }

    #[test]
    fn who_has_credentials_too_long_to_keep_is_not_asked() {
        let mut buffer = [0; QUESTION_BYTES_MAX];
        for peer in [
            Peer::none(),
            Peer::new(&"u".repeat(PEER_UFRAG_BYTES_MAX + 1), "p"),
            Peer::new("ufrag", &"p".repeat(PEER_PASSWORD_BYTES_MAX + 1)),
        ] {
            assert_eq!(write(&ours(peer), &[7; 12], &mut buffer), None);
        }
    }

    #[test]
    fn it_is_asked_again_after_a_while_and_answered_from_the_address_alone() {
        let mut question = Question::new(path(2));
        assert!(!question.is_answered(path(2), &[7; 12]), "nothing was asked");
        assert_eq!(question.ask(1, || [7; 12]), Some([7; 12]));
        assert_eq!(question.ask(PLACE_ASKED_US, || [8; 12]), None);
        assert_eq!(question.ask(1 + PLACE_ASKED_US, || [8; 12]), Some([7; 12]));
        assert!(!question.is_answered(path(3), &[7; 12]));
        assert!(!question.is_answered(path(2), &[8; 12]));
        assert!(question.is_answered(path(2), &[7; 12]));
    }
}
