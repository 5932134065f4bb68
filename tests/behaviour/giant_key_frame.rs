//! A key frame larger than all the memory that weir has for pictures: its camera waits while its
//! viewers are served, and it arrives whole.

use std::sync::atomic::Ordering::Relaxed;

use super::common::camera::Mount;
use super::common::camera::picture::Picture;
use super::common::reception::Keep;
use super::common::stage::{CAMERA, Stage};
use super::common::viewer::{Options, wall};
use weir::clock;
use weir::limits::PROFILE;

const KEY_FRAME_BYTES: u32 = 12_000_000;
const WINDOW_US: u64 = 8_000_000;
/// A camera may send 64 Mbit/s: 1.5 s for one of these.
const TRAIL_US: u64 = 4_000_000;

#[test]
fn a_key_frame_larger_than_the_store_arrives_whole() {
    let store_bytes = PROFILE.ring_chunks * PROFILE.ring_chunk_bytes;
    assert!(KEY_FRAME_BYTES as usize > store_bytes, "{store_bytes}");
    let picture = Picture {
        bits_per_s: 30_000_000,
        frames_per_s: 5,
        gop: 20,
        slices: 8,
        ..Picture::default()
    };
    let picture = picture.with_key_frame_bytes(KEY_FRAME_BYTES);
    let stage = Stage::of(vec![Mount::new(CAMERA, picture)], |_| {});
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewers = [stage.viewer_with(&options), stage.viewer_with(&options)];
    wall::run(&mut viewers, TRAIL_US, |_| false);
    let begin_us = clock::now_us() + 50_000;
    let times_us = begin_us..begin_us + WINDOW_US;
    stage.park.begin_window(&times_us);
    viewers.iter_mut().for_each(|viewer| viewer.reception.begin_window_of(&times_us));
    wall::run(&mut viewers, 50_000 + WINDOW_US + TRAIL_US, |_| false);
    let sent = stage.park.counts(CAMERA).frames_in_window.load(Relaxed);
    for viewer in &viewers {
        let counts = &viewer.reception.counts;
        assert_eq!((counts.broken_frames, counts.lost()), (0, 0));
        assert!(sent > 0 && counts.frames == sent, "{} of {sent} frames", counts.frames);
    }
}
