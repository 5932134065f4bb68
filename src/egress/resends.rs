//! Packets that a browser asks for again (NACK, RFC 4585 section 6.2.1): the numbers that wait to
//! be sent, the budget for them, and whether a burst caused the losses. The argument `next` is
//! always the number after the newest one sent.

use crate::limits::{
    DENSE_LOSS_PACKETS, DENSE_LOSS_SPAN_PACKETS, RESEND_BUDGET_US, RESEND_BYTES_MIN,
    RESEND_COPY_US, RESENDS_WAITING_MAX,
};

const WORDS: usize = RESENDS_WAITING_MAX / 64;

/// The packets to send again: those that a NACK asked for, and shortly afterwards a second copy of
/// each resend, since losing that too would cost a picture.
#[derive(Debug, Default)]
pub struct Resends {
    asked: Numbers,
    copies: Numbers,
    /// When the oldest of the copies is due, in µs.
    copies_due_us: u64,
}

/// A packet to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// Its 48-bit packet number.
    pub number: u64,
    is_copy: bool,
}

impl Resends {
    /// Whether nothing waits to be sent again, copies included.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.copies.is_empty()
    }

    /// Adds a number that a NACK asked for; false if it is too old or was never sent.
    pub fn ask(&mut self, number: u64, next: u64) -> bool {
        self.asked.add(number, next)
    }

    /// The packet to send again first; `None` when none is due.
    pub fn first(&self, next: u64, now_us: u64) -> Option<Resend> {
        if let Some(number) = self.asked.oldest(next) {
            return Some(Resend { number, is_copy: false });
        }
        if now_us < self.copies_due_us {
            return None;
        }
        self.copies.oldest(next).map(|number| Resend { number, is_copy: true })
    }

    /// Notes that `resend` was sent. With `has_copy` it is sent once more later, unless it was the
    /// copy.
    pub fn sent(&mut self, resend: Resend, next: u64, has_copy: bool, now_us: u64) {
        self.forget(resend);
        if has_copy && !resend.is_copy {
            if self.copies.is_empty() {
                self.copies_due_us = now_us + RESEND_COPY_US;
            }
            self.copies.add(resend.number, next);
        }
    }

    /// Removes a resend whose packet the ring no longer holds.
    pub fn forget(&mut self, resend: Resend) {
        let numbers = if resend.is_copy { &mut self.copies } else { &mut self.asked };
        numbers.remove(resend.number);
    }

    /// Removes this number, because a packet was sent under it for the first time.
    pub fn spend(&mut self, number: u64) {
        self.asked.remove(number);
        self.copies.remove(number);
    }

    /// Drops all resends, because the mapping ended.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A set of numbers among the last [`RESENDS_WAITING_MAX`] that were sent.
#[derive(Debug, Default)]
struct Numbers {
    /// One bit per number, at the number modulo [`RESENDS_WAITING_MAX`].
    bits: [u64; WORDS],
    /// The size of the set, kept because every time a viewer is served its emptiness is checked.
    count: u32,
}

impl Numbers {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a number; false if it is too old or was never sent.
    fn add(&mut self, number: u64, next: u64) -> bool {
        let is_within = number < next && next - number <= RESENDS_WAITING_MAX as u64;
        if is_within && !self.has(number) {
            let (word, bit) = place(number);
            self.bits[word] |= bit;
            self.count += 1;
        }
        is_within
    }

    fn oldest(&self, next: u64) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        // The oldest possible number shares its bit with `next`, so the search begins there.
        let (first_word, first_bit) = place(next);
        let behind = first_bit.wrapping_sub(1);
        for step in 0..=WORDS {
            let word = (first_word + step) % WORDS;
            let bits = match step {
                0 => self.bits[word] & !behind,
                WORDS => self.bits[word] & behind,
                _ => self.bits[word],
            };
            if bits != 0 {
                let at = (word * 64) as u64 + u64::from(bits.trailing_zeros());
                let newer = next.wrapping_sub(1 + at) % RESENDS_WAITING_MAX as u64;
                return Some(next - 1 - newer);
            }
        }
        None
    }

    /// Removes a number, or the one that shares its bit.
    fn remove(&mut self, number: u64) {
        if self.has(number) {
            let (word, bit) = place(number);
            self.bits[word] &= !bit;
            self.count -= 1;
        }
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.bits[word] & bit != 0
    }
}

fn place(number: u64) -> (usize, u64) {
    #[allow(clippy::cast_possible_truncation)] // the low bits select the bit
    let at = number as usize % RESENDS_WAITING_MAX;
    (at / 64, 1 << (at % 64))
}

/// The budget of bytes that may be sent again: one second of the stream, at least
/// [`RESEND_BYTES_MIN`]. A spent budget is whole again after [`RESEND_BUDGET_US`].
#[derive(Debug, Default)]
pub struct ResendBudget {
    spent_bytes: u64,
    paid_back_us: u64,
}

impl ResendBudget {
    /// Takes a resend of `bytes` from the budget of a stream with this bit rate; false when the
    /// budget is spent.
    pub fn take(&mut self, bytes: usize, bits_per_s: u64, now_us: u64) -> bool {
        let whole = (bits_per_s / 8).max(RESEND_BYTES_MIN);
        let passed_us = now_us.saturating_sub(self.paid_back_us).min(RESEND_BUDGET_US);
        let paid_back = whole.saturating_mul(passed_us) / RESEND_BUDGET_US;
        if paid_back > 0 {
            self.spent_bytes = self.spent_bytes.saturating_sub(paid_back);
            self.paid_back_us = now_us;
        }
        let spent = self.spent_bytes + bytes as u64;
        let is_within = spent <= whole;
        if is_within {
            self.spent_bytes = spent;
        }
        is_within
    }
}

