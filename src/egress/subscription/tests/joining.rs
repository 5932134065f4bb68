//! Joining viewers get from the newest key frame to live, at a pace, with timestamps close to live.

use super::*;
use crate::limits::{CATCH_UP_TIME_DIVISOR, HISTORY_US, PACED_BITS_PER_S_MIN};
use crate::mem::arena::Arena;

/// Publishes a key frame of three packets, with a marker at its end, and a group of `frames`
/// frames.
fn publish_group(scene: &mut Scene, frames: usize) -> u64 {
    let first = scene.publish_idr(2);
    let room = scene.ring.reserve(scene.chunks, PAYLOAD_BYTES, scene.now_us);
    room[..PAYLOAD_BYTES].fill(9);
    scene.ring.publish(scene.chunks, 0..PAYLOAD_BYTES, 90_000, Flags::MARKER);
    scene.publish(frames);
    first
}

#[test]
fn it_gets_the_whole_group_at_the_pace_of_catching_up() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    publish_group(&mut scene, 197);
    scene.now_us += 1_500_000;
    let began_us = scene.now_us;
    assert_eq!(scene.sequences(), (500..700).collect::<Vec<u16>>());
    let took_us = scene.now_us - began_us;
    let due_us = (200 * PAYLOAD_BYTES * 8) as u64 * 1_000_000 / PACED_BITS_PER_S_MIN;
    assert!(took_us.abs_diff(due_us) <= 5_000, "{took_us} us of {due_us}");
    // From here on it is live, and a burst is sent at once.
    scene.publish(60);
    scene.now_us += 1_000;
    assert_eq!(scene.serve(), Served::UpToDate);
    assert_eq!(scene.flush().len(), 60);
}

#[test]
fn what_it_gets_of_before_is_close_to_live_and_sent_again_the_same() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(50);
    while scene.serve() == Served::CatchingUp {
        scene.now_us += 1_000;
        scene.publish(1);
    }
    let left = scene.flush();
    let live = 90_000 + 3_600 * 49 + WIRING.timestamp_offset;
    for (at, datagram) in (0..50).zip(&left) {
        let behind = 3_600 * (49 - at) / CATCH_UP_TIME_DIVISOR.cast_unsigned();
        assert_eq!(timestamp(datagram), live - behind, "packet {at}");
    }
    for (at, datagram) in (50..).zip(&left[50..]) {
        assert_eq!(timestamp(datagram), live + 3_600 * (at - 49), "packet {at} is live");
    }
    scene.now_us += 1_500_000;
    scene.nack(500, 0);
    scene.nack(549, 0);
    assert_eq!(scene.flush(), [left[0].clone(), left[49].clone()]);
}

#[test]
fn without_its_group_a_key_frame_is_a_still_until_the_next_one() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    publish_group(&mut scene, 97);
    scene.now_us += HISTORY_US + 1;
    scene.ring.give_group(scene.chunks, scene.now_us);
    assert_eq!(scene.sequences(), [500, 501, 502]);
    assert!(scene.subscription.is_waiting(), "for motion");
    scene.publish(3);
    assert_eq!(scene.sequences(), [0; 0]);
    scene.nack(501, 0);
    assert_eq!(scene.flush().len(), 1, "what it has can be sent again");
    publish_group(&mut scene, 2);
    assert_eq!(scene.sequences(), [503, 504, 505, 506, 507]);
    assert!(!scene.subscription.is_waiting());
    assert_eq!(scene.skips(), [0; 3], "it missed nothing that it was promised");
}

#[test]
fn who_was_overtaken_on_its_way_is_not_slowed_the_next_time() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    publish_group(&mut scene, 50);
    assert_eq!(scene.serve(), Served::CatchingUp);
    scene.lap();
    scene.now_us += 1_000;
    publish_group(&mut scene, 50);
    assert_eq!(scene.serve(), Served::UpToDate, "all of it at once");
    assert_eq!(scene.skips(), once(SkipReason::Overrun));
    scene.act(|subscription, view, _| subscription.skip(SkipReason::Loss, view.ring.head(), view));
    publish_group(&mut scene, 50);
    scene.now_us += 1_000;
    assert_eq!(scene.serve(), Served::CatchingUp, "it was live");
}
