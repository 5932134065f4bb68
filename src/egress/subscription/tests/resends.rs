//! Resends: identical to the original, within the mapping and the budget.

use super::*;
use crate::limits::{DENSE_LOSS_PACKETS, PACING_SEGMENTS_PER_MS, RESEND_BYTES_MIN, RESEND_COPY_US};
use crate::mem::arena::Arena;

#[test]
fn a_resend_is_the_same_to_the_byte() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(20);
    scene.serve_all();
    let first = scene.flush();
    scene.publish(5);
    scene.now_us += 1_500_000;
    scene.nack(503, 0b1000_0000_0000_0101);
    let expected = || [3, 4, 6, 19].map(|at: usize| &first[at]).into_iter();
    assert!(scene.flush().iter().eq(expected()));
    assert_eq!(scene.subscription.counters.resends, 4);
    assert_eq!(scene.subscription.counters.packets, 20, "they count apart");
    assert_eq!(scene.serve(), Served::CatchingUp, "there is more to come");
    assert_eq!(scene.flush().len(), 5);
    scene.now_us += RESEND_COPY_US;
    assert_eq!(scene.serve(), Served::UpToDate);
    assert!(scene.flush().iter().eq(expected()), "once more, unasked");
}

#[test]
fn what_was_never_sealed_or_is_overwritten_is_refused() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.nack(500, 0);
    scene.publish_idr(4);
    assert_eq!(scene.sequences().len(), 4);
    for sequence in [504, 499, 0, 500_u16.wrapping_sub(0x8000)] {
        scene.nack(sequence, 0);
    }
    scene.lap();
    scene.nack(503, 0);
    assert_eq!(scene.flush(), [[0; 0]; 0]);
    assert_eq!(scene.subscription.counters.resends, 0);
    assert_eq!(scene.subscription.counters.resends_refused, 6);
}

#[test]
fn a_spent_budget_pauses_until_the_next_idr() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [500, 501]);
    for _ in 0..100 {
        scene.now_us += 1;
        scene.nack(500, 1);
    }
    let granted = RESEND_BYTES_MIN / PAYLOAD_BYTES as u64;
    assert_eq!(scene.flush().len() as u64, granted);
    assert_eq!(scene.skips(), once(SkipReason::Resends));
    scene.publish(3);
    assert_eq!(scene.sequences(), [0; 0]);
    scene.publish_idr(1);
    assert_eq!(scene.sequences(), [502]);
}

#[test]
fn without_resend_nothing_is_answered_and_nothing_paused() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let rtp_params = RtpParams { is_resending: false, ..WIRING };
    let mut scene = Scene::new(CHUNKS.take().unwrap(), rtp_params);
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [500, 501]);
    for _ in 0..100 {
        scene.nack(500, 1);
    }
    scene.publish(1);
    assert_eq!(scene.sequences(), [502]);
    let counters = scene.subscription.counters;
    assert_eq!((counters.resends, counters.resends_refused), (0, 200));
    assert_eq!(scene.skips(), [0; 3]);
}

/// A viewer to which a key frame of `packets` packets was sent, and whose browser asks again for
/// all of them except every eighth.
fn after_an_overflow(scene: &mut Scene, packets: u16) -> usize {
    scene.publish_idr(usize::from(packets));
    scene.serve_all();
    assert_eq!(scene.flush().len(), usize::from(packets));
    let missed = (RANDOM..RANDOM + packets).filter(|number| !number.is_multiple_of(8));
    missed.map(|number| scene.nack(number, 0)).count()
}

#[test]
fn losses_behind_a_burst_are_mended_and_the_next_burst_is_slower() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.bits_per_s = 8_000_000;
    let missed = after_an_overflow(&mut scene, 400);
    let mut again = 0;
    let (began_us, mut lulls) = (scene.now_us, 0);
    loop {
        let served = scene.serve();
        assert!(served <= Served::CatchingUp, "the camera is not held for it: {served:?}");
        let left = scene.flush().len();
        assert!(left <= 30, "{left} in a millisecond are more than 64 Mbit/s and what was saved");
        again += left;
        lulls += usize::from(left == 0);
        if served == Served::UpToDate {
            break;
        }
        scene.now_us += 1_000;
    }
    let copies = again - missed;
    assert!(copies <= usize::from(DENSE_LOSS_PACKETS), "{copies}, of before it was known");
    let rate = (again * PAYLOAD_BYTES * 8) as u64 * 1_000_000 / (scene.now_us - began_us);
    assert!((61_000_000..72_000_000).contains(&rate), "{rate} bits a second, {lulls} lulls");
    assert_eq!(scene.skips(), [0; 3]);
    // From now on a burst is sent at that pace, although it is live.
    scene.now_us += 100_000;
    scene.publish(PACING_SEGMENTS_PER_MS as usize);
    assert_eq!(scene.serve(), Served::CatchingUp);
    assert!(scene.flush().len() <= 30);
}

#[test]
fn losses_by_chance_slow_nothing() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.bits_per_s = 8_000_000;
    scene.publish_idr(400);
    scene.serve_all();
    scene.flush();
    for number in (RANDOM..RANDOM + 400).step_by(50) {
        scene.nack(number, 0);
    }
    assert_eq!(scene.flush().len(), 8, "at once");
    scene.serve_all();
    assert_eq!(scene.flush().len(), 8, "and once more");
    scene.now_us += 100_000;
    scene.publish(PACING_SEGMENTS_PER_MS as usize);
    assert_eq!(scene.serve(), Served::UpToDate);
}

#[test]
fn what_waits_to_be_sent_again_is_forgotten_where_numbers_mean_other_packets() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut scene = Scene::new(CHUNKS.take().unwrap(), WIRING);
    scene.bits_per_s = 8_000_000;
    after_an_overflow(&mut scene, 200);
    assert!(scene.subscription.is_mending());
    scene.lap();
    scene.publish_idr(1);
    scene.now_us += 1_000;
    scene.flush();
    assert_eq!(scene.sequences(), [RANDOM + 200]);
    assert!(!scene.subscription.is_mending());
}
