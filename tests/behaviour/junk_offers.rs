//! Offers without anybody behind them, twenty a second: honest viewers are served as ever.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use weir::clock;

use crate::common::agent::{self, NO_FINGERPRINT};
use crate::common::stage::{CAMERA, Stage};
use crate::common::viewer::{Options, Viewer, wall};

const JUNK_INTERVAL: Duration = Duration::from_millis(50);
const HONEST: usize = 8;
const SECOND_US: u64 = 1_000_000;

/// Honest viewers from loopback's first address, one after the other, while junk comes from `junk`.
fn honest_viewers_among_junk_from(junk: Ipv4Addr) {
    let stage = Stage::open();
    let (over, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                scope.spawn(|| {
                    let offer = agent::offer(NO_FINGERPRINT);
                    // It may be refused: it is junk.
                    let _ = agent::post(IpAddr::V4(junk), stage.server.http, CAMERA, &offer);
                    sent.fetch_add(1, Relaxed);
                });
                std::thread::sleep(JUNK_INTERVAL);
            }
        });
        // The slots are full of it before the first of them comes.
        std::thread::sleep(Duration::from_secs(1));
        let mut viewers = Vec::new();
        let mut took = Vec::new();
        for _ in 0..HONEST {
            let began_us = clock::now_us();
            let options = Options::default();
            let viewer = Viewer::connect_with(stage.server.http, CAMERA, &options);
            let mut viewer = viewer.unwrap_or_else(|refused| {
                over.store(true, Relaxed);
                panic!("{refused}")
            });
            wall::run_one(&mut viewer, 2 * SECOND_US, Viewer::is_connected);
            took.push(clock::now_us() - began_us);
            viewers.push(viewer);
            wall::run(&mut viewers, SECOND_US / 2, |_| false);
        }
        over.store(true, Relaxed);
        println!("junk from {junk}: {} offers, connected after {took:?} us", sent.load(Relaxed));
        assert!(took.iter().all(|us| *us < SECOND_US), "{took:?} us");
        assert!(viewers.iter().all(|viewer| viewer.ended.is_none()));
    });
}

#[test]
fn junk_from_the_viewers_own_address_keeps_nobody_waiting() {
    honest_viewers_among_junk_from(Ipv4Addr::new(127, 0, 0, 1));
}

#[test]
fn junk_from_another_address_keeps_nobody_waiting() {
    honest_viewers_among_junk_from(Ipv4Addr::new(127, 0, 0, 2));
}
