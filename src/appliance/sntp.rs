//! SNTP (RFC 4330, in the packets of RFC 5905): the question, the judgement of an answer, and when
//! which server is asked. Sans-IO: init has the socket and sets the clock.
//!
//! A question has 64 random bits where the time would be, which the answer has to bring back: who
//! does not see it cannot answer, and it tells nothing of the box. The answer's time must not be
//! before this program was built. One server is believed; a wrong one costs the TLS of cameras.

use std::fmt;

use crate::limits::{SNTP_AGAIN_US, SNTP_ASK_US_MAX, SNTP_ASK_US_MIN, SNTP_DELAY_US_MAX};
use crate::random::random;

/// Port of servers, which questions go to.
pub const SNTP_PORT: u16 = 123;

const BYTES: usize = 48;
/// Leap 0, version 4, mode 3: a client.
const CLIENT: u8 = 0x23;
const SERVER_MODE: u8 = 4;
const ALARM: u8 = 3;
/// Seconds from 1900, where NTP counts from, to 1970.
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// One question to a server.
#[derive(Debug)]
pub struct SntpQuestion {
    nonce: [u8; 8],
}

/// Why an answer is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SntpProblem {
    /// It is shorter than an NTP packet.
    Short(usize),
    /// It is not the answer to this question.
    Other,
    /// The server says that it does not know the time.
    Unsynchronised,
    /// The server does not want to be asked; its code.
    Unwanted([u8; 4]),
    /// The answer took this many microseconds, so its time is too uncertain.
    Slow(u64),
    /// Its time is before this program was built.
    Early,
}

impl fmt::Display for SntpProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(bytes) => write!(f, "{bytes} bytes, at least {BYTES}"),
            Self::Other => f.write_str("not the answer to the question"),
            Self::Unsynchronised => f.write_str("the server does not know the time"),
            Self::Unwanted(code) => write!(f, "the server refuses ({})", code.escape_ascii()),
            Self::Slow(us) => {
                write!(f, "an answer after {} ms, max {}", us / 1000, SNTP_DELAY_US_MAX / 1000)
            }
            Self::Early => f.write_str("a time before this program was built"),
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SntpAnswer {
    /// Microseconds since 1970, at the moment when the answer came.
    pub unix_us: u64,
    /// Microseconds that the way there and back took.
    pub delay_us: u64,
}

impl SntpQuestion {
    /// A question that nobody can guess.
    pub fn new() -> Self {
        Self { nonce: random() }
    }

    /// The datagram to send.
    pub fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; BYTES];
        bytes[0] = CLIENT;
        bytes[40..].copy_from_slice(&self.nonce);
        bytes
    }

    /// Judges an answer that came `took_us` after the question left; `built_s` is the earliest
    /// time to believe, in seconds since 1970.
    ///
    /// # Errors
    /// [`SntpProblem`]: why the answer is not used. Only after [`SntpProblem::Other`] and
    /// [`SntpProblem::Short`] another one may still come.
    pub fn judge(
        &self,
        datagram: &[u8],
        took_us: u64,
        built_s: u64,
    ) -> Result<SntpAnswer, SntpProblem> {
        let Some(Ok(packet)) = datagram.get(..BYTES).map(<&[u8; BYTES]>::try_from) else {
            return Err(SntpProblem::Short(datagram.len()));
        };
        let (leap, version, mode) = (packet[0] >> 6, packet[0] >> 3 & 7, packet[0] & 7);
        if mode != SERVER_MODE || !(3..=4).contains(&version) || packet[24..32] != self.nonce {
            return Err(SntpProblem::Other);
        }
        match packet[1] {
            0 => {
                let code = [packet[12], packet[13], packet[14], packet[15]];
                return Err(SntpProblem::Unwanted(code));
            }
            1..=15 if leap != ALARM => {}
            _ => return Err(SntpProblem::Unsynchronised),
        }
        let (received_us, sent_us) = (unix_us(packet, 32), unix_us(packet, 40));
        // What the server kept the question for is no part of the way.
        let delay_us = took_us.saturating_sub(sent_us.saturating_sub(received_us));
        if delay_us > SNTP_DELAY_US_MAX {
            return Err(SntpProblem::Slow(delay_us));
        }
        let unix_us = sent_us + delay_us / 2;
        if unix_us / 1_000_000 < built_s {
            return Err(SntpProblem::Early);
        }
        Ok(SntpAnswer { unix_us, delay_us })
    }
}

impl Default for SntpQuestion {
    fn default() -> Self {
        Self::new()
    }
}

/// A timestamp as microseconds since 1970. Seconds with the highest bit clear are those of the era
/// that begins in 2036 (RFC 4330 section 3).
fn unix_us(packet: &[u8; BYTES], at: usize) -> u64 {
    let word = |at: usize| {
        let [a, b, c, d] = [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]];
        u64::from(u32::from_be_bytes([a, b, c, d]))
    };
    let seconds = word(at);
    let seconds = if seconds >> 31 == 1 { seconds } else { seconds + (1 << 32) };
    let us = (word(at + 4) * 1_000_000) >> 32;
    (seconds - SECONDS_1900_TO_1970) * 1_000_000 + us
}

/// Which server is asked when.
#[derive(Debug)]
pub struct SntpSchedule {
    servers: usize,
    next: usize,
    failures: u32,
}

impl SntpSchedule {
    /// A schedule for so many servers, at least one, in their order.
    pub fn new(servers: usize) -> Self {
        Self { servers: servers.max(1), next: 0, failures: 0 }
    }

    /// The server to ask now, by its place in the list.
    pub fn server(&self) -> usize {
        self.next
    }

