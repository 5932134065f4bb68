//! The unfinished end of a read, kept until the next read completes it.
//!
//! A few bytes are kept inline. More go into one carry slot, which is taken for the whole frame
//! once its length is known, so each byte of a frame is copied there once. The slot is returned
//! when the last byte is consumed.

use crate::mem::pool::{Carry, CarryPool, Tier};

/// Inline bytes: enough to decide all that can be decided before the length is known.
const INLINE_BYTES: usize = 32;
/// A message that outgrows its slot is copied to the next one in steps of this size.
const COPY_BYTES: usize = 256;

/// The bytes kept between two reads.
#[derive(Debug)]
pub(super) struct Tail {
    inline: [u8; INLINE_BYTES],
    slot: Option<Carry>,
    start: usize,
    end: usize,
}

impl Tail {
    pub(super) const fn new() -> Self {
        Self { inline: [0; INLINE_BYTES], slot: None, start: 0, end: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn bytes<'a>(&'a self, pool: &'a CarryPool) -> &'a [u8] {
        let all = match &self.slot {
            Some(slot) => pool.bytes(slot),
            None => &self.inline,
        };
        &all[self.start..self.end]
    }

    /// Makes room for `bytes` bytes in all, including those already kept.
    ///
    /// # Errors
    /// No carry slot of the returned tier was free; the bytes already kept are still there.
    pub(super) fn reserve(&mut self, bytes: usize, pool: &mut CarryPool) -> Result<(), Tier> {
        let capacity = self.all_mut(pool).len();
        if self.start + bytes <= capacity {
            return Ok(());
        }
        let (start, end) = (self.start, self.end);
        if bytes <= capacity {
            self.all_mut(pool).copy_within(start..end, 0);
        } else {
            let slot = pool.take(bytes)?;
            let kept = end - start;
            match self.slot.take() {
                None => pool.bytes_mut(&slot)[..kept].copy_from_slice(&self.inline[start..end]),
                Some(outgrown) => {
                    let mut chunk = [0; COPY_BYTES];
                    for at in (0..kept).step_by(COPY_BYTES) {
                        let chunk = &mut chunk[..COPY_BYTES.min(kept - at)];
                        let from = start + at;
                        chunk.copy_from_slice(&pool.bytes(&outgrown)[from..from + chunk.len()]);
                        pool.bytes_mut(&slot)[at..at + chunk.len()].copy_from_slice(chunk);
                    }
                    pool.give(outgrown);
                }
            }
            self.slot = Some(slot);
        }
        self.end -= self.start;
        self.start = 0;
        Ok(())
    }

    /// Appends `bytes`; [`Self::reserve`] must have made room for them.
    pub(super) fn push(&mut self, bytes: &[u8], pool: &mut CarryPool) {
        let (start, end) = (self.end, self.end + bytes.len());
        self.all_mut(pool)[start..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Drops the first `bytes` bytes; the slot is returned with the last one.
    pub(super) fn consume(&mut self, bytes: usize, pool: &mut CarryPool) {
        self.start += bytes;
        if self.start == self.end {
            self.clear(pool);
        }
    }

    /// Drops all bytes and returns the slot.
    pub(super) fn clear(&mut self, pool: &mut CarryPool) {
        if let Some(slot) = self.slot.take() {
            pool.give(slot);
        }
        self.start = 0;
        self.end = 0;
    }

    fn all_mut<'a>(&'a mut self, pool: &'a mut CarryPool) -> &'a mut [u8] {
        match &self.slot {
            Some(slot) => pool.bytes_mut(slot),
            None => &mut self.inline,
        }
    }
}
