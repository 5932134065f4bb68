//! Who gives chunks up when the pool has too few for what comes: [`make_room`].
//!
//! What nothing needs goes first, then whole groups, then key frames, in both cases of the camera
//! that was looked at longest ago; then history, the oldest of all streams. What a viewer was not
//! served yet is never given up: without room the stream is not read, and its camera waits.

use crate::limits::READ_CHUNKS_MAX;

use super::chunks::Chunks;
use super::hub::Stream;
use super::ring::Held;

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
    if chunks.free() < READ_CHUNKS_MAX {
        for stream in &mut *streams {
            stream.ring.give_unneeded(chunks, now_us);
        }
    }
    while chunks.free() < READ_CHUNKS_MAX {
        let has_given = give_group(streams, chunks, given_up, now_us)
            || give_key_frame(streams, chunks, given_up, now_us)
            || give_history(streams, chunks, given_up);
        if !has_given {
            chunks.was_full();
            return false;
        }
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

/// The group of the camera that was looked at longest ago; the largest of several.
fn give_group(
    streams: &mut [Stream],
    chunks: &mut Chunks,
    given_up: &mut GivenUp,
    now_us: u64,
) -> bool {
    let groups = streams.iter_mut().filter_map(|stream| {
        let count = stream.ring.group_chunks(chunks, now_us);
        (count > 0).then_some((stream.looked_at_us, usize::MAX - count, stream))
    });
    let Some((.., stream)) = groups.min_by_key(|(looked_at_us, count, _)| (*looked_at_us, *count))
    else {
        return false;
    };
    stream.ring.give_group(chunks, now_us);
    given_up.groups += 1;
    true
}

/// The key frame of the camera that was looked at longest ago.
fn give_key_frame(
    streams: &mut [Stream],
    chunks: &mut Chunks,
    given_up: &mut GivenUp,
    now_us: u64,
) -> bool {
    let with_one = streams.iter_mut().filter(|stream| stream.ring.has_key_frame(chunks, now_us));
    let Some(stream) = with_one.min_by_key(|stream| stream.looked_at_us) else { return false };
    stream.ring.give_key_frame(chunks, now_us);
    given_up.key_frames += 1;
    true
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
