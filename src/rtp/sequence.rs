//! Losses, by the camera's sequence numbers.
//!
//! Over TCP packets are neither reordered nor doubled, so any step but one forward is a loss or a
//! new count: either way what follows cannot be decoded before the next IDR. Uniview cameras
//! change their SSRC with every GOP; a new SSRC alone is not a loss.

use super::header::Header;

/// What a packet's number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The one expected, or the first.
    Next,
    /// Packets are missing, or the camera counts anew.
    Loss,
    /// Another SSRC with another count.
    NewSource,
}

/// The number expected next. All zeros: none yet.
#[derive(Debug, Default)]
pub struct Sequence {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    sequence: u16,
    ssrc: u32,
}

impl Sequence {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// Takes note of a packet.
    pub fn step(&mut self, header: &Header) -> Step {
        let last = self.last.replace(Last { sequence: header.sequence, ssrc: header.ssrc });
        match last {
            None => Step::Next,
            Some(last) if last.sequence.wrapping_add(1) == header.sequence => Step::Next,
            Some(last) if last.ssrc != header.ssrc => Step::NewSource,
            Some(_) => Step::Loss,
        }
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
            (65_535, 1, Step::Next),
            (0, 1, Step::Next),
            (2, 1, Step::Loss),
            (3, 1, Step::Next),
            (3, 1, Step::Loss),
            (40_000, 1, Step::Loss),
            (40_001, 2, Step::Next),
            (7, 3, Step::NewSource),
            (8, 3, Step::Next),
        ] {
            assert_eq!(sequence.step(&header(number, ssrc)), step, "{number}");
        }
    }
}
