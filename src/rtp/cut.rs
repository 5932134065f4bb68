//! Cuts NAL units into RTP payloads while copying them into the ring.
//!
//! The cuts do not depend on the packets that the NAL unit arrived in: pieces have exactly the
//! payload size, and the last one may be shorter. A full piece is published when another byte
//! follows it. The last piece is *held* at the end of the NAL unit, and released with or without
//! the marker bit once it is known whether it is the last of its access unit. A NAL unit of one
//! piece is published as it is (RFC 6184 section 5.6, RFC 7798 section 4.4.1), any other as FU-A
//! (section 5.8) or FU (section 4.4.3).

use crate::history::{Chunks, Flags, Ring};

use super::nal::NalHeader;
use super::payload::{FU_END, FU_START};
use super::{h264, h265};

/// Writes packets at the head of a ring.
#[derive(Debug)]
pub struct RingWriter<'r> {
    /// The ring to write to.
    pub ring: &'r mut Ring,
    /// The pool that its chunks come from.
    pub chunks: &'r mut Chunks,
    /// The current monotonic time.
    pub now_us: u64,
}

impl RingWriter<'_> {
    /// Room for at least `bytes` bytes at the head: see [`Ring::reserve`].
    pub fn reserve(&mut self, bytes: usize) -> &mut [u8] {
        self.ring.reserve(self.chunks, bytes, self.now_us)
    }

    /// Publishes part of that room as a packet: see [`Ring::publish`].
    pub fn publish(
        &mut self,
        payload: std::ops::Range<usize>,
        timestamp: u32,
        flags: Flags,
    ) -> u64 {
        self.ring.publish(self.chunks, payload, timestamp, flags)
    }
}

/// The piece being filled, which lies in the ring's reserved room.
#[derive(Debug)]
pub struct Cutter {
    state: State,
    nal_header: NalHeader,
    /// No piece of this NAL unit was published yet.
    first: bool,
    timestamp: u32,
    /// Bytes in the piece, including [`prefix_bytes`].
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    Held,
}

impl Cutter {
    /// A cutter without a piece.
    pub const fn new() -> Self {
        let nal_header = NalHeader::H264(0);
        Self { state: State::Idle, nal_header, first: false, timestamp: 0, bytes: 0 }
    }

    /// Begins a NAL unit. The last piece of the one before must have been released or dropped.
    pub fn begin(&mut self, nal_header: NalHeader, timestamp: u32) {
        debug_assert_eq!(self.state, State::Idle, "a piece is released before the next");
        let bytes = prefix_bytes(nal_header);
        *self = Self { state: State::Open, nal_header, first: true, timestamp, bytes };
    }

    /// Takes more bytes of the NAL unit, after its header.
    pub fn bytes(&mut self, mut bytes: &[u8], payload_bytes: usize, head: &mut RingWriter) {
        while !bytes.is_empty() {
            if self.bytes == payload_bytes {
                self.publish(false, Flags::NONE, head);
                self.first = false;
                self.bytes = prefix_bytes(self.nal_header);
            }
            let (now, later) = bytes.split_at(bytes.len().min(payload_bytes - self.bytes));
            let room = head.reserve(payload_bytes);
            room[self.bytes..self.bytes + now.len()].copy_from_slice(now);
            self.bytes += now.len();
            bytes = later;
        }
    }

    /// Ends the NAL unit: its last piece is held.
    pub fn end(&mut self) {
        self.state = State::Held;
    }

    /// Publishes the held piece with these flags, if there is one.
    pub fn release(&mut self, flags: Flags, head: &mut RingWriter) {
        if self.state == State::Held {
            self.publish(true, flags, head);
            self.state = State::Idle;
        }
    }

    /// Drops the current piece, held or not.
    pub fn drop_piece(&mut self) {
        self.state = State::Idle;
    }

    /// Publishes the piece; `last` if it is the NAL unit's last. The ring still reserves its room.
    fn publish(&mut self, last: bool, flags: Flags, head: &mut RingWriter) {
        let room = head.reserve(self.bytes);
        let start = if self.first && last {
            let header = self.nal_header.bytes();
            room[1..=header.len()].copy_from_slice(header);
            1
        } else {
            let position = match (self.first, last) {
                (true, _) => FU_START,
                (false, true) => FU_END,
                (false, false) => 0,
            };
            match self.nal_header {
                NalHeader::H264(header) => {
                    room[..2].copy_from_slice(&h264::fragment_prefix(header, position));
                }
                NalHeader::H265(header) => {
                    room[..3].copy_from_slice(&h265::fragment_prefix(header, position));
                }
            }
            0
        };
        head.publish(start..self.bytes, self.timestamp, flags);
    }
}

/// Bytes before a fragment: one more than the NAL unit's header has.
fn prefix_bytes(nal_header: NalHeader) -> usize {
    nal_header.bytes().len() + 1
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}
