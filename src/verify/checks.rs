//! The viewer's side of ICE towards an ICE-lite agent: checks go out, answers come back, and each
//! answer is a round trip.

use is::stun::{StunMessage, TransId};

use crate::limits::VERIFY_CHECKS_OPEN_MAX;
use crate::webrtc::credentials::sha1_hmac;

/// RFC 8445 section 5.1.2.1: a host candidate, the only one.
const PRIORITY: u32 = 126 << 24 | 65_535 << 8 | 255;
const CHECK_BYTES_MAX: usize = 512;

/// The checks of one session.
pub(super) struct Checks {
    /// Their ufrag and ours.
    username: String,
    /// Their password.
    password: String,
    tie_breaker: u64,
    open: heapless::Deque<(TransId, u64), VERIFY_CHECKS_OPEN_MAX>,
    /// Of each answered check, in microseconds.
    pub(super) round_trips_us: Vec<u32>,
}

impl Checks {
    pub(super) fn new(their_ufrag: &str, our_ufrag: &str, their_password: &str) -> Self {
        Self {
            username: format!("{their_ufrag}:{our_ufrag}"),
            password: their_password.to_owned(),
            tie_breaker: u64::from_le_bytes(crate::random::random()),
            open: heapless::Deque::new(),
            round_trips_us: Vec::new(),
        }
    }

    /// The next check to send, now; `None` if the credentials are too long for one.
    pub(super) fn next(&mut self, nominates: bool, now_us: u64) -> Option<Vec<u8>> {
        let id = TransId::new();
        let message = StunMessage::binding_request(
            &self.username,
            id,
            true,
            self.tie_breaker,
            PRIORITY,
            nominates,
        );
        let mut bytes = vec![0; CHECK_BYTES_MAX];
        let written = message.to_bytes(Some(self.password.as_bytes()), &mut bytes, sha1_hmac);
        bytes.truncate(written.ok()?);
        if self.open.is_full() {
            self.open.pop_front();
        }
        let _ = self.open.push_back((id, now_us));
        Some(bytes)
    }

    /// Whether a datagram is the authentic answer to a check that is waited for.
    pub(super) fn is_answer(&mut self, datagram: &[u8], now_us: u64) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else { return false };
        if !message.is_successful_binding_response()
            || !message.verify(self.password.as_bytes(), sha1_hmac)
        {
            return false;
        }
        let Some((_, sent_us)) = self.open.iter().find(|(id, _)| *id == message.trans_id()) else {
            return false;
        };
        let round_trip_us = now_us.saturating_sub(*sent_us);
        self.round_trips_us.push(u32::try_from(round_trip_us).unwrap_or(u32::MAX));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(request: &[u8], password: &str) -> Vec<u8> {
        let id = StunMessage::parse(request).expect("a check").trans_id();
        let message = StunMessage::binding_reply(id, "192.0.2.7:5000".parse().unwrap());
        let mut bytes = vec![0; CHECK_BYTES_MAX];
        let written = message.to_bytes(Some(password.as_bytes()), &mut bytes, sha1_hmac);
        bytes.truncate(written.expect("room"));
        bytes
    }

    #[test]
    fn an_answer_counts_with_the_password_and_for_a_check_of_ours() {
        let mut checks = Checks::new("them", "us", "their password");
        let request = checks.next(true, 1_000).expect("short credentials");
        let parsed = StunMessage::parse(&request).expect("a check");
        assert_eq!(parsed.username(), Some("them:us"));
        assert!(parsed.use_candidate() && parsed.verify(b"their password", sha1_hmac));
        assert!(!checks.is_answer(&reply(&request, "another"), 2_000));
        assert!(checks.is_answer(&reply(&request, "their password"), 4_000));
        assert_eq!(checks.round_trips_us, [3_000]);
        let mut others = Checks::new("them", "us", "their password");
        assert!(!others.is_answer(&reply(&request, "their password"), 4_000));
        assert!(!checks.is_answer(&request, 4_000), "a request is no answer");
    }
}
