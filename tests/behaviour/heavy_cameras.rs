//! Cameras whose key frames are many times larger than their rings: every frame arrives, as the
//! camera is not read faster than its viewers are served.

use super::common::camera::picture::Picture;
use super::common::camera::{CameraFarm, Mount};
use super::common::reception::Keep;
use super::common::server::{Server, Setup};
use super::common::viewer::{Options, Viewer, wall};
use super::common::window;

const CAMERAS: usize = 8;
/// 1440p as it is sold: 8 Mbit/s, and key frames that are a third of it.
const KEY_FRAME_BYTES: u32 = 650_000;
const WINDOW_US: u64 = 6_000_000;
const PATIENCE_US: u64 = 20_000_000;
const TRAIL_US: u64 = 200_000;

#[test]
fn key_frames_of_650_kb_arrive_whole() {
    let picture = Picture { bits_per_s: 8_000_000, ..Picture::default() };
    let picture = picture.with_key_frame_bytes(KEY_FRAME_BYTES);
    let count = u32::try_from(CAMERAS).expect("few");
    let farm = CameraFarm::open(Mount::many(count, picture, false));
    let names: Vec<String> = (0..CAMERAS).map(|number| format!("cam{number}")).collect();
    let server = Server::start(&Setup::of(names.iter().map(|name| (name.clone(), farm.url(name)))));
    assert!(server.wait_until_ready(CAMERAS, PATIENCE_US));
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let viewers = wall::connect_all(server.http, &names, &options, PATIENCE_US).into_iter();
    let mut viewers: Vec<Viewer> =
        viewers.map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}"))).collect();
    // Each has its first picture by then.
    wall::run(&mut viewers, 3_000_000, |_| false);
    window::watch(&farm, &mut viewers, WINDOW_US, TRAIL_US);
    for (viewer, name) in viewers.iter().zip(&names) {
        window::assert_whole(&farm, name, viewer);
    }
}
