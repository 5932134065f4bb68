//! Detects losses by the camera's sequence numbers.
//!
//! TCP neither reorders nor duplicates packets. So any step other than +1 is a loss or a restart of
//! the numbers, and the packets after it cannot be decoded before the next IDR. Uniview cameras
//! change their SSRC with every GOP; a new SSRC alone is not a loss. The numbers of a few cameras
//! never change: after [`SEQUENCE_REPEATS_MIN`] of one number in a row it means nothing.

use super::header::Header;
use crate::limits::{RTP_GAP_PACKETS_MAX, SEQUENCE_REPEATS_MIN};

/// What a packet's sequence number shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceStep {
    /// The expected number, or the first packet.
    Next,
    /// Packets are missing, or the camera restarted its numbers.
    Loss {
        /// How many packets are missing; 0 where the numbers were restarted.
        missing: u16,
    },
    /// Another SSRC with its own numbers.
    NewSource,
}

/// The last packet's number; all zeros before the first packet.
#[derive(Debug, Default)]
pub struct Sequence {
    last: Option<Last>,
    /// Packets in a row with the number of the one before.
    repeats: u8,
}

#[derive(Debug)]
struct Last {
    sequence: u16,
    ssrc: u32,
}

impl Sequence {
    /// The state before the first packet.
    pub const fn new() -> Self {
        Self { last: None, repeats: 0 }
    }

    /// Compares a packet with the one before it.
    pub fn step(&mut self, header: &Header) -> SequenceStep {
        let last = self.last.replace(Last { sequence: header.sequence, ssrc: header.ssrc });
        let is_repeated = last
            .as_ref()
            .is_some_and(|last| last.sequence == header.sequence && last.ssrc == header.ssrc);
        self.repeats = if is_repeated { self.repeats.saturating_add(1) } else { 0 };
        match last {
            _ if self.repeats >= SEQUENCE_REPEATS_MIN => SequenceStep::Next,
            None => SequenceStep::Next,
            Some(last) if last.sequence.wrapping_add(1) == header.sequence => SequenceStep::Next,
            Some(last) if last.ssrc != header.ssrc => SequenceStep::NewSource,
            Some(last) => SequenceStep::Loss { missing: last.missing_before(header.sequence) },
        }
    }
}

impl Last {
    /// The packets between it and one with the number `sequence`; 0 for a number so far away, or so
    /// far back, that it is of a new sequence.
    fn missing_before(&self, sequence: u16) -> u16 {
        let missing = sequence.wrapping_sub(self.sequence).wrapping_sub(1);
        if missing < RTP_GAP_PACKETS_MAX { missing } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, ssrc: u32) -> Header {
        Header { marker: false, payload_type: 96, sequence, timestamp: 0, ssrc }
    }

    #[test]
    fn gaps_steps_back_and_new_sources_are_told_apart() {
        let mut sequence = Sequence::new();
        for (number, ssrc, step) in [
            (65_535, 1, SequenceStep::Next),
            (0, 1, SequenceStep::Next),
            (2, 1, SequenceStep::Loss { missing: 1 }),
            (3, 1, SequenceStep::Next),
            (3, 1, SequenceStep::Loss { missing: 0 }),
            (40_000, 1, SequenceStep::Loss { missing: 0 }),
            (40_001, 2, SequenceStep::Next),
            (7, 3, SequenceStep::NewSource),
            (8, 3, SequenceStep::Next),
        ] {
            assert_eq!(sequence.step(&header(number, ssrc)), step, "{number}");
        }
    }

    #[test]
    fn a_number_that_never_changes_means_nothing_after_a_while() {
        let mut sequence = Sequence::new();
        sequence.step(&header(7, 1));
        for _ in 1..SEQUENCE_REPEATS_MIN {
            assert_eq!(sequence.step(&header(7, 1)), SequenceStep::Loss { missing: 0 });
        }
        for _ in 0..1000 {
            assert_eq!(sequence.step(&header(7, 1)), SequenceStep::Next);
        }
        assert_eq!(sequence.step(&header(8, 1)), SequenceStep::Next);
        assert_eq!(
            sequence.step(&header(8, 1)),
            SequenceStep::Loss { missing: 0 },
            "it counts again"
        );
    }
}
