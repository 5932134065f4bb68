//! One stream's history: the payloads last cut, in plaintext, read by every subscription.
//!
//! A ring is a queue of chunks. Packets have a stream-wide index that never restarts; the oldest
//! chunk is overwritten when a new one is needed and the ring has its floor. Only for the sake of
//! its newest IDR, no longer than [`IDR_HOLD_US`], and of what its viewers were not served yet does
//! a ring take chunks of the shared remainder. A floor has room for one read of the camera beside
//! what was served, and there is no further read before that is served in turn.
//! A packet lies in one chunk. Packets are published once and never change.

use std::ops::Range;

use heapless::Deque;

use crate::limits::{IDR_HOLD_US, PROFILE, RING_CHUNKS_MAX};

use super::chunks::Chunks;

/// What a packet is, beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The RTP marker: the last packet of its access unit.
    pub const MARKER: Self = Self(1);
    /// The parameter sets that begin an IDR access unit: here a decoder can start.
    pub const IDR_BEGINS: Self = Self(2);

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The RTP marker bit.
    pub const fn marker(self) -> bool {
        self.contains(Self::MARKER)
    }
}

/// A published packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'c> {
    /// Its stream-wide index.
    pub index: u64,
    /// The RTP payload.
    pub payload: &'c [u8],
    /// On the stream's timeline, 90 kHz.
    pub timestamp: u32,
    /// Marker and more.
    pub flags: Flags,
}

/// A stream's history.
#[derive(Debug)]
pub struct Ring {
    /// Oldest first; the last one is open.
    chunks: Deque<u16, RING_CHUNKS_MAX>,
    tail: u64,
    head: u64,
    /// The newest IDR, while it is whole.
    idr: Option<Hold>,
    /// The first packet that some viewer was not served yet.
    unserved: Option<u64>,
    idrs_overwritten: u64,
}

/// Packets from `index` on are worth a shared chunk, for [`IDR_HOLD_US`].
#[derive(Debug, Clone, Copy)]
struct Hold {
    index: u64,
    began_us: u64,
}

impl Hold {
    /// Whether it holds, now, a chunk that ends before the index `end`.
    fn needs(self, end: u64, now_us: u64) -> bool {
        end > self.index && now_us.saturating_sub(self.began_us) <= IDR_HOLD_US
    }
}

impl Ring {
    /// An empty ring, which holds no chunk yet.
    pub const fn new() -> Self {
        Self {
            chunks: Deque::new(),
            tail: 0,
            head: 0,
            idr: None,
            unserved: None,
            idrs_overwritten: 0,
        }
    }

