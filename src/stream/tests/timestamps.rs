//! The timestamps that viewers see form one timeline.

use std::sync::atomic::Ordering::Relaxed;

use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{PAYLOAD_BYTES_DEFAULT, TIMESTAMP_APART_MIN};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};
use crate::status::CameraStats;

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
    assert_eq!(stamps[1].wrapping_sub(stamps[2]), TIMESTAMP_APART_MIN);
    assert_eq!(stamps[0].wrapping_sub(stamps[2]), 3600);
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
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
    let mut again = Camera::new();
    again.timestamp = 0;
    again.gop(&mut random, 1);
    viewer.feed(&again.packets);
    let (stamp, now_us) = viewer.stream.last_timestamp().unwrap();
    let elapsed = u32::try_from((now_us - at_us) * 9 / 100).unwrap();
    assert_eq!(stamp.wrapping_sub(last), elapsed);
    assert_eq!(viewer.stream.ring().start().map(|start| start.index), Some(head));
}

#[test]
fn another_camera_finds_nothing_of_the_one_before_but_indexes_and_timeline() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(53);
    let mut camera = Camera::new();
    camera.gop(&mut random, 20);
    viewer.feed(&camera.packets);
    let (last, at_us) = viewer.stream.last_timestamp().unwrap();
    let head = viewer.stream.ring().head();
    let stats = CameraStats::new();
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert!(viewer.stream.ready() && stats.width.load(Relaxed) > 0);

    viewer.stream.renew(viewer.chunks);
    stats.reset();
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert!(!viewer.stream.ready() && !stats.ready.load(Relaxed));
    for figure in
        [&stats.packets, &stats.bytes, &stats.frames, &stats.packets_out, &stats.last_idr_us]
    {
        assert_eq!(figure.load(Relaxed), 0);
    }
    assert_eq!((stats.width.load(Relaxed), stats.profile.load(Relaxed)), (0, 0));
    let ring = viewer.stream.ring();
    assert_eq!(
        (ring.head(), ring.tail(), ring.start().map(|start| start.index)),
        (head, head, None)
    );
    assert_eq!((ring.chunks_held(), viewer.chunks.in_use()), (0, 0));
    assert!(ring.packet(viewer.chunks, head - 1).is_none());
    viewer.feed(&camera.packets);
    assert_eq!(viewer.stream.ring().head(), head, "nothing is taken before the next connects");

    viewer.now_us += 1_000_000;
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
    let mut other = Camera::new();
    other.timestamp = 7;
    // Without parameter sets of its own, the new camera does not get those of the old one.
    let slice = random.nal(0x65, 500, true);
    other.packet(&slice, true);
    viewer.feed(&other.packets);
    assert_eq!(viewer.stream.ring().head(), head);
    other.packets.clear();
    other.next_frame();
    other.packet(&SPS_1080, false);
    other.packet(&PPS, false);
    other.packet(&slice, true);
    viewer.feed(&other.packets);
    assert_eq!(viewer.stream.ring().start().map(|start| start.index), Some(head));
    let (stamp, now_us) = viewer.stream.last_timestamp().unwrap();
    let elapsed = (now_us - at_us) * 9 / 100;
    assert!(u64::from(stamp.wrapping_sub(last)).abs_diff(elapsed) <= 3600, "{stamp} {last}");
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert_eq!(stats.packets_out.load(Relaxed), viewer.stream.ring().head() - head);
}
