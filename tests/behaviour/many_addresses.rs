//! Checks of one browser from ever new addresses: each is authentic, and str0m would keep an
//! address and a pair for it. They cost their own handshake, and neither memory nor other viewers.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use weir::clock;
use weir::limits::PROFILE;

use crate::common::agent::{self, Agent, NO_FINGERPRINT};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::viewer::wall;

const SECOND_US: u64 = 1_000_000;
const CHECKS: u32 = 20_000;
/// They are sent in bursts, so that the media socket has room for each.
const BURST: u32 = 50;
const BURST_US: u64 = 10_000;
const CONNECTED_US_MAX: u64 = SECOND_US;
/// What the attacked handshakes and everything beside them may take of the library heap: str0m's
/// agent alone took 1.4 KB for each of the addresses, 28 MB in all.
const HEAP_BYTES_MAX: f64 = 2.5e6;

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Sends each check from an address that none came from before, by the sessions in turn.
fn pour(agents: &[Agent]) {
    let began_us = clock::now_us();
    for number in 0..CHECKS {
        let [_, high, middle, low] = (number + (1 << 16)).to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, high, middle, low), 0));
        let socket = socket.expect("loopback has the address");
        let agent = &agents[number as usize % agents.len()];
        socket.send_to(&agent.check(), agent.media).expect("loopback takes it");
        let due_us = began_us + u64::from(number / BURST) * BURST_US;
        std::thread::sleep(Duration::from_micros(due_us.saturating_sub(clock::now_us())));
    }
}

fn attack(sessions: usize) {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let offer = agent::offer(NO_FINGERPRINT);
    let agents: Vec<Agent> = (0..sessions)
        .map(|_| Agent::post_from(loopback(9), fixture.server.http, CAMERA, &offer).expect("201"))
        .collect();
    let took_us = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| pour(&agents));
        let (fixture, attacker) = (&fixture, attacker);
        let visitor = scope.spawn(move || {
            let mut took_us = Vec::new();
            std::thread::sleep(Duration::from_micros(SECOND_US));
            while !attacker.is_finished() {
                took_us.push(fixture.visit(loopback(2)));
            }
            took_us
        });
        while !visitor.is_finished() {
            wall::run_one(&mut viewer, SECOND_US / 10, |viewer| viewer.ended.is_some());
        }
        visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    assert_eq!((&viewer.ended, viewer.reception.counts.lost()), (&None, 0));
    let heap_bytes = fixture.server.metric("weir_library_heap_high_water_bytes").expect("a metric");
    let refused =
        fixture.server.metric("weir_handshake_datagrams_refused_total").expect("a metric");
    println!("{sessions} sessions: {took_us:?} us, heap {heap_bytes}, {refused} refused");
    assert!(refused > f64::from(CHECKS) / 10.0, "{refused} refused");
    assert!(heap_bytes < HEAP_BYTES_MAX, "{heap_bytes} bytes");
    assert!(took_us.len() > 2, "{took_us:?}");
    assert!(took_us.iter().all(|took_us| *took_us < CONNECTED_US_MAX), "{took_us:?}");
}

#[test]
fn of_one_session() {
    attack(1);
}

#[test]
fn of_as_many_sessions_as_there_are_handshakes() {
    attack(PROFILE.handshakes);
}