    /// Room at the head for at least `bytes` in one piece. What is written there stays, and the
    /// same room is returned for no more bytes than before, until the next [`Self::publish`].
    pub fn reserve<'c>(
        &mut self,
        chunks: &'c mut Chunks,
        bytes: usize,
        now_us: u64,
    ) -> &'c mut [u8] {
        debug_assert!(bytes <= PROFILE.ring_chunk_bytes, "a packet fits a chunk");
        self.give_back(chunks, now_us);
        let open = match self.chunks.back() {
            Some(&chunk) if chunks.chunk(chunk).has_room(bytes) => chunk,
            _ => self.open_chunk(chunks, now_us),
        };
        chunks.chunk_mut(open).room()
    }

    /// Publishes the bytes `payload` of the room that was reserved last; their index.
    pub fn publish(
        &mut self,
        chunks: &mut Chunks,
        payload: Range<usize>,
        timestamp: u32,
        flags: Flags,
    ) -> u64 {
        let open = *self.chunks.back().expect("room is reserved before it is published");
        chunks.chunk_mut(open).publish(payload, timestamp, flags);
        self.head += 1;
        self.head - 1
    }

    /// The packet with this index; `None` when it is overwritten or not there yet.
    pub fn packet<'c>(&self, chunks: &'c Chunks, index: u64) -> Option<Packet<'c>> {
        if index < self.tail || index >= self.head {
            return None;
        }
        let chunk = *self.chunks.get(self.position(chunks, index))?;
        let (descriptor, payload) = chunks.chunk(chunk).packet(index)?;
        Some(Packet { index, payload, timestamp: descriptor.timestamp, flags: descriptor.flags })
    }

    /// The packets from `index` to the head; none when `index` is overwritten.
    pub fn packets_from<'c>(&'c self, chunks: &'c Chunks, index: u64) -> Packets<'c> {
        let here = (self.tail..self.head).contains(&index);
        Packets {
            ring: self,
            chunks,
            position: if here { self.position(chunks, index) } else { self.chunks.len() },
            index,
        }
    }

    /// The index of the packet that will be published next.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest index still here.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Where the newest IDR access unit begins, while all that came of it is here.
    pub fn newest_idr(&self) -> Option<u64> {
        self.idr.map(|idr| idr.index)
    }

    /// Chunks held.
    pub fn chunks_held(&self) -> usize {
        self.chunks.len()
    }

    /// IDRs overwritten before their hold had passed, for want of a shared chunk.
    pub fn idrs_overwritten(&self) -> u64 {
        self.idrs_overwritten
    }

    /// The packet just published, `index`, begins an IDR access unit.
    pub fn idr_begins(&mut self, index: u64, now_us: u64) {
        self.idr = Some(Hold { index, began_us: now_us });
    }

    /// The newest IDR will not be completed: no decoder may start there.
    pub fn idr_spoiled(&mut self) {
        self.idr = None;
    }

    /// Packets are about to come: they are held from here on until they are [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.unserved.get_or_insert(self.head);
    }

    /// Every viewer has what there is.
    pub fn served(&mut self) {
        self.unserved = None;
    }

    /// Gives chunks beyond the floor back that hold nothing worth keeping. [`Self::reserve`] does
    /// it by itself; a stream at rest needs to be told.
    pub fn give_back(&mut self, chunks: &mut Chunks, now_us: u64) {
        while self.chunks.len() > PROFILE.ring_floor_chunks
            && self.oldest_is_dispensable(chunks, now_us)
            && let Some(oldest) = self.drop_oldest(chunks)
        {
            chunks.give_shared(oldest);
        }
    }

    /// Gives every chunk back. Indexes go on, so that a cursor at the head stays where it is.
    pub fn forget(&mut self, chunks: &mut Chunks) {
        while let Some(chunk) = self.chunks.pop_back() {
            if self.chunks.len() < PROFILE.ring_floor_chunks {
                chunks.give_floor(chunk);
            } else {
                chunks.give_shared(chunk);
            }
        }
        self.tail = self.head;
        self.idr = None;
        self.unserved = None;
    }

    /// Whether nothing that is held needs the oldest chunk.
    fn oldest_is_dispensable(&self, chunks: &Chunks, now_us: u64) -> bool {
        let is_served = self.unserved.is_none_or(|index| self.oldest_end(chunks) <= index);
        is_served && !self.idr_needs_oldest(chunks, now_us)
    }

    fn idr_needs_oldest(&self, chunks: &Chunks, now_us: u64) -> bool {
        self.idr.is_some_and(|idr| idr.needs(self.oldest_end(chunks), now_us))
    }

    /// The index behind the oldest chunk; 0 without one, which nothing needs.
    fn oldest_end(&self, chunks: &Chunks) -> u64 {
        self.chunks.front().map_or(0, |&oldest| chunks.chunk(oldest).end())
    }

    fn open_chunk(&mut self, chunks: &mut Chunks, now_us: u64) -> u16 {
        let chunk = if self.chunks.len() < PROFILE.ring_floor_chunks {
            chunks.take_floor()
        } else {
            self.take_or_overwrite(chunks, now_us)
        };
        chunks.chunk_mut(chunk).restart(self.head);
        self.chunks
            .push_back(chunk)
            .expect("a ring holds at most its floor and the shared remainder");
        chunk
    }

    fn take_or_overwrite(&mut self, chunks: &mut Chunks, now_us: u64) -> u16 {
        if !self.oldest_is_dispensable(chunks, now_us)
            && let Some(chunk) = chunks.take_shared()
        {
            return chunk;
        }
        self.idrs_overwritten += u64::from(self.idr_needs_oldest(chunks, now_us));
        self.drop_oldest(chunks).expect("a floor is at least two chunks")
    }

    /// Takes the oldest chunk out of the ring, and the newest IDR with it if it began there.
    fn drop_oldest(&mut self, chunks: &Chunks) -> Option<u16> {
        let oldest = self.chunks.pop_front()?;
        self.tail = chunks.chunk(oldest).end();
        self.idr = self.idr.filter(|idr| idr.index >= self.tail);
        Some(oldest)
    }

    /// Which of the ring's chunks holds `index`, which is between tail and head.
    fn position(&self, chunks: &Chunks, index: u64) -> usize {
        let (older, newer) = self.chunks.as_slices();
        let begins_by = |&chunk: &u16| chunks.chunk(chunk).first <= index;
        let in_older = older.partition_point(begins_by);
        let in_newer = if in_older == older.len() { newer.partition_point(begins_by) } else { 0 };
        (in_older + in_newer).saturating_sub(1)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

/// See [`Ring::packets_from`].
#[derive(Debug)]
pub struct Packets<'c> {
    ring: &'c Ring,
    chunks: &'c Chunks,
    position: usize,
    index: u64,
}

impl<'c> Iterator for Packets<'c> {
    type Item = Packet<'c>;

    fn next(&mut self) -> Option<Packet<'c>> {
        loop {
            let chunk = self.chunks.chunk(*self.ring.chunks.get(self.position)?);
            let Some((descriptor, payload)) = chunk.packet(self.index) else {
                self.position += 1;
                continue;
            };
            self.index += 1;
            return Some(Packet {
                index: self.index - 1,
                payload,
                timestamp: descriptor.timestamp,
                flags: descriptor.flags,
            });
        }
    }
}
