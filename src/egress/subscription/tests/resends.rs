//! Packets asked for again: the very same, within the mapping and the budget.

use super::*;
use crate::limits::RESEND_PACKETS_PER_S;
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
    let again = scene.flush();
    let expected: Vec<&Vec<u8>> = [3, 4, 6, 19].map(|at| &first[at]).into();
    assert!(again.iter().eq(expected));
    assert_eq!(scene.subscription.counters.resends, 4);
    assert_eq!(scene.subscription.counters.packets, 20, "they count apart");
    assert_eq!(scene.sequences(), [520, 521, 522, 523, 524]);
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
        scene.nack(500, 1);
    }
    assert_eq!(scene.flush().len(), RESEND_PACKETS_PER_S as usize);
    assert_eq!(scene.subscription.counters.skips, 1);
    scene.publish(3);
    assert_eq!(scene.sequences(), [0; 0]);
    scene.publish_idr(1);
    assert_eq!(scene.sequences(), [502]);
}

#[test]
fn without_resend_nothing_is_answered_and_nothing_paused() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let wiring = Wiring { is_resending: false, ..WIRING };
    let mut scene = Scene::new(CHUNKS.take().unwrap(), wiring);
    scene.publish_idr(2);
    assert_eq!(scene.sequences(), [500, 501]);
    for _ in 0..100 {
        scene.nack(500, 1);
    }
    scene.publish(1);
    assert_eq!(scene.sequences(), [502]);
    let counters = scene.subscription.counters;
    assert_eq!((counters.resends, counters.resends_refused, counters.skips), (0, 200, 0));
}
