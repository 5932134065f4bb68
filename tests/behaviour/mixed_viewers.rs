//! On one heavy camera a viewer that reads nothing, one that loses every fifth packet and one that
//! comes again each second: those beside them lose nothing.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::common::camera::Mount;
use super::common::camera::picture::Picture;
use super::common::fixture::{CAMERA, Fixture};
use super::common::reception::Keep;
use super::common::rtp::Kind;
use super::common::viewer::{Options, Viewer, wall};
use super::common::window;

const HEALTHY: usize = 15;
const KEY_FRAME_BYTES: u32 = 650_000;
const WINDOW_US: u64 = 6_000_000;
const PATIENCE_US: u64 = 10_000_000;
const TRAIL_US: u64 = 200_000;
/// A viewer that comes again stays so long.
const STAY_US: u64 = 1_000_000;

/// Comes and goes until `is_over`; how often it had a picture.
fn come_and_go(fixture: &Fixture, options: &Options, is_over: &AtomicBool) -> usize {
    let mut pictures = 0;
    while !is_over.load(Relaxed) {
        let viewer = Viewer::connect_with(fixture.server.http, CAMERA, options);
        let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
        wall::run_one(&mut viewer, STAY_US, |_| false);
        pictures += usize::from(viewer.reception.counts.frames > 0);
        viewer.close();
    }
    pictures
}

fn lose_every_fifth(viewer: &mut Viewer) {
    let mut count = 0_u32;
    viewer.drop_inbound = Some(Box::new(move |datagram| {
        let is_media = Kind::of(datagram) == Kind::Rtp;
        count += u32::from(is_media);
        is_media && count.is_multiple_of(5)
    }));
}

/// Watches for a window in which each healthy viewer gets every frame; the latency of most.
fn watch(fixture: &Fixture, viewers: &mut [Viewer]) -> f64 {
    window::watch(&fixture.farm, viewers, WINDOW_US, TRAIL_US);
    for viewer in &*viewers {
        window::assert_whole(&fixture.farm, CAMERA, viewer);
        assert_eq!(viewer.ended, None);
    }
    window::latency_us(viewers, 99) as f64 / 1000.0
}

#[test]
fn healthy_viewers_lose_nothing_beside_three_that_are_not() {
    let picture = Picture { bits_per_s: 8_000_000, gop: 25, ..Picture::default() };
    let picture = picture.with_key_frame_bytes(KEY_FRAME_BYTES);
    let fixture = Fixture::of(vec![Mount::new(CAMERA, picture)], |_| {});
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let names = vec![CAMERA.to_owned(); HEALTHY];
    let viewers = wall::connect_all(fixture.server.http, &names, &options, PATIENCE_US).into_iter();
    let mut viewers: Vec<Viewer> =
        viewers.map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}"))).collect();
    wall::run(&mut viewers, 1_500_000, |_| false);
    let alone_ms = watch(&fixture, &mut viewers);

    let deaf = fixture.viewer_with(&options);
    let mut lossy = fixture.viewer_with(&options);
    lose_every_fifth(&mut lossy);
    let is_over = AtomicBool::new(false);
    let (beside_ms, pictures) = std::thread::scope(|scope| {
        let coming = scope.spawn(|| come_and_go(&fixture, &options, &is_over));
        let losing = scope.spawn(|| {
            wall::run_one(&mut lossy, 2 * PATIENCE_US, |_| is_over.load(Relaxed));
        });
        let beside_ms = watch(&fixture, &mut viewers);
        is_over.store(true, Relaxed);
        losing.join().expect("no panic");
        (beside_ms, coming.join().expect("no panic"))
    });
    println!("latency p99 {alone_ms:.2} ms alone, {beside_ms:.2} ms beside them");
    assert!(pictures >= 3, "who came had a picture {pictures} times");
    assert!(lossy.reception.counts.lost() > 0, "it lost packets");
    drop(deaf);
}
