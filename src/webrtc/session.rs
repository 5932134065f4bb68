//! A live session: keys, addresses and signs of life of one browser's connection, 1 to 2 KB.
//!
//! Sans-IO. It decides what a datagram means for the connection. The media thread sends what it
//! asks for and passes it the time. The rules, each with a bound in [`crate::limits`]:
//!
//! - Signs of life are valid checks and authentic SRTCP from its current address.
//! - A DTLS alert and an ICMP error are hints and no proof, as both can be forged.
//! - The address changes only when a fresh authentic SRTCP packet has come from the new one,
//!   because MESSAGE-INTEGRITY does not cover the address of a check, and when the browser has
//!   answered a check there ([`super::place`]), because SRTCP does not cover its address either.

use std::net::SocketAddr;

use crate::egress::batch::Path;
use crate::egress::srtp::{OpenError, OpenKeys, SealKeys};
use crate::limits::{
    CLOSE_NOTIFY_BYTES_MAX, FLIGHT_BYTES_MAX, FLIGHT_RESEND_US, FLIGHT_RESENDS_MAX, REPORT_US,
    REPORTS_BURST, SESSION_ADDRESS_KEPT_US, SESSION_FIRST_SRTCP_US, SESSION_HINTED_SILENCE_US,
    SESSION_SILENCE_US,
};

use super::ended::Ended;
use super::place::{Question, Transaction};
use super::rate::Rate;

/// DTLS record types: ChangeCipherSpec, Alert, Handshake.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Our last DTLS flight as one datagram, to be sent again unchanged.
pub type StoredFlight = heapless::Vec<u8, FLIGHT_BYTES_MAX>;
/// Our sealed close_notify, made at the end of the handshake and sent at the end of the session.
pub type CloseNotify = heapless::Vec<u8, CLOSE_NOTIFY_BYTES_MAX>;

/// A session after its handshake.
pub struct Live {
    /// The keys that seal its packets.
    pub seal: SealKeys,
    open: OpenKeys,
    path: Path,
    /// Our last DTLS flight, until the browser's first authentic SRTCP shows that it arrived.
    flight: Option<Flight>,
    close_notify: CloseNotify,
    since_us: u64,
    last_sign_us: u64,
    /// The first hint at its end since the last sign of life, and when it came.
    hinted: Option<(Ended, u64)>,
    has_srtcp: bool,
    reports: Rate<REPORT_US, REPORTS_BURST>,
    /// Asked while the reports come from a new address: whether the browser is there.
    question: Option<Question>,
}

struct Flight {
    datagram: StoredFlight,
    resent: u32,
    resent_us: u64,
}

/// The results of the handshake that a session starts with.
pub struct SessionStart {
    /// Keys for packets to the browser.
    pub seal: SealKeys,
    /// Keys for packets from the browser.
    pub open: OpenKeys,
    /// The addresses that the handshake used.
    pub path: Path,
    /// Our last DTLS flight.
    pub flight: StoredFlight,
    /// The close_notify to send at the end.
    pub close_notify: CloseNotify,
}

impl Live {
    /// Starts the session at the end of the handshake.
    pub fn new(start: SessionStart, now_us: u64) -> Self {
        let SessionStart { seal, open, path, flight, close_notify } = start;
        let flight = Flight { datagram: flight, resent: 0, resent_us: 0 };
        Self {
            seal,
            open,
            path,
            flight: Some(flight),
            close_notify,
            since_us: now_us,
            last_sign_us: now_us,
            hinted: None,
            has_srtcp: false,
            reports: Rate::new(now_us),
            question: None,
        }
    }

    /// The addresses that its media is sent to and from.
    pub fn path(&self) -> Path {
        self.path
    }

    /// Whether its media goes to `address` and it has shown life there within
    /// [`SESSION_ADDRESS_KEPT_US`]. Then a check of another session cannot take the address.
    pub fn holds(&self, address: SocketAddr, now_us: u64) -> bool {
        let silent_us = now_us.saturating_sub(self.last_sign_us);
        self.path.to == address && silent_us < SESSION_ADDRESS_KEPT_US
    }

    /// When its last sign of life came.
    pub fn last_sign_us(&self) -> u64 {
        self.last_sign_us
    }

