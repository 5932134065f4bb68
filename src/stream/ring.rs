//! One stream's history: the payloads last cut, in plaintext, read by every subscription.
//!
//! A ring is a queue of chunks. Packets have a stream-wide index that never restarts. What is kept,
//! in the order in which it is given up last ([`super::store`] says when):
//!
//! 1. what some viewer was not served yet: never given up;
//! 2. the history that resends are made of: the last [`HISTORY_US`];
//! 3. the newest key frame, whole, for whoever joins;
//! 4. the group since it, so that who joins gets from the key frame to what is live.
//!
//! Without its group a key frame is a *still*: its chunks stand apart, and nothing leads on from it.
//! A packet lies in one chunk. Packets are published once and never change.

use std::ops::Range;

use heapless::Deque;

use crate::limits::{HISTORY_US, PROFILE, READ_CHUNKS_MAX, RING_CHUNKS_MAX, STILL_CHUNKS_MAX};

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
    lost: u64,
}

/// An IDR access unit's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Idr {
    begins: u64,
    /// Behind its last packet, once that is there.
    end: Option<u64>,
}

/// Where a subscription may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The first packet of a key frame.
    pub index: u64,
    /// Behind the last packet that leads on from there; `None` when all that comes does.
    pub until: Option<u64>,
}

