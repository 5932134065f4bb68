//! Checks the memory of a fuzzing entry: at most a bound at once, by the length of its input, and
//! nothing that is kept.
//!
//! Some things are made by the first input that needs them and stay for all others: a certificate,
//! an arena, a table's first entries. So an input that exceeds a bound is tried once more, and all
//! that is kept since the first input has a bound of its own, which a leak exceeds even if it is a
//! few bytes per input.

use std::cell::Cell;

use super::Target;
use crate::clock;
use crate::mem::counting::{held_bytes, peak_of};
#[cfg(test)]
use crate::mem::heap;

/// Bytes that all targets together may keep of what is made once.
const ONCE_BYTES_MAX: isize = 128 << 10;

/// How long to wait until another thread frees what it was given, such as the one that hashes
/// passwords.
const OTHERS_US_MAX: u64 = 2_000_000;

thread_local! {
    /// Bytes that this thread held before its first input.
    static BEGIN: Cell<Option<isize>> = const { Cell::new(None) };
}

/// Runs a target's entry and asserts its bounds; returns the most bytes that it held at once.
pub(super) fn check(target: &Target, input: &[u8]) -> usize {
    match judge(target, input) {
        Ok(peak) => peak,
        Err(excess) => panic!("{}: {excess}", target.name),
    }
}

fn judge(target: &Target, input: &[u8]) -> Result<usize, String> {
    // In the unit tests, the first use of each thread's library heap creates it.
    #[cfg(test)]
    heap::shared_bytes();
    let begin = BEGIN.get().unwrap_or_else(held_bytes);
    BEGIN.set(Some(begin));
    let len = input.len();
    let max = target.bytes_max + target.bytes_per_byte_max * len;
    let mut before = held_bytes();
    let mut peak = peak_of(|| (target.entry)(input));
    if held_bytes() > before || peak > max {
        before = held_bytes();
        peak = peak_of(|| (target.entry)(input));
    }
    if peak > max {
        return Err(format!("{peak} bytes at once for an input of {len}, max {max}"));
    }
    let kept = held_beyond(before);
    if kept > 0 {
        return Err(format!("{kept} bytes stay of an input of {len}, each time"));
    }
    let all = held_beyond(begin + ONCE_BYTES_MAX);
    if all > 0 {
        return Err(format!("{all} bytes and {ONCE_BYTES_MAX} stay of all inputs so far"));
    }
    Ok(peak)
}

/// Bytes held beyond `bytes`, after a wait for other threads to free what they were given.
fn held_beyond(bytes: isize) -> isize {
    let begin_us = clock::now_us();
    while held_bytes() > bytes && clock::now_us() < begin_us + OTHERS_US_MAX {
        std::thread::yield_now();
    }
    held_bytes() - bytes
}

#[cfg(test)]
pub(super) use counted::Counted;

#[cfg(test)]
mod counted {
    use std::fmt;

    /// Inputs up to this length show what a target takes whatever its input is.
    const SHORT_BYTES: usize = 64;

    /// Classes of longer inputs, by power of two of the length.
    const CLASSES: usize = 16;

    /// The highest peaks seen of a target, to set its bounds by. Has a fixed size, as it is counted
    /// itself.
    #[derive(Debug, Default)]
    pub(crate) struct Counted {
        short: usize,
        /// Length and peak of the input that took most in each class.
        longer: [(usize, usize); CLASSES],
    }

    impl Counted {
        /// Takes an input's peak into account.
        pub(crate) fn include(&mut self, peak: usize, input: &[u8]) {
            if input.len() <= SHORT_BYTES {
                self.short = self.short.max(peak);
                return;
            }
            let class = (input.len().ilog2() as usize).min(CLASSES - 1);
            if peak > self.longer[class].1 {
                self.longer[class] = (input.len(), peak);
            }
        }
    }

    impl fmt::Display for Counted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let beyond =
                |(len, peak): &(usize, usize)| peak.saturating_sub(self.short) / len.max(&1);
            let per_byte = self.longer.iter().map(beyond).max().unwrap_or_default();
            let most = self.longer.iter().map(|(_, peak)| *peak).fold(self.short, usize::max);
            write!(
                f,
                "{} bytes for short inputs, {per_byte} more per byte, {most} at most",
                self.short
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, OnceLock};

    use super::super::target;
    use super::*;

    fn judged(entry: fn(&[u8]), input: &[u8]) -> Result<usize, String> {
        judge(&target("tried", entry, 256, 4), input)
    }

    #[test]
    fn an_entry_that_keeps_its_input_is_caught() {
        let keeps = |input: &[u8]| std::mem::forget(input.to_vec());
        let excess = judged(keeps, &[7; 1000]).expect_err("it stays");
        assert!(excess.ends_with("bytes stay of an input of 1000, each time"), "{excess}");
        assert!(judged(|input| drop(input.to_vec()), &[7; 1000]).is_ok());
    }

    #[test]
    fn an_entry_that_keeps_each_new_input_once_is_caught() {
        static KNOWN: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());
        let remembers = |input: &[u8]| {
            KNOWN.lock().expect("ours").insert(input.to_vec());
        };
        let mut inputs = (0..2000_u16).map(|n| n.to_be_bytes().repeat(50));
        let excess = inputs.find_map(|input| judged(remembers, &input).err());
        let excess = excess.expect("200 KB stay");
        assert!(excess.ends_with("stay of all inputs so far"), "{excess}");
        KNOWN.lock().expect("ours").clear();
    }

    #[test]
    fn an_entry_that_takes_too_much_at_once_is_caught() {
        let swells = |input: &[u8]| drop(std::hint::black_box(vec![0_u8; 5 * input.len()]));
        assert!(judged(swells, &[0; 10]).is_ok());
        let excess = judged(swells, &[0; 1000]).expect_err("five for one");
        assert!(excess.ends_with("bytes at once for an input of 1000, max 4256"), "{excess}");
    }

    #[test]
    fn what_the_first_input_makes_for_all_may_stay() {
        static ONCE: OnceLock<Vec<u8>> = OnceLock::new();
        let prepares = |_: &[u8]| {
            ONCE.get_or_init(|| vec![0; 1000]);
        };
        assert_eq!(judged(prepares, &[]), Ok(0));
    }
}
