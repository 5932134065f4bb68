//! When a demo camera sent each picture, so that a viewer of it in the same process can say how
//! long it took, and whether each came.

use std::cell::{Cell, RefCell};
use std::ops::Range;

/// Bytes at the end of a picture that say which of the clip's it is.
pub(super) const MARK_BYTES: usize = 2;
/// In each byte of a mark, so that none is zero.
const MARK_BIT: u8 = 0x80;
const DIGIT_BITS: usize = 7;

/// The mark of the picture with this index in the clip, below 2^14.
pub(super) fn mark(index: usize) -> [u8; MARK_BYTES] {
    let digit = |value: usize| MARK_BIT | u8::try_from(value & 0x7f).expect("seven bits");
    [digit(index >> DIGIT_BITS), digit(index)]
}

/// The pictures that one camera sent: when each of the clip's was sent last, and how many were sent
/// in a window of time.
#[derive(Debug)]
pub struct SentPictures {
    /// By index in the clip, in microseconds.
    at_us: RefCell<Vec<u64>>,
    window_us: Cell<(u64, u64)>,
    in_window: Cell<u64>,
}

impl SentPictures {
    /// Nothing sent yet, of a clip with so many pictures.
    pub fn new(pictures: usize) -> Self {
        let at_us = RefCell::new(vec![0; pictures]);
        Self { at_us, window_us: Cell::new((0, 0)), in_window: Cell::new(0) }
    }

    /// Counts the pictures that are sent from now on and within these microseconds.
    pub fn begin_window(&self, times_us: &Range<u64>) {
        self.window_us.set((times_us.start, times_us.end));
        self.in_window.set(0);
    }

    /// How many pictures were sent within the window.
    pub fn in_window(&self) -> u64 {
        self.in_window.get()
    }

    /// Notes that a picture is sent now.
    pub(super) fn note(&self, index: usize, now_us: u64) {
        if let Some(at_us) = self.at_us.borrow_mut().get_mut(index) {
            *at_us = now_us;
        }
        if self.is_in_window(now_us) {
            self.in_window.set(self.in_window.get() + 1);
        }
    }

    /// When the picture was sent whose last packet has this payload, if that was in the window.
    pub fn sent_in_window_us(&self, payload: &[u8]) -> Option<u64> {
        let [high, low] = *payload.last_chunk::<MARK_BYTES>()?;
        let digit = |byte: u8| usize::from(byte & !MARK_BIT);
        let index = digit(high) << DIGIT_BITS | digit(low);
        let at_us = self.at_us.borrow().get(index).copied()?;
        self.is_in_window(at_us).then_some(at_us)
    }

    fn is_in_window(&self, at_us: u64) -> bool {
        let (begin_us, end_us) = self.window_us.get();
        (begin_us..end_us).contains(&at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_end_and_counts_in_the_window_alone() {
        let sent = SentPictures::new(250);
        sent.begin_window(&(1_000..2_000));
        for (index, at_us) in [(0, 999), (129, 1_000), (249, 1_999), (1, 2_000)] {
            sent.note(index, at_us);
        }
        assert_eq!(sent.in_window(), 2);
        let payload = |index| [&[0x41, 0x9a][..], &mark(index)].concat();
        assert_eq!(sent.sent_in_window_us(&payload(129)), Some(1_000));
        assert_eq!(sent.sent_in_window_us(&payload(249)), Some(1_999));
        for none in [payload(0), payload(1), payload(250), vec![0x80], Vec::new()] {
            assert_eq!(sent.sent_in_window_us(&none), None, "{none:?}");
        }
    }
}
