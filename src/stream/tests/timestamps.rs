//! One timeline for viewers.

use crate::limits::PAYLOAD_BYTES_DEFAULT;
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, Random, Viewer};
use crate::stream::Chunks;

#[test]
fn two_pictures_of_one_timestamp_are_told_apart() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(51);
    let mut camera = Camera::new();
    camera.gop(&mut random, 10);
    camera.packet(&random.nal(0x41, 100, true), true);
    camera.packet(&random.nal(0x41, 100, true), true);
    camera.next_frame();
    camera.packet(&random.nal(0x41, 100, true), true);
    viewer.feed(&camera.packets);
    let stamps: Vec<u32> = viewer.out.iter().rev().map(|out| out.timestamp).collect();
    assert_eq!(stamps[0].wrapping_sub(stamps[1]), 3599);
    assert_eq!(stamps[1].wrapping_sub(stamps[2]), 1);
}

#[test]
fn indexes_and_timeline_run_on_over_a_reconnect() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(52);
    let mut camera = Camera::new();
    camera.gop(&mut random, 10);
    viewer.feed(&camera.packets);
    let (last, at_us) = viewer.stream.last_timestamp().unwrap();
    assert_eq!(Some(last), viewer.out.last().map(|out| out.timestamp));
    let head = viewer.stream.ring().head();
    viewer.stream.disconnect(viewer.chunks, viewer.now_us);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.stream.ring().head(), head, "nothing is taken of a camera that is gone");
    viewer.now_us += 2_000_000;
    viewer.stream.connect(PAYLOAD_TYPE, None, &[]);
    let mut again = Camera::new();
    again.timestamp = 0;
    again.gop(&mut random, 1);
    viewer.feed(&again.packets);
    let (stamp, now_us) = viewer.stream.last_timestamp().unwrap();
    let elapsed = u32::try_from((now_us - at_us) * 9 / 100).unwrap();
    assert_eq!(stamp.wrapping_sub(last), elapsed);
    assert_eq!(viewer.stream.ring().newest_idr(), Some(head));
}
