//! The memory of all history rings: one pool of [`CHUNKS_MAX`] chunks, each with the bytes of some
//! packets and one descriptor per packet. No ring owns chunks for good; [`crate::stream::store`]
//! decides which ring gives chunks up when another needs them.
//!
//! All zeros are a valid empty state, so a static of it takes no bytes in the program file.

use std::ops::Range;

use crate::limits::{CHUNK_PACKETS_MAX, CHUNKS_MAX, PROFILE};
use crate::status::Counts;

use super::packet::Flags;

/// The pool of chunks.
///
/// Rings look at the states of chunks for every read: they lie together, so that they stay in the
/// CPU's cache while packets pass through it.
#[derive(Debug)]
pub struct Chunks {
    states: [ChunkState; CHUNKS_MAX],
    chunks: [Chunk; CHUNKS_MAX],
    /// Chunks from this number on were never used.
    fresh: u16,
    /// Head of the free list: the chunk given back last, plus one; 0 for none.
    free: u16,
    usage: Counts,
}

/// What a chunk holds: consecutive packets of one ring.
#[derive(Debug)]
pub(super) struct ChunkState {
    /// The stream-wide index of the first packet.
    pub(super) first: u64,
    /// When its last packet was published, in µs.
    pub(super) newest_us: u64,
    /// Bytes used by published packets.
    filled: u32,
    /// The number of packets published.
    count: u16,
    /// For a chunk in the free list: the next free chunk, plus one.
    next: u16,
}

/// The packets of a chunk.
#[derive(Debug)]
struct Chunk {
    packets: [Descriptor; CHUNK_PACKETS_MAX],
    bytes: [u8; PROFILE.ring_chunk_bytes],
}

/// A packet's position in its chunk, its RTP timestamp and its flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) timestamp: u32,
    pub(super) offset: u16,
    pub(super) bytes: u16,
    pub(super) flags: Flags,
}

impl Chunks {
    /// A pool with every chunk free.
    pub const fn new() -> Self {
        Self {
            states: [const { ChunkState::new() }; CHUNKS_MAX],
            chunks: [const { Chunk::new() }; CHUNKS_MAX],
            fresh: 0,
            free: 0,
            usage: Counts::ZERO,
        }
    }

    /// The number of chunks that rings hold.
    pub fn in_use(&self) -> usize {
        self.usage.used
    }

    /// Use and peak use of the pool. Its `full` counts reads that were put off for lack of chunks.
    pub fn usage(&self) -> Counts {
        self.usage
    }

    /// The number of chunks that no ring holds.
    pub fn free(&self) -> usize {
        CHUNKS_MAX - self.in_use()
    }

    /// Counts a read that was put off for lack of chunks.
    pub(crate) fn was_full(&mut self) {
        self.usage.full += 1;
    }

    /// Frees every chunk. No ring may still hold one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn free_all(&mut self) {
        (self.fresh, self.free, self.usage) = (0, 0, Counts::ZERO);
    }

    /// Takes a free chunk; `None` when there is none.
    pub(super) fn take(&mut self) -> Option<u16> {
        let chunk = if self.free > 0 {
            let chunk = self.free - 1;
            self.free = self.state(chunk).next;
            chunk
        } else if usize::from(self.fresh) < CHUNKS_MAX {
            self.fresh += 1;
            self.fresh - 1
        } else {
            return None;
        };
        self.usage.take();
        Some(chunk)
    }

    /// Puts a chunk back on the free list.
    pub(super) fn give(&mut self, chunk: u16) {
        self.state_mut(chunk).next = self.free;
        self.free = chunk + 1;
        self.usage.used -= 1;
    }

    pub(super) fn state(&self, chunk: u16) -> &ChunkState {
        &self.states[usize::from(chunk)]
    }

    pub(super) fn state_mut(&mut self, chunk: u16) -> &mut ChunkState {
        &mut self.states[usize::from(chunk)]
    }

    /// A chunk's bytes after the last published packet.
    pub(super) fn room(&mut self, chunk: u16) -> &mut [u8] {
        let chunk = usize::from(chunk);
        &mut self.chunks[chunk].bytes[self.states[chunk].filled as usize..]
    }

    /// Publishes the range `payload` of [`Self::room`] as the chunk's next packet.
    pub(super) fn publish(
        &mut self,
        chunk: u16,
        payload: Range<usize>,
        timestamp: u32,
        flags: Flags,
    ) {
        let chunk = usize::from(chunk);
        let (state, Chunk { packets, bytes }) = (&mut self.states[chunk], &mut self.chunks[chunk]);
        let start = state.filled as usize + payload.start;
        let end = state.filled as usize + payload.end;
        assert!(end <= bytes.len(), "a packet lies in the room reserved for it");
        #[allow(clippy::cast_possible_truncation)] // limits.rs: a chunk has at most 64 KiB
        {
            packets[usize::from(state.count)] =
                Descriptor { timestamp, offset: start as u16, bytes: payload.len() as u16, flags };
            state.filled = end as u32;
        }
        state.count += 1;
    }

    /// The descriptor and the bytes of the packet with this stream-wide index; `None` when it is
    /// not in this chunk.
    pub(super) fn packet(&self, chunk: u16, index: u64) -> Option<(Descriptor, &[u8])> {
        let state = self.state(chunk);
        let at = usize::try_from(index.checked_sub(state.first)?).ok()?;
        if at >= usize::from(state.count) {
            return None;
        }
        let chunk = &self.chunks[usize::from(chunk)];
        let packet = chunk.packets[at];
        let start = usize::from(packet.offset);
        Some((packet, &chunk.bytes[start..start + usize::from(packet.bytes)]))
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunk {
    const fn new() -> Self {
        const EMPTY: Descriptor =
            Descriptor { timestamp: 0, offset: 0, bytes: 0, flags: Flags::NONE };
        Self { packets: [EMPTY; CHUNK_PACKETS_MAX], bytes: [0; PROFILE.ring_chunk_bytes] }
    }
}

impl ChunkState {
    const fn new() -> Self {
        Self { first: 0, newest_us: 0, filled: 0, count: 0, next: 0 }
    }

    /// Empties the chunk; the packet published next has the index `first`.
    pub(super) fn restart(&mut self, first: u64) {
        self.first = first;
        self.filled = 0;
        self.count = 0;
    }

    /// The index after the chunk's last packet.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Whether one more packet of at most `bytes` fits.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        usize::from(self.count) < CHUNK_PACKETS_MAX
            && self.filled as usize + bytes <= PROFILE.ring_chunk_bytes
    }
}
