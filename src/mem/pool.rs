//! The carry pool: memory for interleaved frames that a read left unfinished, in three tiers.
//!
//! A frame's length is known from its first four bytes, so it gets a carry slot of the smallest
//! tier that holds it whole. If that tier and the larger ones are empty, the frame is dropped: the
//! caller learns which tier was missed, and skips the frame's remaining bytes.
//!
//! The reorder pool is the like for UDP: memory for packets that came before their time.

use crate::limits::{
    CAMERA_DATAGRAM_BYTES, CARRY_LARGE_BYTES, CARRY_MEDIUM_BYTES, CARRY_SMALL_BYTES, PROFILE,
};
use crate::status::Counts;

/// The sizes of a carry slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Slots of [`CARRY_SMALL_BYTES`].
    Small = 0,
    /// Slots of [`CARRY_MEDIUM_BYTES`].
    Medium = 1,
    /// Slots of [`CARRY_LARGE_BYTES`].
    Large = 2,
}

/// A slot in use. Not `Clone`: it must be given back with [`CarryPool::give`].
#[derive(Debug)]
pub struct Carry {
    tier: Tier,
    index: u16,
}

/// The pool's memory. Zeros are a valid state, so it can be a static.
#[derive(Debug)]
pub struct CarryPool {
    small: Slots<CARRY_SMALL_BYTES, { PROFILE.carry_small }>,
    medium: Slots<CARRY_MEDIUM_BYTES, { PROFILE.carry_medium }>,
    large: Slots<CARRY_LARGE_BYTES, { PROFILE.carry_large }>,
}

impl CarryPool {
    /// A pool with no slot in use.
    pub const fn new() -> Self {
        Self { small: Slots::new(), medium: Slots::new(), large: Slots::new() }
    }

    /// Takes a slot for at least `bytes` bytes, from the smallest tier that has one.
    ///
    /// # Errors
    /// The tier that should have held it, if that one and the larger ones have no free slot. More
    /// than [`CARRY_LARGE_BYTES`] never fits.
    pub fn take(&mut self, bytes: usize) -> Result<Carry, Tier> {
        let wanted = if bytes <= CARRY_SMALL_BYTES {
            Tier::Small
        } else if bytes <= CARRY_MEDIUM_BYTES {
            Tier::Medium
        } else {
            Tier::Large
        };
        if bytes > CARRY_LARGE_BYTES {
            return Err(wanted);
        }
        for tier in [Tier::Small, Tier::Medium, Tier::Large] {
            let index = match tier {
                _ if tier < wanted => None,
                Tier::Small => self.small.take(),
                Tier::Medium => self.medium.take(),
                Tier::Large => self.large.take(),
            };
            if let Some(index) = index {
                return Ok(Carry { tier, index });
            }
        }
        Err(wanted)
    }

    /// Gives a slot back to the pool.
    pub fn give(&mut self, carry: Carry) {
        match carry.tier {
            Tier::Small => self.small.give(carry.index),
            Tier::Medium => self.medium.give(carry.index),
            Tier::Large => self.large.give(carry.index),
        }
    }

    /// The bytes of a slot.
    pub fn bytes(&self, carry: &Carry) -> &[u8] {
        match carry.tier {
            Tier::Small => &self.small.bytes[usize::from(carry.index)],
            Tier::Medium => &self.medium.bytes[usize::from(carry.index)],
            Tier::Large => &self.large.bytes[usize::from(carry.index)],
        }
    }

    /// The bytes of a slot, for writing.
    pub fn bytes_mut(&mut self, carry: &Carry) -> &mut [u8] {
        match carry.tier {
            Tier::Small => &mut self.small.bytes[usize::from(carry.index)],
            Tier::Medium => &mut self.medium.bytes[usize::from(carry.index)],
            Tier::Large => &mut self.large.bytes[usize::from(carry.index)],
        }
    }

    /// The number of slots in use, by tier.
    pub fn in_use(&self) -> [usize; 3] {
        self.counts().map(|counts| counts.used)
    }

    /// Use counts of each tier. A tier without a free slot counts as full, even if a larger one
    /// helps out.
    pub fn counts(&self) -> [Counts; 3] {
        [self.small.counts, self.medium.counts, self.large.counts]
    }
}

impl Default for CarryPool {
    fn default() -> Self {
        Self::new()
    }
}

/// The memory of packets that wait for an earlier one. Zeros are a valid state.
#[derive(Debug)]
pub struct ReorderPool(Slots<CAMERA_DATAGRAM_BYTES, { PROFILE.reorder_packets }>);

impl ReorderPool {
    /// A pool with no slot in use.
    pub const fn new() -> Self {
        Self(Slots::new())
    }

