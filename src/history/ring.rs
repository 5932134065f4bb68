//! One stream's history: the latest RTP payloads, in plaintext, read by every subscription.
//!
//! A ring is a queue of chunks. Packets have a stream-wide index that never restarts. A ring keeps
//! the following; the last item is given up first ([`crate::stream::store`] says when):
//!
//! 1. packets that some viewer was not served yet: never given up;
//! 2. the history for resends: the last [`HISTORY_US`](crate::limits::HISTORY_US);
//! 3. the newest key frame, whole, for viewers that join;
//! 4. its group (the packets since that key frame), with which a joining viewer catches up to live.
//!
//! A key frame without its group is a *still*: its chunks are kept apart, and no packet follows it.
//! A packet lies in one chunk. Packets are published once and never change.

mod keeping;

use std::ops::Range;

use heapless::Deque;

use crate::limits::{
    PROFILE, READ_CHUNKS_MAX, READ_CUT_CHUNKS_BEHIND, RING_CHUNKS_MAX, STILL_CHUNKS_MAX,
};

pub use keeping::ChunkUse;

use super::chunks::Chunks;
use super::packet::{Flags, Packet};

/// The history of one stream.
#[derive(Debug)]
pub struct Ring {
    /// Oldest first; packets are written to the last one.
    chunks: Deque<u16, RING_CHUNKS_MAX>,
    /// The newest key frame's chunks, after its group was given up.
    still: Deque<u16, STILL_CHUNKS_MAX>,
    tail: u64,
    head: u64,
    /// The index after the last packet that ends an access unit.
    marked: u64,
    /// The newest IDR, while a viewer can begin with it.
    idr: Option<Idr>,
    /// The first packet that some viewer was not served yet.
    unserved: Option<u64>,
    /// The first packet that a viewer which is catching up still lacks.
    wanted: Option<u64>,
    /// The stream has no viewer, so no history is kept for resends.
    is_unwatched: bool,
    /// Chunks opened since the current read began.
    opened: u16,
    lost: u64,
}

/// An IDR access unit's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Idr {
    begins: u64,
    /// The index after its last packet; 0 until that is published. With an `Option`, an empty ring
    /// would not be all zeros, and the arena with all rings would take space in the program file.
    end: u64,
}

/// Where a subscription may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartPoint {
    /// The index of the key frame's first packet.
    pub index: u64,
    /// For a still, the index after its last packet; `None` when the packets up to live follow.
    pub until: Option<u64>,
}

impl Ring {
    /// An empty ring, which holds no chunk.
    pub const fn new() -> Self {
        Self {
            chunks: Deque::new(),
            still: Deque::new(),
            tail: 0,
            head: 0,
            marked: 0,
            idr: None,
            unserved: None,
            wanted: None,
            is_unwatched: false,
            opened: 0,
            lost: 0,
        }
    }

