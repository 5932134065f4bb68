//! The memory of all history rings: [`CHUNKS_MAX`] chunks in one pool, each with the bytes of some
//! packets and a descriptor a packet. No ring has chunks of its own: who gives one up for whom is
//! said in [`crate::stream::store`].
//!
//! All zeros are a valid empty state: a static of it costs no file bytes.

use crate::limits::{CHUNK_PACKETS_MAX, CHUNKS_MAX, PROFILE};
use crate::status::Counts;

use super::packet::Flags;

/// The arena of chunks.
#[derive(Debug)]
pub struct Chunks {
    chunks: [Chunk; CHUNKS_MAX],
    /// Chunks from here on were never used.
    fresh: u16,
    /// The chunk given back last, plus one; 0 for none.
    free: u16,
    usage: Counts,
}

/// Some packets of one ring, one after the other.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Stream-wide index of the first packet.
    pub(super) first: u64,
    /// Bytes taken by published packets.
    filled: u32,
    /// Packets published.
    count: u16,
    /// When its last packet was published.
    pub(super) newest_us: u64,
    /// In the free list: the next free chunk, plus one.
    next: u16,
    packets: [Descriptor; CHUNK_PACKETS_MAX],
    bytes: [u8; PROFILE.ring_chunk_bytes],
}

/// Where a packet lies in its chunk, and what its RTP header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) timestamp: u32,
    pub(super) offset: u16,
    pub(super) bytes: u16,
    pub(super) flags: Flags,
}

impl Chunks {
    /// Every chunk free.
    pub const fn new() -> Self {
        Self {
            chunks: [const { Chunk::new() }; CHUNKS_MAX],
            fresh: 0,
            free: 0,
            usage: Counts::ZERO,
        }
    }

    /// Chunks held by rings.
    pub fn in_use(&self) -> usize {
        self.usage.used
    }

    /// How full the pool is and was; full: a stream was not read for want of room.
    pub fn usage(&self) -> Counts {
        self.usage
    }

    /// Chunks held by nobody.
    pub fn free(&self) -> usize {
        CHUNKS_MAX - self.in_use()
    }

    /// Somebody could not be read for want of chunks.
    pub(crate) fn was_full(&mut self) {
        self.usage.full += 1;
    }

    /// Every chunk free again; no ring may be left that holds one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn free_all(&mut self) {
        (self.fresh, self.free, self.usage) = (0, 0, Counts::ZERO);
    }

    /// A chunk, while there is one.
    pub(super) fn take(&mut self) -> Option<u16> {
        let chunk = if self.free > 0 {
            let chunk = self.free - 1;
            self.free = self.chunks[usize::from(chunk)].next;
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

    /// Gives a chunk back.
    pub(super) fn give(&mut self, chunk: u16) {
        self.chunks[usize::from(chunk)].next = self.free;
        self.free = chunk + 1;
        self.usage.used -= 1;
    }

    pub(super) fn chunk(&self, chunk: u16) -> &Chunk {
        &self.chunks[usize::from(chunk)]
    }

    pub(super) fn chunk_mut(&mut self, chunk: u16) -> &mut Chunk {
        &mut self.chunks[usize::from(chunk)]
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
        Self {
            first: 0,
            filled: 0,
            count: 0,
            newest_us: 0,
            next: 0,
            packets: [EMPTY; CHUNK_PACKETS_MAX],
            bytes: [0; PROFILE.ring_chunk_bytes],
        }
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

    /// What no published packet covers.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled as usize..]
    }

    /// Makes `payload`, a range of the room, the chunk's next packet.
    pub(super) fn publish(
        &mut self,
        payload: std::ops::Range<usize>,
        timestamp: u32,
        flags: Flags,
    ) {
        let start = self.filled as usize + payload.start;
        let end = self.filled as usize + payload.end;
        assert!(end <= self.bytes.len(), "a packet lies in the room reserved for it");
        #[allow(clippy::cast_possible_truncation)] // limits.rs: a chunk has at most 64 KiB
        {
            self.packets[usize::from(self.count)] =
                Descriptor { timestamp, offset: start as u16, bytes: payload.len() as u16, flags };
            self.filled = end as u32;
        }
        self.count += 1;
    }

    /// The descriptor and the bytes of the packet with this stream-wide index.
    pub(super) fn packet(&self, index: u64) -> Option<(Descriptor, &[u8])> {
        let slot = usize::try_from(index.checked_sub(self.first)?).ok()?;
        if slot >= usize::from(self.count) {
            return None;
        }
        let packet = self.packets[slot];
        let start = usize::from(packet.offset);
        Some((packet, &self.bytes[start..start + usize::from(packet.bytes)]))
    }
}