    /// Copies a packet of a camera that has `held` slots to another one. A camera may have as many
    /// as it leaves free: so one alone gets half of the pool at most, and each further one still
    /// finds some. `None` beyond that, or for a packet larger than a slot.
    pub fn take(&mut self, packet: &[u8], held: usize) -> Option<u16> {
        if packet.len() > CAMERA_DATAGRAM_BYTES {
            return None;
        }
        if held >= PROFILE.reorder_packets - self.0.counts.used {
            self.0.counts.full += 1;
            return None;
        }
        let slot = self.0.take()?;
        self.0.bytes[usize::from(slot)][..packet.len()].copy_from_slice(packet);
        Some(slot)
    }

    /// The first `bytes` bytes of a slot, which are those of its packet.
    pub fn bytes(&self, slot: u16, bytes: u16) -> &[u8] {
        &self.0.bytes[usize::from(slot)][..usize::from(bytes)]
    }

    /// Gives a slot back to the pool.
    pub fn give(&mut self, slot: u16) {
        self.0.give(slot);
    }

    /// The use counts of the pool; it counts as full when a camera may have no more.
    pub fn counts(&self) -> Counts {
        self.0.counts
    }
}

impl Default for ReorderPool {
    fn default() -> Self {
        Self::new()
    }
}

/// `N` slots of one size.
#[derive(Debug)]
struct Slots<const BYTES: usize, const N: usize> {
    bytes: [[u8; BYTES]; N],
    used: [bool; N],
    counts: Counts,
}

impl<const BYTES: usize, const N: usize> Slots<BYTES, N> {
    const fn new() -> Self {
        Self { bytes: [[0; BYTES]; N], used: [false; N], counts: Counts::ZERO }
    }

    fn take(&mut self) -> Option<u16> {
        let Some(index) = self.used.iter().position(|used| !used) else {
            self.counts.full += 1;
            return None;
        };
        self.used[index] = true;
        self.counts.take();
        u16::try_from(index).ok()
    }

    fn give(&mut self, index: u16) {
        debug_assert!(self.used[usize::from(index)], "a carry is given back once");
        self.used[usize::from(index)] = false;
        self.counts.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::arena::Arena;

    #[test]
    fn a_full_tier_borrows_from_the_next_and_names_the_one_it_missed() {
        static POOL: Arena<CarryPool> = Arena::new(CarryPool::new());
        let pool = POOL.take().expect("first");
        let all = PROFILE.carry_small + PROFILE.carry_medium + PROFILE.carry_large;
        let mut taken: Vec<Carry> = (0..all).map(|_| pool.take(100).expect("room")).collect();
        assert_eq!(taken[PROFILE.carry_small].tier, Tier::Medium);
        assert_eq!(pool.take(100).unwrap_err(), Tier::Small);
        assert_eq!(pool.take(60_000).unwrap_err(), Tier::Large);
        let [small, _, large] = pool.counts();
        let used = PROFILE.carry_small;
        let full = (all - used + 1) as u64;
        assert_eq!(small, Counts { used, most: used, full });
        assert_eq!((large.used, large.full), (PROFILE.carry_large, 2));
        pool.give(taken.pop().expect("last"));
        assert_eq!(pool.take(60_000).expect("released").tier, Tier::Large);
    }

    #[test]
    fn the_largest_frame_fits_and_one_byte_more_does_not() {
        static POOL: Arena<CarryPool> = Arena::new(CarryPool::new());
        let pool = POOL.take().expect("first");
        let carry = pool.take(CARRY_LARGE_BYTES).expect("fits");
        assert!(pool.bytes(&carry).len() >= 4 + usize::from(u16::MAX));
        assert_eq!(pool.take(CARRY_LARGE_BYTES + 1).unwrap_err(), Tier::Large);
    }

    #[test]
    fn a_camera_may_have_as_many_reorder_slots_as_it_leaves_free() {
        static POOL: Arena<ReorderPool> = Arena::new(ReorderPool::new());
        let pool = POOL.take().expect("first");
        let fill = |pool: &mut ReorderPool| {
            let slots = (0..).map_while(|held| pool.take(&[7; 100], held));
            slots.collect::<Vec<u16>>()
        };
        let first = fill(pool);
        assert_eq!(first.len(), PROFILE.reorder_packets / 2);
        let second = fill(pool);
        assert!(second.len() >= PROFILE.reorder_packets / 4 && !second.is_empty());
        assert!(pool.take(&[7; 100], 0).is_some(), "and a third finds one");
        assert_eq!(pool.counts().full, 2);
        assert_eq!(pool.bytes(second[0], 100), [7; 100]);
        first.into_iter().for_each(|slot| pool.give(slot));
        assert!(pool.take(&[7; CAMERA_DATAGRAM_BYTES], 0).is_some());
        assert_eq!(pool.take(&[7; CAMERA_DATAGRAM_BYTES + 1], 0), None);
    }
}
