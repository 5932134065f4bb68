//! What a ring keeps besides packets that viewers still lack, and how it gives that up.

use std::ops::Range;

use crate::history::chunks::Chunks;
use crate::limits::HISTORY_US;

use super::Ring;

/// The number of chunks held for each purpose.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ChunkUse {
    /// For packets that some viewer was not served yet.
    pub unserved: usize,
    /// For resends: the latest history.
    pub history: usize,
    /// For the newest key frame.
    pub key_frame: usize,
    /// For the group: the packets since that key frame.
    pub group: usize,
}

impl Ring {
    /// Gives back chunks with no further use: those older than both the newest key frame and the
    /// history, and those of a still that is no longer the newest key frame.
    pub fn give_back(&mut self, chunks: &mut Chunks, now_us: u64) {
        if self.start().is_none_or(|start| start.until.is_none()) {
            self.drop_still(chunks);
        }
        let idr = self.idr.map(|idr| idr.begins).filter(|begins| *begins >= self.tail);
        let needed = idr.unwrap_or(self.head).min(self.wanted.unwrap_or(self.head));
        while self.chunks.front().is_some_and(|&oldest| chunks.state(oldest).end() <= needed)
            && self.is_old(chunks, 0, now_us)
        {
            self.drop_oldest(chunks);
        }
    }

    /// Like [`Self::give_back`], but without regard to viewers that are catching up.
    pub(crate) fn give_unneeded(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.wanted = None;
        self.give_back(chunks, now_us);
    }

    /// The number of chunks that [`Self::give_group`] gives back.
    pub(crate) fn group_chunks(&self, chunks: &Chunks, now_us: u64) -> usize {
        self.group(chunks, now_us).map_or(0, |group| group.len())
    }

    /// Gives back the group since the newest key frame, except its part within history. The key
    /// frame becomes a still. Returns whether there was such a group.
    pub(crate) fn give_group(&mut self, chunks: &mut Chunks, now_us: u64) -> bool {
        self.give_unneeded(chunks, now_us);
        let Some(group) = self.group(chunks, now_us) else { return false };
        for position in 0..group.end {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.tail = chunks.state(chunk).end();
            if position < group.start && self.still.push_back(chunk).is_ok() {
                continue;
            }
            if position < group.start {
                // The key frame has more chunks than a still may have.
                self.idr = None;
            }
            chunks.give(chunk);
        }
        if self.idr.is_none() {
            self.drop_still(chunks);
        }
        true
    }

    /// Whether a key frame older than history is held, as a still or with a group.
    pub(crate) fn has_key_frame(&self, chunks: &Chunks, now_us: u64) -> bool {
        let Some(idr) = self.idr else { return false };
        !self.still.is_empty() || idr.begins >= self.tail && self.is_old(chunks, 0, now_us)
    }

    /// Gives up the newest key frame and its group, except the part within history.
    pub(crate) fn give_key_frame(&mut self, chunks: &mut Chunks, now_us: u64) {
        self.idr = None;
        self.give_unneeded(chunks, now_us);
    }

    /// When the oldest chunk got its last packet; `None` if that chunk must not be given up.
    pub(crate) fn oldest_us(&self, chunks: &Chunks) -> Option<u64> {
        let oldest = chunks.state(*self.chunks.front()?);
        let is_served = self.unserved.is_none_or(|index| oldest.end() <= index);
        (self.chunks.len() > 1 && is_served).then_some(oldest.newest_us)
    }

    /// Gives up the oldest chunk, and the newest key frame with it if that began there.
    pub(crate) fn give_oldest(&mut self, chunks: &mut Chunks) {
        self.drop_oldest(chunks);
    }

    /// Counts what the ring's chunks are held for.
    pub(crate) fn held(&self, chunks: &Chunks, now_us: u64) -> ChunkUse {
        let count = self.chunks.len();
        let mut held = ChunkUse { key_frame: self.still.len(), ..ChunkUse::default() };
        let is_unserved = |at: usize| {
            let end = self.chunks.get(at).map(|chunk| chunks.state(*chunk).end());
            self.unserved.zip(end).is_some_and(|(index, end)| end > index)
        };
        let served = (0..count).take_while(|at| !is_unserved(*at)).count();
        let old = (0..served).take_while(|at| self.is_old(chunks, *at, now_us)).count();
        let key_frame = self.idr.filter(|idr| idr.begins >= self.tail).map_or(0, |idr| {
            idr.end().map_or(old, |end| (self.position(chunks, end - 1) + 1).min(old))
        });
        held.unserved = count - served;
        held.history = served - old;
        held.key_frame += key_frame;
        held.group = old - key_frame;
        held
    }

    /// The positions of the chunks that hold only group packets and are older than history; `None`
    /// when there are none.
    fn group(&self, chunks: &Chunks, now_us: u64) -> Option<Range<usize>> {
        let idr = self.idr.filter(|idr| idr.begins >= self.tail)?;
        let start = self.position(chunks, idr.end()? - 1) + 1;
        let old = (start..self.chunks.len()).take_while(|at| self.is_old(chunks, *at, now_us));
        let end = start + old.count();
        (end > start).then_some(start..end)
    }

    /// Sets whether the stream has viewers. Without one no history is kept, since nothing is
    /// resent.
    pub(crate) fn set_watched(&mut self, is_watched: bool) {
        self.is_unwatched = !is_watched;
    }

    /// Whether the chunk at a position is closed, served to all viewers and older than history.
    fn is_old(&self, chunks: &Chunks, position: usize, now_us: u64) -> bool {
        let Some(&chunk) = self.chunks.get(position) else { return false };
        let chunk = chunks.state(chunk);
        let is_history = now_us.saturating_sub(chunk.newest_us) <= HISTORY_US;
        position + 1 < self.chunks.len()
            && self.unserved.is_none_or(|index| chunk.end() <= index)
            && (self.is_unwatched || !is_history)
    }

    pub(super) fn drop_oldest(&mut self, chunks: &mut Chunks) {
        let Some(oldest) = self.chunks.pop_front() else { return };
        self.tail = chunks.state(oldest).end();
        chunks.give(oldest);
        let still_end = self.still.back().map_or(0, |chunk| chunks.state(*chunk).end());
        self.idr = self.idr.filter(|idr| idr.begins >= self.tail || idr.begins < still_end);
    }

    pub(super) fn drop_still(&mut self, chunks: &mut Chunks) {
        while let Some(chunk) = self.still.pop_back() {
            chunks.give(chunk);
        }
    }
}
