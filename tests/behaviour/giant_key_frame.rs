//! A key frame larger than all the memory that weir has for pictures: its camera waits while its
//! viewers are served, and it arrives whole.

use super::common::camera::Mount;
use super::common::camera::picture::Picture;
use super::common::fixture::{CAMERA, Fixture};
use super::common::reception::Keep;
use super::common::viewer::{Options, wall};
use super::common::window;
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
    let fixture = Fixture::of(vec![Mount::new(CAMERA, picture)], |_| {});
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewers = [fixture.viewer_with(&options), fixture.viewer_with(&options)];
    wall::run(&mut viewers, TRAIL_US, |_| false);
    window::watch(&fixture.farm, &mut viewers, WINDOW_US, TRAIL_US);
    for viewer in &viewers {
        window::assert_whole(&fixture.farm, CAMERA, viewer);
    }
}