/// Measures how dense losses are. Random losses stand far apart; a queue that a burst overflows
/// loses most of the packets that follow.
#[derive(Debug, Default)]
pub struct Losses {
    /// The number of losses up to `newest`, older ones with decreasing weight.
    density: f32,
    newest: u64,
}

impl Losses {
    /// Counts the loss of a number, once. Returns whether losses are dense here; if so, later
    /// losses of packets below `next`, which were sent already, are ignored.
    pub fn add(&mut self, number: u64, next: u64) -> bool {
        if number <= self.newest {
            return false;
        }
        let kept = 1.0 - 1.0 / f32::from(DENSE_LOSS_SPAN_PACKETS);
        let passed = i32::try_from(number - self.newest).unwrap_or(i32::MAX);
        self.density = self.density * kept.powi(passed) + 1.0;
        self.newest = number;
        let is_dense = self.density >= f32::from(DENSE_LOSS_PACKETS);
        if is_dense {
            *self = Self { density: 0.0, newest: next - 1 };
        }
        is_dense
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rtp::testing::Random;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn the_numbers_are_those_that_a_set_would_hold() {
        let mut random = Random(0x5e7);
        let (mut numbers, mut model, mut next) = (Numbers::default(), BTreeSet::new(), 1_u64);
        for _ in 0..200_000 {
            match random.below(8) {
                0..3 => {
                    numbers.remove(next);
                    next += 1;
                    model.retain(|number| next - number <= RESENDS_WAITING_MAX as u64);
                }
                3..6 => {
                    let number = (next + 3).saturating_sub(random.below(1_100) as u64);
                    let is_within = number < next && next - number <= 1_024;
                    // The bit of `next` is free once `next` is sent.
                    assert_eq!(numbers.add(number, next), is_within);
                    if is_within {
                        model.insert(number);
                    }
                }
                6 => {
                    let oldest = numbers.oldest(next);
                    assert_eq!(oldest, model.first().copied());
                    oldest.into_iter().for_each(|number| numbers.remove(number));
                    model.pop_first();
                }
                _ if random.one_in(2_000) => {
                    numbers = Numbers::default();
                    model.clear();
                }
                _ => {}
            }
            assert_eq!(numbers.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn what_was_asked_goes_first_and_its_copy_a_moment_later() {
        let mut resends = Resends::default();
        assert!(resends.ask(7, 10) && resends.ask(5, 10) && !resends.ask(10, 10));
        for number in [5, 7] {
            let resend = resends.first(10, 0).expect("it was asked for");
            assert_eq!(resend, Resend { number, is_copy: false });
            resends.sent(resend, 10, number == 5, 0);
        }
        assert_eq!(resends.first(10, RESEND_COPY_US - 1), None);
        assert!(!resends.is_empty());
        let copy = resends.first(10, RESEND_COPY_US).expect("it is time");
        assert_eq!(copy, Resend { number: 5, is_copy: true });
        resends.sent(copy, 10, true, RESEND_COPY_US);
        assert!(resends.is_empty(), "a copy has none");
    }

    #[test]
    fn a_second_of_the_stream_is_granted_and_comes_back_in_four() {
        let granted = |budget: &mut ResendBudget, bits_per_s, now_us| {
            (0..10_000).filter(|_| budget.take(1_000, bits_per_s, now_us)).count() as u64
        };
        let mut fast = ResendBudget::default();
        assert_eq!(granted(&mut fast, 8_000_000, 0), 1_000);
        assert_eq!(granted(&mut fast, 8_000_000, SECOND_US), 250);
        assert_eq!(granted(&mut fast, 8_000_000, 9 * SECOND_US), 1_000);
        let mut slow = ResendBudget::default();
        assert_eq!(granted(&mut slow, 1_000, 0), RESEND_BYTES_MIN / 1_000);
    }

    /// In how many of a thousand runs of 800 packets the losses are found to be dense.
    fn dense(mut is_lost: impl FnMut(u64) -> bool) -> usize {
        let is_found = |_: &u64| {
            let mut losses = Losses::default();
            (1..=800).any(|number| is_lost(number) && losses.add(number, 801))
        };
        (0..1_000).filter(is_found).count()
    }

    #[test]
    fn losses_by_chance_are_not_dense_and_those_of_a_queue_are() {
        let mut random = Random(0xda7a);
        assert!(dense(|_| random.one_in(50)) <= 1, "2 % are as good as never");
        assert_eq!(dense(|number| number > 200 && !number.is_multiple_of(6)), 1_000);
        assert_eq!(dense(|number| number > 500 && random.one_in(3)), 1_000);
    }

    #[test]
    fn what_is_asked_twice_or_was_under_way_does_not_count_again() {
        let mut losses = Losses::default();
        assert!((1..100).all(|_| !losses.add(7, 100)));
        assert!((8..40).any(|number| losses.add(number, 100)));
        assert!((40..100).all(|number| !losses.add(number, 100)), "they were sent before");
        assert!((100..140).any(|number| losses.add(number, 140)));
    }
}