    /// Room at the head for at least `bytes` bytes in one piece. Until the next [`Self::publish`],
    /// written bytes stay, and another call that asks for no more bytes returns the same room.
    ///
    /// # Panics
    /// The pool and the ring have no chunk: call [`crate::stream::store::make_room`] first.
    pub fn reserve<'c>(
        &mut self,
        chunks: &'c mut Chunks,
        bytes: usize,
        now_us: u64,
    ) -> &'c mut [u8] {
        debug_assert!(bytes <= PROFILE.ring_chunk_bytes, "a packet fits a chunk");
        let open = match self.chunks.back() {
            Some(&chunk) if chunks.state(chunk).has_room(bytes) => chunk,
            _ => self.open_chunk(chunks, now_us),
        };
        chunks.state_mut(open).newest_us = now_us;
        chunks.room(open)
    }

    /// Publishes the range `payload` of the room reserved last; returns the packet's index.
    ///
    /// # Panics
    /// No room was reserved.
    pub fn publish(
        &mut self,
        chunks: &mut Chunks,
        payload: Range<usize>,
        timestamp: u32,
        flags: Flags,
    ) -> u64 {
        let open = *self.chunks.back().expect("room is reserved before it is published");
        chunks.publish(open, payload, timestamp, flags);
        self.head += 1;
        if flags.marker() {
            self.marked = self.head;
            if let Some(idr) = self.idr.as_mut().filter(|idr| idr.end == 0) {
                idr.end = self.head;
            }
        }
        self.head - 1
    }

    /// The packet with this index; `None` when it was given up or is not published yet.
    pub fn packet<'c>(&self, chunks: &'c Chunks, index: u64) -> Option<Packet<'c>> {
        let chunk = if index >= self.tail {
            *self.chunks.get(self.position(chunks, index))?
        } else {
            *self.still.iter().find(|chunk| chunks.state(**chunk).end() > index)?
        };
        let (descriptor, payload) = chunks.packet(chunk, index)?;
        Some(Packet { index, payload, timestamp: descriptor.timestamp, flags: descriptor.flags })
    }

    /// The packets from `index` to the head, or to the end of a still; none when `index` was given
    /// up.
    pub fn packets_from<'c>(&'c self, chunks: &'c Chunks, index: u64) -> Packets<'c> {
        let until = self.start().and_then(|start| start.until).filter(|_| index < self.tail);
        let (older, newer) = match until {
            Some(_) => self.still.as_slices(),
            None => self.chunks.as_slices(),
        };
        let passed = if until.is_some() { 0 } else { self.position(chunks, index) };
        let held = match older.get(passed..) {
            Some(older) => (older, newer),
            None => (&newer[passed - older.len()..], &[][..]),
        };
        let end = if self.has(index) { until.unwrap_or(self.head) } else { index };
        Packets { chunks, held, index, end }
    }

    /// The index of the packet that will be published next.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest index from which all packets up to the head are held, stills aside.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Whether the packet with this index is held, or is the next to be published.
    pub fn has(&self, index: u64) -> bool {
        index >= self.tail || self.start().is_some_and(|start| start.has(index))
    }

    /// Where a viewer may begin: the newest key frame; `None` when any part of it is lost.
    pub fn start(&self) -> Option<StartPoint> {
        let Idr { begins, end } = self.idr?;
        Some(StartPoint { index: begins, until: (begins < self.tail).then_some(end) })
    }

    /// The number of chunks that this ring holds.
    pub fn chunks_held(&self) -> usize {
        self.chunks.len() + self.still.len()
    }

    /// The number of packets overwritten for lack of a chunk before some viewer was served. Only a
    /// read that is cut into more than [`READ_CHUNKS_MAX`] chunks causes this.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Marks the packet just published, `index`, as the beginning of an IDR access unit.
    pub fn idr_begins(&mut self, index: u64) {
        let end = if self.marked > index { self.marked } else { 0 };
        self.idr = Some(Idr { begins: index, end });
    }

    /// The newest IDR stays incomplete, or packets after it were lost: no viewer may begin with it.
    pub fn idr_spoiled(&mut self) {
        self.idr = None;
    }

    /// Packets are about to be written: hold them until [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.unserved.get_or_insert(self.head);
    }

    /// A new read begins: counts the chunks that it opens from 0.
    pub fn begin_read(&mut self) {
        self.opened = 0;
    }

    /// Whether the current read has opened so many chunks that no further NAL unit of it may be
    /// cut.
    pub fn is_read_full(&self) -> bool {
        usize::from(self.opened) > READ_CUT_CHUNKS_BEHIND
    }

    /// Every viewer that was up to date has all packets. Viewers that are catching up need the
    /// packets from `wanted` on, which are kept while there is room.
    pub fn served(&mut self, wanted: Option<u64>) {
        self.unserved = None;
        self.wanted = wanted;
    }

    /// Whether the ring's queue of chunks has room for one more read.
    pub(crate) fn has_place(&self) -> bool {
        self.chunks.len() + READ_CHUNKS_MAX <= RING_CHUNKS_MAX
    }

    /// Gives every chunk back. Indexes continue, so a cursor at the head keeps its place.
    pub fn forget(&mut self, chunks: &mut Chunks) {
        self.idr = None;
        self.unserved = None;
        self.wanted = None;
        self.drop_still(chunks);
        while let Some(chunk) = self.chunks.pop_back() {
            chunks.give(chunk);
        }
        self.tail = self.head;
    }

    fn open_chunk(&mut self, chunks: &mut Chunks, now_us: u64) -> u16 {
        self.give_back(chunks, now_us);
        if self.chunks.is_full() {
            self.overwrite(chunks);
        }
        let chunk = chunks.take().unwrap_or_else(|| {
            self.overwrite(chunks);
            chunks.take().expect("no read without room")
        });
        self.opened = self.opened.saturating_add(1);
        chunks.state_mut(chunk).restart(self.head);
        self.chunks.push_back(chunk).expect("there is a place now");
        chunk
    }

    /// Overwrites the oldest chunk, even if a viewer needs it: there is no other chunk.
    fn overwrite(&mut self, chunks: &mut Chunks) {
        let before = self.unserved.map_or(self.tail, |index| index.max(self.tail));
        if self.chunks.is_empty() {
            self.idr = None;
            self.drop_still(chunks);
        }
        self.drop_oldest(chunks);
        if self.unserved.is_some() {
            self.lost += self.tail.saturating_sub(before);
        }
    }

    /// The position in the ring of the chunk that holds `index`, which is between tail and head.
    fn position(&self, chunks: &Chunks, index: u64) -> usize {
        let begins_by = |&chunk: &u16| chunks.state(chunk).first <= index;
        // Most viewers read the newest packets, which are still in the processor's caches.
        let mut newest = self.chunks.iter().rev().take(READ_CHUNKS_MAX);
        if let Some(passed) = newest.position(begins_by) {
            return self.chunks.len() - 1 - passed;
        }
        let (older, newer) = self.chunks.as_slices();
        let in_older = older.partition_point(begins_by);
        let in_newer = if in_older == older.len() { newer.partition_point(begins_by) } else { 0 };
        (in_older + in_newer).saturating_sub(1)
    }
}

impl Idr {
    /// The index after its last packet; `None` until that is published.
    fn end(self) -> Option<u64> {
        (self.end > 0).then_some(self.end)
    }
}

impl StartPoint {
    /// Whether a viewer that begins here reaches the packet with this index.
    fn has(&self, index: u64) -> bool {
        index >= self.index && self.until.is_none_or(|until| index < until)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

/// Iterator over the packets of a ring: see [`Ring::packets_from`].
#[derive(Debug)]
pub struct Packets<'c> {
    chunks: &'c Chunks,
    /// The chunks still to be read, in the two halves of the queue.
    held: (&'c [u16], &'c [u16]),
    index: u64,
    end: u64,
}

impl<'c> Iterator for Packets<'c> {
    type Item = Packet<'c>;

    fn next(&mut self) -> Option<Packet<'c>> {
        while self.index < self.end {
            let Some((chunk, rest)) = self.held.0.split_first() else {
                self.held = (self.held.1, &[]);
                if self.held.0.is_empty() {
                    break;
                }
                continue;
            };
            let Some((descriptor, payload)) = self.chunks.packet(*chunk, self.index) else {
                self.held.0 = rest;
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
        None
    }
}
