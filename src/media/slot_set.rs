//! A set of camera slots, one bit each.

use crate::limits::CAMERAS_MAX;

const WORDS: usize = CAMERAS_MAX.div_ceil(u64::BITS as usize);

/// Some of the camera slots. Who looks for its members passes over 64 slots at a time: the event
/// loop does so for every event, of up to 512 cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotSet {
    words: [u64; WORDS],
}

impl SlotSet {
    /// The set without any slot.
    pub(super) const EMPTY: Self = Self { words: [0; WORDS] };

    /// Whether no slot is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.words == [0; WORDS]
    }

    /// Whether a slot is in it.
    pub(super) fn has(&self, slot: usize) -> bool {
        self.words[slot / 64] & bit(slot) != 0
    }

    /// Puts a slot in, or takes it out.
    pub(super) fn set(&mut self, slot: usize, is_in: bool) {
        let word = &mut self.words[slot / 64];
        *word = if is_in { *word | bit(slot) } else { *word & !bit(slot) };
    }

    /// The slots that are in this one, in the other, or in both.
    pub(super) fn or(mut self, other: &Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(other.words) {
            *word |= other;
        }
        self
    }

    /// The first member that is not below a slot.
    fn first_from(&self, slot: usize) -> Option<usize> {
        let mut at = slot / 64;
        let mut word = self.words.get(at)? & (u64::MAX << (slot % 64));
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(64 * at + word.trailing_zeros() as usize)
    }

    /// Its members, from the lowest on.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + use<'_> {
        std::iter::successors(self.first_from(0), |slot| self.first_from(slot + 1))
    }

    /// Its members, from `start` to the highest and then from the lowest to before `start`.
    pub(super) fn round_from(&self, start: usize) -> impl Iterator<Item = usize> + use<'_> {
        let above = std::iter::successors(self.first_from(start), |slot| self.first_from(slot + 1));
        above.chain(self.iter().take_while(move |slot| *slot < start))
    }
}

const fn bit(slot: usize) -> u64 {
    1 << (slot % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_their_order() {
        let last = CAMERAS_MAX - 1;
        let mut set = SlotSet::EMPTY;
        assert!(set.is_empty() && set.iter().next().is_none());
        for slot in [last, 0, last / 2, last / 2] {
            set.set(slot, true);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, last / 2, last]);
        assert_eq!(set.first_from(1), Some(last / 2));
        assert_eq!(set.first_from(last / 2), Some(last / 2));
        assert_eq!(set.first_from(last + 1), None);
        assert_eq!(set.round_from(1).collect::<Vec<_>>(), [last / 2, last, 0]);
        assert_eq!(set.round_from(0).collect::<Vec<_>>(), [0, last / 2, last]);
        set.set(0, false);
        assert!(!set.has(0) && set.has(last) && !set.is_empty());
        let mut other = SlotSet::EMPTY;
        other.set(1, true);
        assert_eq!(set.or(&other).iter().collect::<Vec<_>>(), [1, last / 2, last]);
    }

    #[test]
    fn a_set_of_all_slots_has_each_once() {
        let mut set = SlotSet::EMPTY;
        (0..CAMERAS_MAX).for_each(|slot| set.set(slot, true));
        assert!(set.iter().eq(0..CAMERAS_MAX));
    }
}
