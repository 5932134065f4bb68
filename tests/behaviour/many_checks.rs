//! As many offers as there are sessions but a few, each with good checks again and again: the
//! control thread, which reads them, still answers pages, gives signs of life and connects others.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weir::clock;
use weir::limits::PROFILE;

use crate::common::agent::{self, Agent, NO_FINGERPRINT};
use crate::common::fixture::{CAMERA, Fixture};

const SECOND_US: u64 = 1_000_000;
/// Sessions that are left for others.
const LEFT: usize = 6;
/// Checks of each offer a second: as many as a handshake may send.
const CHECKS_PER_S: u64 = 100;
const ATTACK_US: u64 = 8 * SECOND_US;
const PAGE_US_MAX: u64 = SECOND_US / 2;
/// A handshake that has a slot keeps it for 1 s against a newcomer.
const CONNECTED_US_MAX: u64 = 2 * SECOND_US;

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Sends checks of all of them in turn, evenly, until the time is over; how many.
fn pour(agents: &[Agent], is_over: &AtomicBool) -> u64 {
    let checks: Vec<Vec<u8>> = agents.iter().map(Agent::check).collect();
    let per_s = CHECKS_PER_S * agents.len() as u64;
    let began_us = clock::now_us();
    let mut sent = 0;
    while clock::now_us() < began_us + ATTACK_US {
        let due = (clock::now_us() - began_us) * per_s / SECOND_US;
        while sent < due {
            let at = usize::try_from(sent).expect("64 bits") % agents.len();
            // What the socket has no room for is lost, as on any network.
            let _ = agents[at].socket.send_to(&checks[at], agents[at].media);
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    is_over.store(true, Ordering::Relaxed);
    sent
}

#[test]
fn the_control_thread_goes_on_beside_them() {
    let fixture = Fixture::open();
    let offer = agent::offer(NO_FINGERPRINT);
    let agents: Vec<Agent> = (0..PROFILE.sessions - LEFT)
        .map(|_| Agent::post_from(loopback(9), fixture.server.http, CAMERA, &offer).expect("201"))
        .collect();
    let is_over = AtomicBool::new(false);
    let (sent, pages_us, connected_us) = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| pour(&agents, &is_over));
        let pages = scope.spawn(|| {
            let mut took_us = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let began_us = clock::now_us();
                assert_eq!(fixture.server.get("/healthz").status, 200);
                took_us.push(clock::now_us() - began_us);
                std::thread::sleep(Duration::from_millis(50));
            }
            took_us
        });
        let mut connected_us = Vec::new();
        std::thread::sleep(Duration::from_secs(1));
        while !is_over.load(Ordering::Relaxed) {
            connected_us.push(fixture.visit(loopback(2)));
        }
        (attacker.join().expect("no panic"), pages.join().expect("no panic"), connected_us)
    });
    let longest_us = pages_us.iter().copied().max();
    println!(
        "{sent} checks, {} pages, the longest {longest_us:?} us, {} connected in {:?} us at most",
        pages_us.len(),
        connected_us.len(),
        connected_us.iter().max(),
    );
    assert!(sent > 9 * CHECKS_PER_S * agents.len() as u64 * ATTACK_US / SECOND_US / 10, "{sent}");
    assert!(longest_us.is_some_and(|us| us < PAGE_US_MAX), "{pages_us:?}");
    assert!(connected_us.len() > 2, "{connected_us:?}");
    assert!(connected_us.iter().all(|us| *us < CONNECTED_US_MAX), "{connected_us:?}");
}
