//! Ten sessions a second that come and go, half of them without a word, beside a full house. The
//! same for ten minutes and more is `scripts/soak`.

use std::sync::atomic::Ordering::Relaxed;

use weir::limits::{SESSION_SILENCE_US, SESSIONS_MAX};

use crate::common::churn::Ledger;
use crate::common::full_load::FullLoad;

const PER_S: u64 = 10;
const CHURN_US: u64 = 10_000_000;
const REST_US: u64 = 2 * SESSION_SILENCE_US;
/// What the control thread keeps of the last sessions that ended, to show them.
const KEPT_BYTES_MAX: f64 = 64.0 * 1024.0;

#[test]
fn a_wave_of_sessions_that_vanish_costs_the_others_nothing_and_leaves_nothing_behind() {
    let mut load = FullLoad::open();
    let before = load.rested(REST_US);
    let ledger = Ledger::default();
    let stayed = load.churn(PER_S, CHURN_US, &ledger);
    let at_its_end = load.holding();
    let after = load.rested(REST_US);
    println!("{stayed:?}\n{ledger:?}\n{before:?}\n{at_its_end:?}\n{after:?}");

    let troubles = ledger.troubles.lock().expect("not poisoned");
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(ledger.offers.load(Relaxed), PER_S * CHURN_US / 1_000_000);
    assert_eq!((stayed.lost, stayed.broken_frames, stayed.ended), (0, 0, 0));
    assert_eq!(ledger.lost.load(Relaxed), 0);
    assert!(at_its_end.sessions > before.sessions && at_its_end.sessions < SESSIONS_MAX as f64);
    assert_eq!((after.sessions, after.handshakes), (before.sessions, 0.0));
    assert_eq!(after.descriptors, before.descriptors);
    assert!(after.heap_bytes < before.heap_bytes + KEPT_BYTES_MAX);
}
