//! Who gives chunks up when the pool has too few for what comes: [`make_room`].
//!
//! What nothing needs goes first, then whole groups, then key frames, in both cases of the camera
//! that was looked at longest ago; then history, the oldest of all streams. What a viewer was not
//! served yet is never given up: without room the stream is not read, and its camera waits.

use std::cmp::Reverse;

use crate::limits::{CAMERAS_MAX, READ_CHUNKS_MAX, ROOM_CHUNKS};

use super::hub::Stream;
use crate::history::Chunks;
use crate::history::ring::Held;

/// History is given up so much at a time, of all streams: the search is not made for each chunk.
const HISTORY_STEP_US: u64 = 10_000;

/// What streams had to give up so far for the want of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// Groups since a key frame.
    pub groups: u64,
    /// Key frames.
    pub key_frames: u64,
    /// Chunks of history.
    pub history_chunks: u64,
}

impl GivenUp {
    /// Nothing yet.
    pub const NONE: Self = Self { groups: 0, key_frames: 0, history_chunks: 0 };
}

/// Has the pool ready for one read of one stream's camera; false when that has to wait until
/// viewers were served.
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

/// Has streams give up what they need least, and a little more than one read needs; false when that
/// is not enough for one.
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
        let ring = &mut streams[slot].ring;
        if ring.group_chunks(chunks, now_us) > 0 {
            ring.give_group(chunks, now_us);
            given_up.groups += 1;
        }
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
    // History is not given up for more than the read at hand.
    while chunks.free() < READ_CHUNKS_MAX {
        if !give_history(streams, chunks, given_up) {
            return false;
        }
    }
    true
}

/// Who gives first: the camera that was looked at longest ago, and of several the one that holds
/// most. What it holds that for is seen when its turn comes: that is in the chunks, which are many
/// and not in the processor's caches.
fn givers(streams: &[Stream]) -> heapless::Vec<usize, CAMERAS_MAX> {
    let mut givers: heapless::Vec<usize, CAMERAS_MAX> = (0..streams.len()).collect();
    givers.sort_unstable_by_key(|slot| {
        let stream = &streams[*slot];
        (stream.looked_at_us, Reverse(stream.ring.chunks_held()))
    });
    givers
}

/// What all chunks are held for.
pub fn held(streams: &[Stream], chunks: &Chunks, now_us: u64) -> Held {
    streams.iter().fold(Held::default(), |sum, stream| {
        let held = stream.ring.held(chunks, now_us);
        Held {
            unserved: sum.unserved + held.unserved,
            history: sum.history + held.history,
            key_frame: sum.key_frame + held.key_frame,
            group: sum.group + held.group,
        }
    })
}

/// The oldest history of all.
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
