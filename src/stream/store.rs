//! Which streams give up chunks when the pool has too few for the next read: [`make_room`].
//!
//! Chunks with no further use go first, then whole groups (packets since a key frame), then key
//! frames; groups and key frames go from the camera that had no viewer for longest. Then history
//! goes, the oldest of all streams. Packets that a viewer was not served yet are never given up: if
//! there is still no room, the stream is not read, and its camera waits.

use std::cmp::Reverse;

use crate::history::Chunks;
use crate::history::ring::ChunkUse;
use crate::limits::{CAMERAS_MAX, READ_CHUNKS_MAX, ROOM_CHUNKS};

use super::hub::Stream;

/// The span of history given up at a time, of all streams, so that not every chunk needs a search.
const HISTORY_STEP_US: u64 = 10_000;

/// Counts of what streams gave up for lack of chunks since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// Groups, the packets since a key frame.
    pub groups: u64,
    /// Key frames, with what was left of their groups.
    pub key_frames: u64,
    /// Chunks that were kept for resends.
    pub history_chunks: u64,
}

impl GivenUp {
    /// The counts at the start.
    pub const NONE: Self = Self { groups: 0, key_frames: 0, history_chunks: 0 };
}

/// Makes room in the pool and in the ring of `slot` for one read of its camera. Returns false when
/// the read must wait until viewers were served.
pub fn make_room(
    streams: &mut [Stream],
    chunks: &mut Chunks,
    given_up: &mut GivenUp,
    slot: usize,
    now_us: u64,
) -> bool {
    if chunks.free() < READ_CHUNKS_MAX && !refill(streams, chunks, given_up, now_us) {
        chunks.was_full();
        return false;
    }
    // The pool may have chunks while the stream has no place for them in its queue.
    while !streams[slot].ring.has_place() {
        let ring = &mut streams[slot].ring;
        if ring.group_chunks(chunks, now_us) > 0 {
            ring.give_group(chunks, now_us);
            given_up.groups += 1;
        } else if ring.oldest_us(chunks).is_some() {
            ring.give_oldest(chunks);
            given_up.history_chunks += 1;
        } else {
            return false;
        }
    }
    true
}

/// Makes streams give up what they need least, a little more than one read needs. Returns false
/// when there is not enough for one read.
fn refill(
    streams: &mut [Stream],
    chunks: &mut Chunks,
    given_up: &mut GivenUp,
    now_us: u64,
) -> bool {
    for stream in &mut *streams {
        stream.ring.give_unneeded(chunks, now_us);
    }
    let givers = givers(streams);
    for &slot in &givers {
        if chunks.free() >= ROOM_CHUNKS {
            return true;
        }
        let has_given = streams[slot].ring.give_group(chunks, now_us);
        given_up.groups += u64::from(has_given);
    }
    for &slot in &givers {
        if chunks.free() >= ROOM_CHUNKS {
            return true;
        }
        let ring = &mut streams[slot].ring;
        if ring.has_key_frame(chunks, now_us) {
            ring.give_key_frame(chunks, now_us);
            given_up.key_frames += 1;
        }
    }
    // History is given up only as far as the current read needs.
    while chunks.free() < READ_CHUNKS_MAX {
        if !give_history(streams, chunks, given_up) {
            return false;
        }
    }
    true
}

/// The slots in the order in which they give up chunks: the camera without a viewer for longest
/// first, and among equals the one that holds most. What its chunks are held for is looked up only
/// later, because that is in the many chunks, which are not in the processor's caches.
fn givers(streams: &[Stream]) -> heapless::Vec<usize, CAMERAS_MAX> {
    let mut givers: heapless::Vec<usize, CAMERAS_MAX> = (0..streams.len()).collect();
    givers.sort_unstable_by_key(|slot| {
        let stream = &streams[*slot];
        (stream.looked_at_us, Reverse(stream.ring.chunks_held()))
    });
    givers
}

/// Counts what the chunks of all streams are held for.
pub fn held(streams: &[Stream], chunks: &Chunks, now_us: u64) -> ChunkUse {
    streams.iter().fold(ChunkUse::default(), |sum, stream| {
        let held = stream.ring.held(chunks, now_us);
        ChunkUse {
            unserved: sum.unserved + held.unserved,
            history: sum.history + held.history,
            key_frame: sum.key_frame + held.key_frame,
            group: sum.group + held.group,
        }
    })
}

/// Gives up the oldest history of all streams; false when there is none.
fn give_history(streams: &mut [Stream], chunks: &mut Chunks, given_up: &mut GivenUp) -> bool {
    let oldest_us = streams.iter().filter_map(|stream| stream.ring.oldest_us(chunks)).min();
    let Some(oldest_us) = oldest_us else { return false };
    for stream in streams {
        while stream.ring.oldest_us(chunks).is_some_and(|us| us <= oldest_us + HISTORY_STEP_US) {
            stream.ring.give_oldest(chunks);
            given_up.history_chunks += 1;
        }
    }
    true
}
