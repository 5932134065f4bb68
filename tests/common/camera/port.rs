//! The port that a camera writes through: a frame takes the time its bytes take on the wire, and
//! the next one waits for its end, as with a key frame that is longer than a frame interval.

use std::collections::VecDeque;

use super::picture::Stamp;

/// Four TCP segments of Ethernet: about what a read finds while a port of 100 Mbit/s is busy.
const PIECE_BYTES: usize = 4 * 1448;

/// A port of so many Mbit/s, and what waits for it.
#[derive(Debug)]
pub(super) struct Port {
    mbit_s: u32,
    waiting: VecDeque<Frame>,
    /// When the last byte of what waits has left.
    idle_us: u64,
    /// The due piece is in the cameras' list of times.
    is_listed: bool,
}

#[derive(Debug)]
struct Frame {
    burst: Vec<u8>,
    stamp: Option<Stamp>,
    /// When its first bit leaves.
    start_us: u64,
    written: usize,
}

/// What has arrived at the other end of the wire.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Stands at the end of the frame's last piece.
    pub(super) stamp: Option<Stamp>,
}

impl Port {
    pub(super) fn new(mbit_s: u32) -> Self {
        Self { mbit_s, waiting: VecDeque::new(), idle_us: 0, is_listed: false }
    }

    /// Takes a frame that is ready at `at_us`.
    pub(super) fn put(&mut self, burst: Vec<u8>, stamp: Option<Stamp>, at_us: u64) {
        let start_us = self.idle_us.max(at_us);
        self.idle_us = start_us + self.us_of(burst.len());
        self.waiting.push_back(Frame { burst, stamp, start_us, written: 0 });
    }

    /// When the next piece is due, if it is to be listed.
    pub(super) fn list(&mut self) -> Option<u64> {
        if self.is_listed {
            return None;
        }
        let frame = self.waiting.front()?;
        self.is_listed = true;
        let end = (frame.written + PIECE_BYTES).min(frame.burst.len());
        Some(frame.start_us + self.us_of(end))
    }

    /// A frame has left in part: nothing else may be written now.
    pub(super) fn is_within_frame(&self) -> bool {
        self.waiting.front().is_some_and(|frame| frame.written > 0)
    }

    /// Its time came: it has to be listed again.
    pub(super) fn unlist(&mut self) {
        self.is_listed = false;
    }

    /// Everything that has left by `now_us`, of one frame at most.
    pub(super) fn take(&mut self, now_us: u64) -> Option<Piece> {
        let mbit_s = u64::from(self.mbit_s);
        let frame = self.waiting.front_mut()?;
        let bytes = now_us.saturating_sub(frame.start_us) * mbit_s / 8;
        let left = usize::try_from(bytes).expect("a frame's time is short");
        let end = if left >= frame.burst.len() {
            frame.burst.len()
        } else {
            left / PIECE_BYTES * PIECE_BYTES
        };
        if end <= frame.written {
            return None;
        }
        let bytes = frame.burst[frame.written..end].to_vec();
        frame.written = end;
        let is_last = end == frame.burst.len();
        let stamp = frame.stamp.filter(|_| is_last);
        if is_last {
            self.waiting.pop_front();
        }
        Some(Piece { bytes, stamp })
    }

    /// The time of so many bytes, rounded up.
    fn us_of(&self, bytes: usize) -> u64 {
        (bytes as u64 * 8).div_ceil(u64::from(self.mbit_s))
    }
}