/// How many chunks are held for what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// For viewers that were not served yet.
    pub unserved: usize,
    /// For resends.
    pub history: usize,
    /// For the newest key frame.
    pub key_frame: usize,
    /// For the group since it.
    pub group: usize,
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
            lost: 0,
        }
    }

    /// Room at the head for at least `bytes` in one piece. What is written there stays, and the
    /// same room is returned for no more bytes than before, until the next [`Self::publish`].
    ///
    /// # Panics
    /// Without a chunk in the pool and in the ring: [`super::store::make_room`] comes first.
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
            if let Some(idr) = &mut self.idr {
                idr.end.get_or_insert(self.head);
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
        Some(Start { index: begins, until: end.filter(|_| begins < self.tail) })
    }

    /// Where the newest key frame begins, while it can be begun with.
    pub fn newest_idr(&self) -> Option<u64> {
        self.idr.map(|idr| idr.begins)
    }

    /// Chunks held.
    pub fn chunks_held(&self) -> usize {
        self.chunks.len() + self.still.len()
    }

    /// Packets overwritten that some viewer was not served yet, for want of a chunk: only a read
    /// that is cut into more chunks than [`crate::limits::READ_CHUNKS_MAX`] does this.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The packet just published, `index`, begins an IDR access unit.
    pub fn idr_begins(&mut self, index: u64) {
        self.idr = Some(Idr { begins: index, end: Some(self.marked).filter(|end| *end > index) });
    }

    /// The newest IDR will not be completed, or what came since it is torn: nobody may start there.
    pub fn idr_spoiled(&mut self) {
        self.idr = None;
    }

    /// Packets are about to come: they are held from here on until they are [`Self::served`].
    pub fn hold_unserved(&mut self) {
        self.unserved.get_or_insert(self.head);
    }

    /// Every viewer that was up to date has what there is. Those on their way to what is live want
    /// what is from `wanted` on, which is kept for them while there is room.
    pub fn served(&mut self, wanted: Option<u64>) {
        self.unserved = None;
        self.wanted = wanted;
    }

    /// Whether one more read may be cut into it.
    pub(super) fn has_place(&self) -> bool {
        self.chunks.len() + READ_CHUNKS_MAX <= RING_CHUNKS_MAX
    }

    /// Gives back what nothing needs any more: what is older than the newest key frame and than the
    /// history, and the chunks of a key frame that is no longer the newest.
    pub fn give_back(&mut self, chunks: &mut Chunks, now_us: u64) {
        if self.start().is_none_or(|start| start.until.is_none()) {
            self.drop_still(chunks);
        }
        let idr = self.idr.map(|idr| idr.begins).filter(|begins| *begins >= self.tail);
        let needed = idr.unwrap_or(self.head).min(self.wanted.unwrap_or(self.head));
        while self.chunks.front().is_some_and(|&oldest| chunks.chunk(oldest).end() <= needed)
            && self.is_old(chunks, 0, now_us)
        {
            self.drop_oldest(chunks);
        }
    }

    /// The same, whatever viewers want that are on their way.
    pub(super) fn give_unneeded(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.wanted = None;
        self.give_back(chunks, now_us);
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

    /// How many chunks [`Self::give_group`] gives back.
    pub(super) fn group_chunks(&self, chunks: &Chunks, now_us: u64) -> usize {
        self.group(chunks, now_us).map_or(0, |group| group.len())
    }

    /// Gives the group since the newest key frame back, but for what is history; the key frame
    /// becomes a still.
    pub(crate) fn give_group(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.give_unneeded(chunks, now_us);
        let Some(group) = self.group(chunks, now_us) else { return };
        for position in 0..group.end {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.tail = chunks.chunk(chunk).end();
            if position < group.start && self.still.push_back(chunk).is_ok() {
                continue;
            }
            if position < group.start {
                // A key frame of more chunks than a still may have.
                self.idr = None;
            }
            chunks.give(chunk);
        }
        if self.idr.is_none() {
            self.drop_still(chunks);
        }
    }

    /// Whether there is a key frame beyond history, alone or with what is left of its group.
    pub(super) fn has_key_frame(&self, chunks: &Chunks, now_us: u64) -> bool {
        let Some(idr) = self.idr else { return false };
        !self.still.is_empty() || idr.begins >= self.tail && self.is_old(chunks, 0, now_us)
    }

    /// Gives the newest key frame up, and its group, but for what is history.
    pub(super) fn give_key_frame(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.idr = None;
        self.give_unneeded(chunks, now_us);
    }

    /// When the oldest chunk got its last packet, if it may be given up.
    pub(crate) fn oldest_us(&self, chunks: &Chunks) -> Option<u64> {
        let oldest = chunks.chunk(*self.chunks.front()?);
        let is_served = self.unserved.is_none_or(|index| oldest.end() <= index);
        (self.chunks.len() > 1 && is_served).then_some(oldest.newest_us)
    }

    /// Gives the oldest chunk up, and the newest key frame with it if it began there.
    pub(crate) fn give_oldest(&mut self, chunks: &mut Chunks) {
        self.drop_oldest(chunks);
    }

    /// What its chunks are held for.
    pub(super) fn held(&self, chunks: &Chunks, now_us: u64) -> Held {
        let count = self.chunks.len();
        let mut held = Held { key_frame: self.still.len(), ..Held::default() };
        let is_unserved = |at: usize| {
            let end = self.chunks.get(at).map(|chunk| chunks.chunk(*chunk).end());
            self.unserved.zip(end).is_some_and(|(index, end)| end > index)
        };
        let served = (0..count).take_while(|at| !is_unserved(*at)).count();
        let old = (0..served).take_while(|at| self.is_old(chunks, *at, now_us)).count();
        let key_frame = self.idr.filter(|idr| idr.begins >= self.tail).map_or(0, |idr| {
            idr.end.map_or(old, |end| (self.position(chunks, end - 1) + 1).min(old))
        });
        held.unserved = count - served;
        held.history = served - old;
        held.key_frame += key_frame;
        held.group = old - key_frame;
        held
    }

    /// The positions of the chunks with nothing but the group in them, older than history; none
    /// when there are none.
    fn group(&self, chunks: &Chunks, now_us: u64) -> Option<Range<usize>> {
        let idr = self.idr.filter(|idr| idr.begins >= self.tail)?;
        let start = self.position(chunks, idr.end? - 1) + 1;
        let old = (start..self.chunks.len()).take_while(|at| self.is_old(chunks, *at, now_us));
        let end = start + old.count();
        (end > start).then_some(start..end)
    }

    /// Whether the chunk at a position is closed, served and older than history.
    fn is_old(&self, chunks: &Chunks, position: usize, now_us: u64) -> bool {
        let Some(&chunk) = self.chunks.get(position) else { return false };
        let chunk = chunks.chunk(chunk);
        position + 1 < self.chunks.len()
            && self.unserved.is_none_or(|index| chunk.end() <= index)
            && now_us.saturating_sub(chunk.newest_us) > HISTORY_US
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

    fn drop_oldest(&mut self, chunks: &mut Chunks) {
        let Some(oldest) = self.chunks.pop_front() else { return };
        self.tail = chunks.chunk(oldest).end();
        chunks.give(oldest);
        let still_end = self.still.back().map_or(0, |chunk| chunks.chunk(*chunk).end());
        self.idr = self.idr.filter(|idr| idr.begins >= self.tail || idr.begins < still_end);
    }

    fn drop_still(&mut self, chunks: &mut Chunks) {
        while let Some(chunk) = self.still.pop_back() {
            chunks.give(chunk);
        }
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