    /// After an answer: microseconds until the same server is asked again.
    pub fn succeeded(&mut self) -> u64 {
        self.failures = 0;
        SNTP_AGAIN_US
    }

    /// After a server that gave no time: microseconds until the next one is asked. Once all have
    /// failed, the pause grows.
    pub fn failed(&mut self) -> u64 {
        self.next = (self.next + 1) % self.servers;
        if self.next != 0 {
            return SNTP_ASK_US_MIN;
        }
        self.failures = self.failures.saturating_add(1);
        (SNTP_ASK_US_MIN << self.failures.min(16)).min(SNTP_ASK_US_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30 12:00:00 UTC.
    const NOON_S: u64 = 1_796_040_000;
    const BUILT_S: u64 = NOON_S - 86_400;

    /// An answer of stratum 2 that was received at noon and sent `held_us` later.
    fn answer(question: &SntpQuestion, held_us: u64) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..2].copy_from_slice(&[0x24, 2]);
        bytes[24..32].copy_from_slice(&question.nonce);
        let stamp = |us: u64| {
            let seconds = NOON_S + SECONDS_1900_TO_1970 + us / 1_000_000;
            let fraction = ((us % 1_000_000) << 32) / 1_000_000;
            ((seconds << 32) | fraction).to_be_bytes()
        };
        bytes[32..40].copy_from_slice(&stamp(0));
        bytes[40..].copy_from_slice(&stamp(held_us));
        bytes
    }

    #[test]
    fn a_question_tells_nothing_and_is_never_the_same() {
        let (one, other) = (SntpQuestion::new(), SntpQuestion::new());
        assert_eq!(one.bytes()[..40], [&[0x23][..], &[0; 39]].concat());
        assert_ne!(one.bytes(), other.bytes());
    }

    #[test]
    fn half_of_the_way_is_added_to_the_time() {
        let question = SntpQuestion::new();
        let judged = question.judge(&answer(&question, 30_000), 100_000, BUILT_S).expect("good");
        assert_eq!(judged.delay_us, 70_001, "the fraction of a second is rounded down");
        assert_eq!(judged.unix_us.div_ceil(1000), NOON_S * 1000 + 65);
        let lan = question.judge(&answer(&question, 30_000), 0, BUILT_S).expect("good");
        assert_eq!(lan.delay_us, 0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let question = SntpQuestion::new();
        let good = answer(&question, 0);
        let judge = |change: &dyn Fn(&mut [u8; 48])| {
            let mut bytes = good;
            change(&mut bytes);
            question.judge(&bytes, 10_000, BUILT_S)
        };
        assert!(judge(&|_| {}).is_ok());
        assert_eq!(judge(&|bytes| bytes[24] ^= 1), Err(SntpProblem::Other));
        assert_eq!(judge(&|bytes| bytes[0] = 0x23), Err(SntpProblem::Other), "a question");
        assert_eq!(judge(&|bytes| bytes[0] = 0x0c), Err(SntpProblem::Other), "version 1");
        assert_eq!(judge(&|bytes| bytes[0] = 0xe4), Err(SntpProblem::Unsynchronised));
        assert_eq!(judge(&|bytes| bytes[1] = 16), Err(SntpProblem::Unsynchronised));
        let denied = judge(&|bytes| {
            bytes[1] = 0;
            bytes[12..16].copy_from_slice(b"RATE");
        });
        assert_eq!(denied, Err(SntpProblem::Unwanted(*b"RATE")));
        assert_eq!(SntpProblem::Unwanted(*b"RATE").to_string(), "the server refuses (RATE)");
        let early = question.judge(&good, 10_000, NOON_S + 1);
        assert_eq!(early, Err(SntpProblem::Early));
        let slow = question.judge(&good, SNTP_DELAY_US_MAX + 1, BUILT_S);
        assert_eq!(slow, Err(SntpProblem::Slow(SNTP_DELAY_US_MAX + 1)));
        assert!(question.judge(&good, SNTP_DELAY_US_MAX, BUILT_S).is_ok());
        for bytes in 0..48 {
            let short = question.judge(&good[..bytes], 0, BUILT_S);
            assert_eq!(short, Err(SntpProblem::Short(bytes)));
        }
    }

    #[test]
    fn the_era_that_begins_in_2036_is_known() {
        let question = SntpQuestion::new();
        let mut bytes = answer(&question, 0);
        bytes[32..].fill(0);
        bytes[35] = 1;
        bytes[43] = 1;
        let judged = question.judge(&bytes, 0, BUILT_S).expect("good");
        // 2036-02-07 06:28:17 UTC.
        assert_eq!(judged.unix_us, 2_085_978_497 * 1_000_000);
    }

    #[test]
    fn servers_are_asked_in_turn_and_ever_less_often() {
        let mut schedule = SntpSchedule::new(3);
        let mut pauses_us = Vec::new();
        for round in 0..9 {
            assert_eq!(schedule.server(), round % 3);
            pauses_us.push(schedule.failed());
        }
        let own = SNTP_ASK_US_MIN;
        assert_eq!(pauses_us, [own, own, 2 * own, own, own, 4 * own, own, own, 8 * own]);
        for _ in 0..100 {
            assert!(schedule.failed() <= SNTP_ASK_US_MAX);
        }
        let mut schedule = SntpSchedule::new(2);
        schedule.failed();
        assert_eq!(schedule.succeeded(), SNTP_AGAIN_US);
        assert_eq!(schedule.server(), 1, "the one that answered");
        assert_eq!(SntpSchedule::new(0).server(), 0);
    }
}