    /// The close_notify to send when the session ends.
    pub fn close_notify(&self) -> &CloseNotify {
        &self.close_notify
    }

    /// Handles an authentic check that came by `path`. `nominates` tells that the browser wants
    /// that path for media.
    pub fn check(&mut self, path: Path, nominates: bool, now_us: u64) {
        if path.to == self.path.to {
            self.sign(now_us);
            if nominates {
                // From its current address, the browser may choose another of ours.
                self.path.from = path.from;
            }
        }
    }

    /// Handles a DTLS record of type `kind` that came by `path`. Returns our last flight if it is
    /// due to be sent again.
    pub fn dtls(&mut self, kind: u8, path: Path, now_us: u64) -> Option<&[u8]> {
        match kind {
            ALERT => {
                self.hint(Ended::Left, path.to, now_us);
                None
            }
            CHANGE_CIPHER_SPEC | HANDSHAKE => {
                let flight = self.flight.as_mut()?;
                let is_due = flight.resent == 0 || now_us >= flight.resent_us + FLIGHT_RESEND_US;
                if flight.resent >= FLIGHT_RESENDS_MAX || !is_due {
                    return None;
                }
                flight.resent += 1;
                flight.resent_us = now_us;
                Some(&flight.datagram)
            }
            _ => None,
        }
    }

    /// Handles an ICMP error that says that `address` is not reachable.
    pub fn unreachable(&mut self, address: SocketAddr, now_us: u64) {
        self.hint(Ended::Unreachable, address, now_us);
    }

    fn hint(&mut self, ended: Ended, address: SocketAddr, now_us: u64) {
        if address == self.path.to {
            self.hinted.get_or_insert((ended, now_us));
        }
    }

