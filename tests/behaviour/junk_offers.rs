//! Offers that nobody means, twenty a second: honest viewers do not notice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use weir::clock;
use weir::limits::PROFILE;

use crate::common::agent::{self, NO_FINGERPRINT};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
const WAVE_US: u64 = 12 * SECOND_US;
const JUNK_EVERY: Duration = Duration::from_millis(50);
const VIEWER_EVERY: Duration = Duration::from_millis(300);
const CONNECTED_US_MAX: u64 = SECOND_US;

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn post(from: IpAddr, http: SocketAddr) -> bool {
    agent::post(from, http, CAMERA, &agent::offer(NO_FINGERPRINT))
        .is_ok_and(|answer| answer.status == 201)
}

/// Connects and leaves; how long the way to the keys took.
fn visit(http: SocketAddr) -> u64 {
    let options = Options { local: loopback(1), ..Options::default() };
    let began_us = clock::now_us();
    let viewer = Viewer::connect_with(http, CAMERA, &options);
    let mut viewer = viewer.unwrap_or_else(|refused| panic!("{refused}"));
    let connects = wall::run_one(&mut viewer, 5 * SECOND_US, Viewer::is_connected);
    assert!(connects, "{:?}", viewer.ended);
    let took_us = clock::now_us() - began_us;
    assert!(viewer.delete().is_ok_and(|status| status == 200));
    took_us
}

/// Visitors during a wave of junk from an address; how long each took.
fn wave(junk: IpAddr) -> Vec<u64> {
    let fixture = Fixture::open();
    let http = fixture.server.http;
    let (is_over, posted) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let (is_over, posted) = (&is_over, &posted);
                // Each waits for its answer on its own, so that the rate is kept.
                scope.spawn(move || {
                    if !is_over.load(Ordering::Relaxed) && post(junk, http) {
                        posted.fetch_add(1, Ordering::Relaxed);
                    }
                });
                std::thread::sleep(JUNK_EVERY);
            }
        });
        let until_us = clock::now_us() + WAVE_US;
        let mut took_us = Vec::new();
        let visits = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while clock::now_us() < until_us {
                took_us.push(visit(http));
                std::thread::sleep(VIEWER_EVERY);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        visits.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let posted = posted.load(Ordering::Relaxed);
        let most = took_us.iter().max().copied().unwrap_or(u64::MAX);
        println!("{posted} junk offers, {} viewers, at most {most} us", took_us.len());
        assert!(posted > 150, "{posted} junk offers were answered");
        took_us
    })
}

fn assert_connected(took_us: &[u64]) {
    assert!(took_us.len() > 20);
    assert!(took_us.iter().all(|took_us| *took_us < CONNECTED_US_MAX), "{took_us:?}");
}

#[test]
fn a_wave_of_junk_from_the_viewers_own_address() {
    assert_connected(&wave(loopback(1)));
}

#[test]
fn a_wave_of_junk_from_another_address() {
    assert_connected(&wave(loopback(9)));
}

#[test]
fn a_table_full_of_junk_makes_room_for_a_viewer() {
    let fixture = Fixture::open();
    let http = fixture.server.http;
    assert!((0..PROFILE.sessions).all(|_| post(loopback(1), http)));
    // The oldest has been unchecked for half a second, or is in a moment.
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..8 {
        let took_us = visit(http);
        assert!(took_us < CONNECTED_US_MAX, "{took_us} us");
    }
    let gone = "the handshake made no progress, and was evicted for another player";
    assert!(fixture.sessions().iter().any(|session| session["reason"] == gone));
}

/// Bytes of the library heap that each of many offers keeps which no check follows.
fn kept_bytes(webrtc: &str, offer: &str) -> f64 {
    let fixture = Fixture::open_with(|setup| setup.webrtc = webrtc.to_owned());
    let used = || {
        // The figure is brought up to date twice a second.
        std::thread::sleep(Duration::from_millis(600));
        fixture.server.metric("weir_library_heap_used_bytes").expect("a metric")
    };
    // What is made once and kept is made.
    assert!((0..16).all(|_| post(loopback(1), fixture.server.http)));
    let count = PROFILE.sessions - 64;
    let before = used();
    for _ in 0..count {
        let answer = agent::post(loopback(1), fixture.server.http, CAMERA, offer);
        assert!(answer.is_ok_and(|answer| answer.status == 201));
    }
    assert_eq!(fixture.server.metric("weir_sessions"), Some((16 + count) as f64));
    (used() - before) / count as f64
}

#[test]
fn an_answered_offer_that_no_check_follows_keeps_little_memory() {
    let plain = agent::offer(NO_FINGERPRINT);
    let large = agent::offer_of_bytes(NO_FINGERPRINT, 16_000);
    let announced: Vec<String> = (1..=16).map(|host| format!("\"192.0.2.{host}:8118\"")).collect();
    let announced = format!("announce = [{}]", announced.join(", "));
    for (webrtc, offer, most) in
        [("", &plain, 1024.0), ("", &large, 1024.0), (announced.as_str(), &large, 1536.0)]
    {
        let kept = kept_bytes(webrtc, offer);
        println!("{} bytes of offer keep {kept}", offer.len());
        assert!(kept < most, "{kept}");
    }
}
