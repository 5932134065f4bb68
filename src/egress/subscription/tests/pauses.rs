//! Overruns, congestion, pace and a full socket: a pause leaves no gap, and nothing is sealed
//! twice.

use super::*;
use crate::limits::{CONGESTED_US, PACING_SEGMENTS_PER_MS};
use crate::mem::arena::Arena;

#[test]
fn an_overrun_skips_to_the_newest_whole_idr() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(3);
    assert_eq!(scene.sequences(), [500, 501, 502]);
    scene.lap();
    scene.publish_idr(2);
    let newest = scene.publish_idr(4);
    scene.publish(1);
    // The numbers continue without a gap, so the browser sees no loss.
    assert_eq!(scene.sequences(), [503, 504, 505, 506, 507]);
    assert_eq!(scene.skips(), once(SkipReason::Overrun));
    let place = scene.subscription.cursor.sealed(503).expect("in this mapping");
    assert_eq!(place.index, newest);
    scene.nack(502, 0);
    assert_eq!(scene.subscription.counters.resends_refused, 1, "it means another packet now");
}

#[test]
fn an_overrun_without_an_idr_waits_for_the_next() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [500, 501]);
    scene.lap();
    assert_eq!(scene.ring.start().map(|start| start.index), None);
    assert_eq!(scene.sequences(), [0; 0]);
    assert!(scene.subscription.is_waiting());
    scene.publish(5);
    assert_eq!(scene.sequences(), [0; 0]);
    scene.publish_idr(1);
    scene.ring.idr_spoiled();
    assert_eq!(scene.sequences(), [0; 0], "an idr that lost a part is no start");
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [502, 503]);
    assert_eq!(scene.skips(), once(SkipReason::Overrun));
}

#[test]
fn a_new_viewer_gets_the_newest_idr_at_once_and_nothing_before_one() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish(3);
    assert_eq!(scene.sequences(), [0; 0]);
    scene.publish_idr(1);
    let newest = scene.publish_idr(1);
    assert_eq!(scene.sequences(), [500]);
    let place = scene.subscription.cursor.sealed(500).expect("in this mapping");
    assert_eq!(place.index, newest);
    assert_eq!(scene.skips(), [0; 3]);
}

#[test]
fn much_loss_for_half_a_second_pauses_until_the_next_idr() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    let report = |scene: &mut Scene, percents: &[u8]| {
        for percent in percents {
            scene.now_us += CONGESTED_US / 2;
            scene.report(*percent);
        }
    };
    scene.publish_idr(1);
    assert_eq!(scene.sequences(), [500]);
    report(&mut scene, &[40, 40, 9, 40, 40, 9]);
    scene.publish(1);
    assert_eq!(scene.sequences(), [501], "it is better in between");
    report(&mut scene, &[12, 12, 12]);
    scene.publish(3);
    assert_eq!(scene.sequences(), [0; 0], "the idr in the ring is the one it got");
    report(&mut scene, &[90, 90, 90]);
    scene.publish_idr(1);
    assert_eq!(scene.sequences(), [502]);
    assert_eq!(scene.skips(), once(SkipReason::Loss));
}

#[test]
fn a_burst_leaves_64_packets_at_once_and_then_64_a_millisecond() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [500, 501]);
    scene.ring.hold_unserved();
    scene.publish(3 * PACING_SEGMENTS_PER_MS as usize - 10);
    scene.now_us += 1_000;
    let mut left = Vec::new();
    for _ in 0..3 {
        let served = scene.serve();
        assert_eq!(served == Served::Behind, left.len() < 2, "{served:?}");
        scene.now_us += 999;
        if served == Served::Behind {
            assert_eq!(scene.serve(), Served::Behind, "still the same millisecond");
        }
        left.push(scene.flush().len());
        scene.now_us += 1;
    }
    assert_eq!(left, [64, 64, 54]);
    assert_eq!(scene.serve(), Served::UpToDate);
}

#[test]
fn a_full_socket_in_the_middle_of_a_batch_changes_no_byte() {
    static SMOOTH: Arena<Chunks> = Arena::new(Chunks::new());
    static ROUGH: Arena<Chunks> = Arena::new(Chunks::new());
    let mut smooth = Scene::new(SMOOTH.take().unwrap(), WIRING);
    let mut rough = Scene::new(ROUGH.take().unwrap(), WIRING);
    let packets = 60;
    for scene in [&mut smooth, &mut rough] {
        scene.publish_idr(1);
        assert_eq!(scene.serve(), Served::UpToDate);
        scene.now_us += 1_000;
        scene.publish(packets - 1);
        assert_eq!(scene.serve(), Served::UpToDate);
    }
    // The first run is sent, the second is not.
    rough.wire.results.borrow_mut().push_back(Ok(1));
    rough.wire.is_full.set(true);
    let mut expected = smooth.flush();
    let mut left = rough.flush();
    assert!(!left.is_empty() && left.len() < packets, "{}", left.len());
    // Packets keep coming while the socket is full: those that do not fit the batch are not sealed.
    let mut served = Served::UpToDate;
    for _ in 0..8 {
        for scene in [&mut smooth, &mut rough] {
            scene.now_us += 1_000;
            scene.publish(30);
            served = scene.serve();
        }
        expected.extend(smooth.flush());
        assert!(rough.flush().is_empty());
    }
    assert_eq!(served, Served::Blocked);
    rough.wire.is_full.set(false);
    while rough.serve() != Served::UpToDate {
        rough.now_us += 1_000;
    }
    left.extend(rough.flush());
    assert_eq!(left.len(), packets + 8 * 30);
    assert!(left == expected, "the same bytes in the same order");
    assert_eq!(rough.skips(), [0; 3]);
}

#[test]
fn a_report_goes_with_a_mappings_first_packet_and_then_every_three_seconds() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    let reports = |scene: &mut Scene| {
        scene.act(|subscription, view, context| {
            subscription.serve(StreamView { timestamp: Some(5), ..view }, context)
        });
        let left = scene.flush();
        left.iter().filter(|datagram| datagram[1] == 200).count()
    };
    assert_eq!(reports(&mut scene), 0, "none before there is a picture");
    scene.publish_idr(2);
    assert_eq!(reports(&mut scene), 1);
    for at_ms in [1_000, 2_999, 3_000, 5_000, 6_000] {
        scene.now_us = 10_000_000 + at_ms * 1_000;
        scene.publish(1);
        assert_eq!(reports(&mut scene), usize::from(at_ms % 3_000 == 0), "{at_ms}");
    }
    scene.report(50);
    scene.now_us += CONGESTED_US;
    scene.report(50);
    scene.now_us += 10_000_000;
    assert_eq!(reports(&mut scene), 0, "none in a pause");
    scene.publish_idr(1);
    assert_eq!(reports(&mut scene), 1);
}
