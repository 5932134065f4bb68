//! The history of one camera's sound: the latest payloads, in plaintext, read by all its viewers.
//!
//! Sound is 50 packets a second of 160 to 320 bytes, and every viewer is served after each read of
//! the camera. So the ring is small, and fixed for each camera: a packet stays until the ring comes
//! round to its bytes. Indexes never restart. Nothing is kept back for a viewer that is behind: it
//! goes on at what is left.

use crate::limits::{PAYLOAD_BYTES_MAX, SOUND_RING_BYTES, SOUND_RING_PACKETS};

use super::packet::{Flags, Packet};

/// The latest packets of a camera's sound; all zeros while empty.
#[derive(Debug)]
pub struct SoundRing {
    /// The index of the packet that is published next.
    head: u64,
    /// The oldest index that is held.
    tail: u64,
    /// Where the next payload begins.
    next: usize,
    places: [Place; SOUND_RING_PACKETS],
    bytes: [u8; SOUND_RING_BYTES],
}

/// A packet's place in the bytes, at its index modulo [`SOUND_RING_PACKETS`].
#[derive(Debug, Clone, Copy)]
struct Place {
    timestamp: u32,
    offset: u16,
    bytes: u16,
    flags: Flags,
}

const _: () = assert!(SOUND_RING_BYTES >= 2 * PAYLOAD_BYTES_MAX && SOUND_RING_BYTES <= 1 << 16);

impl SoundRing {
    /// A ring without any packet.
    pub const fn new() -> Self {
        const NOWHERE: Place = Place { timestamp: 0, offset: 0, bytes: 0, flags: Flags::NONE };
        Self {
            head: 0,
            tail: 0,
            next: 0,
            places: [NOWHERE; SOUND_RING_PACKETS],
            bytes: [0; SOUND_RING_BYTES],
        }
    }

    /// Publishes a payload of 1 to [`PAYLOAD_BYTES_MAX`] bytes; another one is dropped.
    pub fn publish(&mut self, payload: &[u8], timestamp: u32, flags: Flags) {
        if !(1..=PAYLOAD_BYTES_MAX).contains(&payload.len()) {
            return;
        }
        if self.next + payload.len() > SOUND_RING_BYTES {
            // What is left at the end is too short. The packets there are the oldest.
            self.give_up(self.next..SOUND_RING_BYTES);
            self.next = 0;
        }
        let taken = self.next..self.next + payload.len();
        self.give_up(taken.clone());
        if self.head - self.tail == SOUND_RING_PACKETS as u64 {
            self.tail += 1;
        }
        self.bytes[taken.clone()].copy_from_slice(payload);
        #[allow(clippy::cast_possible_truncation)] // the assert above: 16 bits hold each
        let (offset, bytes) = (self.next as u16, payload.len() as u16);
        self.places[slot(self.head)] = Place { timestamp, offset, bytes, flags };
        self.next = taken.end;
        self.head += 1;
    }

    /// Gives up the oldest packets as long as they have bytes in `taken`.
    fn give_up(&mut self, taken: std::ops::Range<usize>) {
        while self.tail < self.head {
            let oldest = self.places[slot(self.tail)];
            let (begin, end) =
                (usize::from(oldest.offset), usize::from(oldest.offset + oldest.bytes));
            if begin >= taken.end || end <= taken.start {
                return;
            }
            self.tail += 1;
        }
    }

    /// The packet with this index; `None` when it is not held.
    pub fn packet(&self, index: u64) -> Option<Packet<'_>> {
        if !(self.tail..self.head).contains(&index) {
            return None;
        }
        let Place { timestamp, offset, bytes, flags } = self.places[slot(index)];
        let begin = usize::from(offset);
        let payload = &self.bytes[begin..begin + usize::from(bytes)];
        Some(Packet { index, payload, timestamp, flags })
    }

    /// The index of the packet that is published next.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest index that is held; the head when none is.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Gives up every packet. Indexes continue.
    pub fn forget(&mut self) {
        self.tail = self.head;
    }
}

impl Default for SoundRing {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::cast_possible_truncation)] // below the number of places
fn slot(index: u64) -> usize {
    (index % SOUND_RING_PACKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload that shows its index and length.
    fn payload(index: u64, bytes: usize) -> Vec<u8> {
        let byte = |at: usize| (7 * index + at as u64).to_le_bytes()[0];
        (0..bytes).map(byte).collect()
    }

    #[test]
    fn what_is_held_is_whole_whatever_the_lengths_are() {
        let mut ring = Box::new(SoundRing::new());
        let mut lengths = Vec::new();
        for index in 0..10_000_u32 {
            let random = index.wrapping_mul(0x9e37_79b9).to_le_bytes()[3] & 7;
            let bytes = match random {
                0 => PAYLOAD_BYTES_MAX,
                1 | 2 => 1,
                random => 160 * usize::from(random) / 3,
            };
            lengths.push(bytes);
            let flags = if index % 3 == 0 { Flags::MARKER } else { Flags::NONE };
            ring.publish(&payload(index.into(), bytes), index, flags);
            assert_eq!(ring.head(), u64::from(index) + 1);
            assert!(ring.tail() <= u64::from(index), "the newest is held");
            for held in ring.tail()..ring.head() {
                let packet = ring.packet(held).expect("held");
                let number = u32::try_from(held).expect("few");
                let bytes = lengths[usize::try_from(held).expect("few")];
                assert_eq!(packet.payload, payload(held, bytes), "{held}");
                assert_eq!((packet.index, packet.timestamp), (held, number));
                assert_eq!(packet.flags.marker(), number % 3 == 0);
            }
            assert!(ring.packet(ring.head()).is_none());
            assert!(ring.tail() == 0 || ring.packet(ring.tail() - 1).is_none());
        }
    }

    #[test]
    fn half_a_second_of_sound_is_held_and_never_more_packets_than_places() {
        let mut ring = Box::new(SoundRing::new());
        (0..1_000).for_each(|index| ring.publish(&payload(index, 160), 0, Flags::NONE));
        assert!(ring.head() - ring.tail() >= 25, "{} packets of 20 ms", ring.head() - ring.tail());
        (0..1_000).for_each(|index| ring.publish(&payload(index, 1), 0, Flags::NONE));
        assert_eq!(ring.head() - ring.tail(), SOUND_RING_PACKETS as u64);
        ring.publish(&[0; PAYLOAD_BYTES_MAX + 1], 0, Flags::NONE);
        ring.publish(&[], 0, Flags::NONE);
        assert_eq!(ring.head(), 2_000, "neither is a packet's");
        ring.forget();
        assert_eq!((ring.tail(), ring.packet(1_999).is_none()), (2_000, true));
    }
}