    /// Handles SRTCP that came by `path`. Returns the decrypted compound packet. A new address has
    /// to be asked first; see [`Self::ask`].
    ///
    /// # Errors
    /// [`OpenError`]: the packet is forged, replayed or malformed. Nothing has changed.
    pub fn srtcp<'p>(
        &mut self,
        packet: &'p mut [u8],
        path: Path,
        now_us: u64,
    ) -> Result<&'p [u8], OpenError> {
        let opened = self.open.open_rtcp(packet)?;
        self.has_srtcp = true;
        self.flight = None;
        if path.to == self.path.to {
            self.sign(now_us);
            if opened.is_newest {
                self.path = path;
                self.question = None;
            }
        } else if opened.is_newest
            && self.question.as_ref().is_none_or(|question| question.path() != path)
        {
            self.question = Some(Question::new(path));
        }
        Ok(opened.compound)
    }

    /// Whether an authentic report is to be parsed. Counts it against the rate [`REPORT_US`].
    pub fn heeds_report(&mut self, now_us: u64) -> bool {
        self.reports.spend(now_us)
    }

    /// The question that is due, whether the browser is at the address of its last report: the path
    /// and the transaction id to send it with.
    pub fn ask(
        &mut self,
        now_us: u64,
        random: impl FnOnce() -> Transaction,
    ) -> Option<(Path, Transaction)> {
        let question = self.question.as_mut()?;
        let transaction = question.ask(now_us, random)?;
        Some((question.path(), transaction))
    }

    /// Handles an answer that came by `path`. If it answers the question, the session moves there.
    pub fn answered(&mut self, path: Path, transaction: &Transaction, now_us: u64) {
        if let Some(question) = self.question.take_if(|q| q.is_answered(path, transaction)) {
            self.path = question.path();
            self.sign(now_us);
        }
    }

    fn sign(&mut self, now_us: u64) {
        self.last_sign_us = now_us;
        self.hinted = None;
    }

    /// Why the session is over at `now_us`, if it is. `is_sending` tells that media is being sent.
    pub fn ended(&self, is_sending: bool, now_us: u64) -> Option<Ended> {
        let silent_us = now_us.saturating_sub(self.last_sign_us);
        if let Some((ended, hinted_us)) = self.hinted
            && now_us.saturating_sub(hinted_us) >= SESSION_HINTED_SILENCE_US
        {
            return Some(ended);
        }
        if silent_us >= SESSION_SILENCE_US {
            return Some(Ended::Silent);
        }
        let age_us = now_us.saturating_sub(self.since_us);
        let never_started = !self.has_srtcp && is_sending && age_us >= SESSION_FIRST_SRTCP_US;
        never_started.then_some(Ended::NeverStarted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::srtp::{SRTCP_OVERHEAD_BYTES, Seal};

    const SECOND_US: u64 = 1_000_000;

    fn path(port: u16) -> Path {
        let to = std::net::SocketAddr::from(([192, 0, 2, 1], port));
        Path { to, from: [192, 0, 2, 9].into() }
    }

    fn keys(byte: u8) -> (SealKeys, OpenKeys) {
        let (key, salt) = ([byte; 32], [byte; 12]);
        (SealKeys::derive(&key, &salt).unwrap(), OpenKeys::derive(&key, &salt).unwrap())
    }

    /// A session at address 1 since time 0, and the keys its browser seals with.
    fn live() -> (Live, SealKeys) {
        let (seal, _) = keys(1);
        let (browser, open) = keys(2);
        let flight = StoredFlight::from_slice(b"flight").unwrap();
        let close_notify = CloseNotify::from_slice(b"bye").unwrap();
        let start = SessionStart { seal, open, path: path(1), flight, close_notify };
        (Live::new(start, 0), browser)
    }

    fn srtcp(browser: &mut SealKeys) -> Vec<u8> {
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        packet.resize(8 + SRTCP_OVERHEAD_BYTES, 0);
        browser.seal_rtcp(&mut packet, 8).unwrap();
        packet
    }

    #[test]
    fn it_lives_by_checks_or_srtcp_and_dies_of_silence() {
        let (mut live, mut browser) = live();
        assert_eq!(live.ended(false, 8 * SECOND_US - 1), None);
        assert_eq!(live.ended(false, 8 * SECOND_US), Some(Ended::Silent));
        live.check(path(1), true, 7 * SECOND_US);
        assert_eq!(live.ended(false, 14 * SECOND_US), None);
        live.srtcp(&mut srtcp(&mut browser), path(1), 14 * SECOND_US).unwrap();
        assert_eq!(live.ended(true, 21 * SECOND_US), None);
        live.check(path(2), true, 21 * SECOND_US);
        assert_eq!(live.ended(false, 22 * SECOND_US), Some(Ended::Silent), "another address");
    }

    #[test]
    fn a_hint_alone_ends_nothing() {
        let (mut live, _) = live();
        live.dtls(ALERT, path(1), SECOND_US);
        assert_eq!(live.ended(false, 5 * SECOND_US - 1), None);
        assert_eq!(live.ended(false, 5 * SECOND_US), Some(Ended::Left));
        live.check(path(1), true, 4 * SECOND_US);
        assert_eq!(live.ended(false, 8 * SECOND_US), None, "it lives after all");
        live.dtls(ALERT, path(2), 8 * SECOND_US);
        live.unreachable(path(2).to, 8 * SECOND_US);
        assert_eq!(live.ended(false, 12 * SECOND_US - 1), None, "a hint from elsewhere is none");
    }

    #[test]
    fn an_icmp_error_is_a_hint_as_well_and_the_first_hint_is_the_reason() {
        let (mut live, mut browser) = live();
        live.unreachable(path(1).to, SECOND_US);
        live.dtls(ALERT, path(1), 2 * SECOND_US);
        assert_eq!(live.ended(false, 5 * SECOND_US - 1), None);
        assert_eq!(live.ended(false, 5 * SECOND_US), Some(Ended::Unreachable));
        live.srtcp(&mut srtcp(&mut browser), path(1), 4 * SECOND_US).unwrap();
        live.dtls(ALERT, path(1), 5 * SECOND_US);
        for tenth in 50..90 {
            live.unreachable(path(1).to, tenth * SECOND_US / 10);
        }
        assert_eq!(live.ended(false, 9 * SECOND_US), Some(Ended::Left));
    }

    #[test]
    fn without_srtcp_it_ends_while_media_is_sent() {
        let (mut live, _) = live();
        for second in 1..15 {
            live.check(path(1), true, second * SECOND_US);
        }
        assert_eq!(live.ended(false, 15 * SECOND_US), None);
        assert_eq!(live.ended(true, 15 * SECOND_US), Some(Ended::NeverStarted));
    }

    #[test]
    fn it_moves_by_fresh_srtcp_only() {
        let (mut live, mut browser) = live();
        live.check(path(2), true, 1);
        assert_eq!(live.path(), path(1), "a check may be replayed from elsewhere");
        let held_back = srtcp(&mut browser);
        live.srtcp(&mut srtcp(&mut browser), path(2), 2).unwrap();
        assert_eq!(live.ask(2, || [7; 12]), None, "a first packet may be a capture");
        let seen = srtcp(&mut browser);
        live.srtcp(&mut seen.clone(), path(1), 2).unwrap();
        assert!(live.srtcp(&mut seen.clone(), path(3), 3).is_err(), "replayed");
        assert!(live.srtcp(&mut held_back.clone(), path(3), 3).is_ok(), "late, but authentic");
        assert_eq!(live.path(), path(1), "neither proves an address");
        live.srtcp(&mut srtcp(&mut browser), path(2), 4).unwrap();
        assert_eq!(live.path(), path(1), "its sender's address may be forged");
        live.answered(path(2), &[7; 12], 4);
        assert_eq!(live.path(), path(1), "an answer without a question");
        assert_eq!(live.ask(5, || [7; 12]), Some((path(2), [7; 12])));
        live.answered(path(3), &[7; 12], 6);
        live.answered(path(2), &[8; 12], 6);
        assert_eq!(live.path(), path(1), "from elsewhere, or to another question");
        live.answered(path(2), &[7; 12], 6);
        assert_eq!((live.path(), live.last_sign_us()), (path(2), 6));
        assert_eq!(live.ask(SECOND_US, || [7; 12]), None, "there is nothing left to ask");
    }

    #[test]
    fn a_question_is_over_when_reports_come_from_where_it_was() {
        let (mut live, mut browser) = live();
        live.srtcp(&mut srtcp(&mut browser), path(1), 1).unwrap();
        live.srtcp(&mut srtcp(&mut browser), path(2), 2).unwrap();
        assert_eq!(live.ask(3, || [7; 12]), Some((path(2), [7; 12])));
        live.srtcp(&mut srtcp(&mut browser), path(1), 4).unwrap();
        live.answered(path(2), &[7; 12], 5);
        assert_eq!(live.path(), path(1));
    }

    #[test]
    fn its_address_is_its_own_while_it_shows_life_from_there() {
        let (mut live, mut browser) = live();
        assert!(live.holds(path(1).to, 0) && !live.holds(path(2).to, 0));
        assert!(live.holds(path(1).to, SESSION_ADDRESS_KEPT_US - 1));
        assert!(!live.holds(path(1).to, SESSION_ADDRESS_KEPT_US), "silent");
        live.check(path(2), true, SESSION_ADDRESS_KEPT_US);
        assert!(!live.holds(path(1).to, SESSION_ADDRESS_KEPT_US), "life elsewhere is none here");
        live.srtcp(&mut srtcp(&mut browser), path(1), SESSION_ADDRESS_KEPT_US).unwrap();
        assert!(live.holds(path(1).to, 2 * SESSION_ADDRESS_KEPT_US - 1));
    }

    #[test]
    fn the_flight_is_repeated_slowly_until_srtcp_comes() {
        let (mut live, _) = live();
        assert_eq!(live.dtls(HANDSHAKE, path(1), 0), Some(&b"flight"[..]));
        assert_eq!(live.dtls(CHANGE_CIPHER_SPEC, path(1), FLIGHT_RESEND_US - 1), None);
        let mut sent = 1;
        for round in 1..100 {
            sent += u32::from(live.dtls(HANDSHAKE, path(1), round * FLIGHT_RESEND_US).is_some());
        }
        assert_eq!(sent, FLIGHT_RESENDS_MAX);
    }

    #[test]
    fn the_first_srtcp_shows_that_the_flight_arrived() {
        let (mut live, mut browser) = live();
        live.srtcp(&mut srtcp(&mut browser), path(1), 1).unwrap();
        assert_eq!(live.dtls(HANDSHAKE, path(1), SECOND_US), None);
    }
}
