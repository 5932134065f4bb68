//! What a browser asks for again (NACK, RFC 4585 section 6.2.1): the numbers that wait to be sent, the
//! budget for them, and whether what was lost was lost by a burst. `next`, where a caller gives it,
//! is the number behind the newest that was sent.

use crate::limits::{
    DENSE_LOSS_PACKETS, DENSE_LOSS_SPAN_PACKETS, RESEND_BUDGET_US, RESEND_BYTES_MIN,
    RESEND_COPY_US, RESENDS_WAITING_MAX,
};

const WORDS: usize = RESENDS_WAITING_MAX / 64;

/// The packets that are to be sent again: those that were asked for, and a moment later once more
/// those that were sent, where one more loss would cost a picture.
#[derive(Debug, Default)]
pub struct Resends {
    asked: Numbers,
    copies: Numbers,
    /// When the oldest of the copies is due.
    copies_due_us: u64,
}

/// A packet to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// Its number.
    pub number: u64,
    is_copy: bool,
}

impl Resends {
    /// Whether nothing is to be sent again, now or in a moment.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.copies.is_empty()
    }

    /// A number is asked for; false where it is too old, or was never sent.
    pub fn ask(&mut self, number: u64, next: u64) -> bool {
        self.asked.add(number, next)
    }

    /// What to send first.
    pub fn first(&self, next: u64, now_us: u64) -> Option<Resend> {
        if let Some(number) = self.asked.oldest(next) {
            return Some(Resend { number, is_copy: false });
        }
        if now_us < self.copies_due_us {
            return None;
        }
        self.copies.oldest(next).map(|number| Resend { number, is_copy: true })
    }

    /// It was sent, and is to be sent once more if it `has_copy` and is none.
    pub fn sent(&mut self, resend: Resend, next: u64, has_copy: bool, now_us: u64) {
        self.forget(resend);
        if has_copy && !resend.is_copy {
            if self.copies.is_empty() {
                self.copies_due_us = now_us + RESEND_COPY_US;
            }
            self.copies.add(resend.number, next);
        }
    }

    /// It is out of reach.
    pub fn forget(&mut self, resend: Resend) {
        let numbers = if resend.is_copy { &mut self.copies } else { &mut self.asked };
        numbers.remove(resend.number);
    }

    /// A packet of this number was sent for the first time.
    pub fn spend(&mut self, number: u64) {
        self.asked.remove(number);
        self.copies.remove(number);
    }

    /// Nothing is to be sent again any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A set of the [`RESENDS_WAITING_MAX`] newest numbers that were sent.
#[derive(Debug, Default)]
struct Numbers {
    /// A bit for each number, at its remainder by [`RESENDS_WAITING_MAX`].
    bits: [u64; WORDS],
    /// How many: each time that a viewer is served it is asked whether there are any.
    count: u32,
}

impl Numbers {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a number; false where it is too old, or was never sent.
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
        // The oldest there may be has the place of the next: there the ring of bits begins and ends.
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

    /// Removes a number, or the one that has its place.
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
    #[allow(clippy::cast_possible_truncation)] // its low bits are its place
    let at = number as usize % RESENDS_WAITING_MAX;
    (at / 64, 1 << (at % 64))
}

/// The bytes that may be sent again: a second of the stream at most, or [`RESEND_BYTES_MIN`], and
/// what was spent is there again in [`RESEND_BUDGET_US`].
#[derive(Debug, Default)]
pub struct Budget {
    spent_bytes: u64,
    paid_back_us: u64,
}

impl Budget {
    /// Takes a resend of `bytes` in a stream of so many bits a second; false when too much was spent.
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

/// How dense losses are. By chance they stand far apart; a queue that a burst overflows loses most
/// of what comes behind.
#[derive(Debug, Default)]
pub struct Losses {
    /// Losses up to `newest`, those before counted for less and less.
    density: f32,
    newest: u64,
}

impl Losses {
    /// Counts a number that was asked for the first time; whether losses are dense here. Then those of
    /// packets below `next`, which are sent already, say no more.
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
                    // The place of the next is free once that is sent.
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
        let granted = |budget: &mut Budget, bits_per_s, now_us| {
            (0..10_000).filter(|_| budget.take(1_000, bits_per_s, now_us)).count() as u64
        };
        let mut fast = Budget::default();
        assert_eq!(granted(&mut fast, 8_000_000, 0), 1_000);
        assert_eq!(granted(&mut fast, 8_000_000, SECOND_US), 250);
        assert_eq!(granted(&mut fast, 8_000_000, 9 * SECOND_US), 1_000);
        let mut slow = Budget::default();
        assert_eq!(granted(&mut slow, 1_000, 0), RESEND_BYTES_MIN / 1_000);
    }

    /// At how many of a thousand runs of 800 packets losses are found to be dense.
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
