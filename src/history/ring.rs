//! One stream's history: the payloads last cut, in plaintext, read by every subscription.
//!
//! A ring is a queue of chunks. Packets have a stream-wide index that never restarts. What is kept,
//! in the order in which it is given up last ([`crate::stream::store`] says when):
//!
//! 1. what some viewer was not served yet: never given up;
//! 2. the history that resends are made of: the last [`HISTORY_US`](crate::limits::HISTORY_US);
//! 3. the newest key frame, whole, for whoever joins;
//! 4. the group since it, so that who joins gets from the key frame to what is live.
//!
//! Without its group a key frame is a *still*: its chunks stand apart, and nothing leads on from it.
//! A packet lies in one chunk. Packets are published once and never change.

mod keeping;

use std::ops::Range;

use heapless::Deque;

use crate::limits::{
    PROFILE, READ_CHUNKS_MAX, READ_CUT_CHUNKS_BEHIND, RING_CHUNKS_MAX, STILL_CHUNKS_MAX,
};

pub use keeping::Held;

use super::chunks::Chunks;
use super::packet::{Flags, Packet};

/// A stream's history.
#[derive(Debug)]
pub struct Ring {
    /// Oldest first; the last one is open.
    chunks: Deque<u16, RING_CHUNKS_MAX>,
    /// The newest key frame's chunks, once the group behind it was given up.
    still: Deque<u16, STILL_CHUNKS_MAX>,
    tail: u64,
    head: u64,
    /// Behind the last packet that ends an access unit.
    marked: u64,
    /// The newest IDR, while it can be begun with.
    idr: Option<Idr>,
    /// The first packet that some viewer was not served yet.
    unserved: Option<u64>,
    /// The first packet that a viewer has yet to get on its way to what is live.
    wanted: Option<u64>,
    /// Nobody is to have anything again: there is no history.
    is_unwatched: bool,
    /// Chunks that were opened since the read at hand began.
    opened: u16,
    lost: u64,
}

/// An IDR access unit's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Idr {
    begins: u64,
    /// Behind its last packet, once that is there; 0 before. An `Option` would have a ring without an
    /// IDR be something else than zeros, and the arena with all rings a part of the program's file.
    end: u64,
}

/// Where a subscription may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The first packet of a key frame.
    pub index: u64,
    /// Behind the last packet that leads on from there; `None` when all that comes does.
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

    /// Room at the head for at least `bytes` in one piece. What is written there stays, and the
    /// same room is returned for no more bytes than before, until the next [`Self::publish`].
    ///
    /// # Panics
    /// Without a chunk in the pool and in the ring: [`crate::stream::store::make_room`] comes first.
    pub fn reserve<'c>(
        &mut self,
        chunks: &'c mut Chunks,
        bytes: usize,
        now_us: u64,
    ) -> &'c mut [u8] {
        debug_assert!(bytes <= PROFILE.ring_chunk_bytes, "a packet fits a chunk");
        let open = match self.chunks.back() {
            Some(&chunk) if chunks.chunk(chunk).has_room(bytes) => chunk,
            _ => self.open_chunk(chunks, now_us),
        };
        let open = chunks.chunk_mut(open);
        open.newest_us = now_us;
        open.room()
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
        if flags.marker() {
            self.marked = self.head;
            if let Some(idr) = self.idr.as_mut().filter(|idr| idr.end == 0) {
                idr.end = self.head;
            }
        }
        self.head - 1
    }

    /// The packet with this index; `None` when it was given up or is not there yet.
    pub fn packet<'c>(&self, chunks: &'c Chunks, index: u64) -> Option<Packet<'c>> {
        let chunk = if index >= self.tail {
            *self.chunks.get(self.position(chunks, index))?
        } else {
            *self.still.iter().find(|chunk| chunks.chunk(**chunk).end() > index)?
        };
        let (descriptor, payload) = chunks.chunk(chunk).packet(index)?;
        Some(Packet { index, payload, timestamp: descriptor.timestamp, flags: descriptor.flags })
    }

    /// The packets from `index` on, to the head or the end of a still; none when `index` was given
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

    /// The oldest index from which everything is here to the head.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Whether the packet with this index is here, or the next one to be published.
    pub fn has(&self, index: u64) -> bool {
        index >= self.tail || self.start().is_some_and(|start| start.has(index))
    }

    /// Where a viewer may begin: the newest key frame, while all that came of it is here.
    pub fn start(&self) -> Option<Start> {
        let Idr { begins, end } = self.idr?;
        Some(Start { index: begins, until: (begins < self.tail).then_some(end) })
    }

    /// Chunks held.
    pub fn chunks_held(&self) -> usize {
        self.chunks.len() + self.still.len()
    }

    /// Packets overwritten that some viewer was not served yet, for want of a chunk: only a read
    /// that is cut into more chunks than [`READ_CHUNKS_MAX`] does this.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The packet just published, `index`, begins an IDR access unit.
    pub fn idr_begins(&mut self, index: u64) {
        let end = if self.marked > index { self.marked } else { 0 };
        self.idr = Some(Idr { begins: index, end });
    }

    /// The newest IDR will not be completed, or what came since it is torn: nobody may start there.
    pub fn idr_spoiled(&mut self) {
        self.idr = None;
    }

    /// Packets are about to come: they are held from here on until they are [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.unserved.get_or_insert(self.head);
    }

    /// What comes from here on is of another read.
    pub fn begin_read(&mut self) {
        self.opened = 0;
    }

    /// Whether the read at hand was cut into so many chunks that no further NAL unit of it is to
    /// be.
    pub fn is_read_full(&self) -> bool {
        usize::from(self.opened) > READ_CUT_CHUNKS_BEHIND
    }

    /// Every viewer that was up to date has what there is. Those on their way to what is live want
    /// what is from `wanted` on, which is kept for them while there is room.
    pub fn served(&mut self, wanted: Option<u64>) {
        self.unserved = None;
        self.wanted = wanted;
    }

    /// Whether one more read may be cut into it.
    pub(crate) fn has_place(&self) -> bool {
        self.chunks.len() + READ_CHUNKS_MAX <= RING_CHUNKS_MAX
    }

    /// Gives every chunk back. Indexes go on, so that a cursor at the head stays where it is.
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
        chunks.chunk_mut(chunk).restart(self.head);
        self.chunks.push_back(chunk).expect("there is a place now");
        chunk
    }

    /// Gives the oldest chunk up whoever needs it: nothing else is left.
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

    /// Which of the ring's chunks holds `index`, which is between tail and head.
    fn position(&self, chunks: &Chunks, index: u64) -> usize {
        let begins_by = |&chunk: &u16| chunks.chunk(chunk).first <= index;
        // Most viewers are at what came last, which is still in the processor's caches.
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
    /// Behind its last packet, once that is there.
    fn end(self) -> Option<u64> {
        (self.end > 0).then_some(self.end)
    }
}

impl Start {
    /// Whether the packet with this index leads on from here.
    fn has(&self, index: u64) -> bool {
        index >= self.index && self.until.is_none_or(|until| index < until)
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
    chunks: &'c Chunks,
    /// The numbers of the chunks that are left: those at hand, and those that follow.
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
            let Some((descriptor, payload)) = self.chunks.chunk(*chunk).packet(self.index) else {
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
