//! A subscription's position in a history ring, and the numbers that its packets are sealed under.
//!
//! The nonce rule: under one key, one (SSRC, number) seals one plaintext, for ever. Therefore a
//! number is spent when a packet is sealed, whether or not it is sent. Each uninterrupted run
//! through the ring is a *mapping* from ring index to number. A new mapping starts above the
//! highest number spent. A resend is answered only within the current mapping, where index and
//! number still mean the same packet.

/// RTP packet numbers have 48 bits: roll-over counter and sequence number (RFC 3711 section 3.3.1).
const NUMBERS: u64 = 1 << 48;

/// The next packet's index and number, and the numbers spent before.
#[derive(Debug)]
pub struct Cursor {
    mapping: Option<Mapping>,
    /// The lowest number never spent.
    next_number: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    first_index: u64,
    first_number: u64,
}

/// A packet to seal: its index in the ring and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealSlot {
    /// The stream-wide index of the packet.
    pub index: u64,
    /// The 48-bit number that it is sealed under.
    pub number: u64,
}

impl SealSlot {
    /// The RTP sequence number: the low 16 bits.
    #[allow(clippy::cast_possible_truncation)] // the low 16 bits are the sequence number
    pub fn sequence(&self) -> u16 {
        self.number as u16
    }
}

impl Cursor {
    /// A cursor without a mapping. The first sequence number, 1 to 2^15 - 1, is made from `random`.
    /// With a higher one, a receiver that misses the first packets before a wrap would guess the
    /// wrong roll-over counter.
    pub fn new(random: u16) -> Self {
        Self { mapping: None, next_number: u64::from(random & 0x7fff).max(1) }
    }

    /// Whether it has no mapping, because it waits for a key frame.
    pub fn is_waiting(&self) -> bool {
        self.mapping.is_none()
    }

    /// Begins a new mapping at ring index `index`.
    pub fn begin(&mut self, index: u64) {
        let first_number = self.next_number;
        self.mapping = Some(Mapping { first_index: index, first_number });
    }

    /// Ends the current mapping: nothing is sent or resent until [`Cursor::begin`].
    pub fn pause(&mut self) {
        self.mapping = None;
    }

    /// The next packet; `None` while waiting, or when all numbers are spent.
    pub fn next(&self) -> Option<SealSlot> {
        self.slot(self.next_number).filter(|slot| slot.number < NUMBERS)
    }

    /// Spends the number of [`Cursor::next`]. Called once its packet is sealed.
    pub fn spend(&mut self) {
        self.next_number += 1;
    }

    /// The packet that was sealed under `sequence`; `None` if that was not in the current mapping.
    pub fn sealed(&self, sequence: u16) -> Option<SealSlot> {
        let highest = self.next_number.checked_sub(1)?;
        #[allow(clippy::cast_possible_truncation)] // sequence numbers are the low 16 bits
        let behind = u64::from((highest as u16).wrapping_sub(sequence));
        self.slot(highest.checked_sub(behind)?)
    }

    /// The packet with a number; `None` for numbers before the current mapping.
    pub fn slot(&self, number: u64) -> Option<SealSlot> {
        let mapping = self.mapping?;
        let offset = number.checked_sub(mapping.first_number)?;
        Some(SealSlot { index: mapping.first_index + offset, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_between_1_and_the_middle_of_the_sequence_space() {
        for random in [0, 1, 0x7fff, 0x8000, 0xffff] {
            let mut cursor = Cursor::new(random);
            cursor.begin(5);
            let slot = cursor.next().unwrap();
            assert_eq!(slot.index, 5);
            assert!((1..0x8000).contains(&slot.number));
        }
    }

    #[test]
    fn numbers_go_on_over_mappings_and_indexes_follow_the_ring() {
        let mut cursor = Cursor::new(100);
        assert_eq!(cursor.next(), None);
        cursor.begin(1000);
        cursor.spend();
        cursor.spend();
        assert_eq!(cursor.next(), Some(SealSlot { index: 1002, number: 102 }));
        cursor.pause();
        assert_eq!(cursor.next(), None);
        cursor.begin(2000);
        assert_eq!(cursor.next(), Some(SealSlot { index: 2000, number: 102 }));
    }

    #[test]
    fn a_resend_stays_within_the_mapping() {
        let mut cursor = Cursor::new(0x7ffe);
        cursor.begin(0);
        for _ in 0..0x1_0000 {
            cursor.spend();
        }
        cursor.pause();
        assert_eq!(cursor.sealed(0x7ffe), None, "no mapping");
        cursor.begin(70_000);
        assert_eq!(cursor.sealed(0x7ffd), None, "sealed before this mapping");
        assert_eq!(cursor.sealed(0x7ffe), None, "not sealed yet");
        cursor.spend();
        assert_eq!(cursor.sealed(0x7ffe), Some(SealSlot { index: 70_000, number: 0x1_7ffe }));
        assert_eq!(cursor.sealed(0x7fff), None, "not sealed yet");
    }
}
