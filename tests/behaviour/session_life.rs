//! How a session lives, moves and ends; what an attacker who overheard it cannot do.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir::clock;

use crate::common::agent::{Agent, NO_FINGERPRINT};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::rtp::Kind;
use crate::common::server::wait_for;
use crate::common::viewer::{Viewer, wall};

const SECOND_US: u64 = 1_000_000;
/// What a browser's `close()` sends: an encrypted alert, of which only the type is looked at.
const FORGED_ALERT: [u8; 39] = {
    let mut record = [7; 39];
    (record[0], record[1], record[2]) = (21, 0xfe, 0xfd);
    (record[3], record[4], record[11], record[12]) = (0, 1, 0, 26);
    record
};

/// All that a viewer sends, as somebody on its network sees it.
type Overheard = Arc<Mutex<Vec<Vec<u8>>>>;

fn overhear(viewer: &mut Viewer) -> Overheard {
    let overheard = Overheard::default();
    let ear = overheard.clone();
    viewer.drop_outbound = Some(Box::new(move |datagram| {
        ear.lock().unwrap().push(datagram.to_vec());
        false
    }));
    overheard
}

fn last(overheard: &Overheard, kind: Kind) -> Option<Vec<u8>> {
    let heard = overheard.lock().unwrap();
    heard.iter().rev().find(|datagram| Kind::of(datagram) == kind).cloned()
}

/// Somebody else, at an address of its own.
struct Attacker {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Attacker {
    fn on(viewer: &Viewer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, target: viewer.remote().expect("a connected viewer") }
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.target).unwrap();
    }

    /// How many datagrams of each kind came: STUN, and everything else.
    fn received(&self) -> (usize, usize) {
        let mut buffer = [0; 2048];
        let (mut stun, mut other) = (0, 0);
        while let Ok((bytes, _)) = self.socket.recv_from(&mut buffer) {
            match Kind::of(&buffer[..bytes]) {
                Kind::Stun => stun += 1,
                _ => other += 1,
            }
        }
        (stun, other)
    }
}

/// Runs a viewer that must go on living.
fn live(viewer: &mut Viewer, us: u64) {
    wall::run_one(viewer, us, |viewer| viewer.ended.is_some());
    assert_eq!(viewer.ended, None);
}

fn told(viewer: &mut Viewer) -> bool {
    let is_told = |viewer: &Viewer| viewer.ended.as_deref() == Some("close_notify");
    wall::run_one(viewer, SECOND_US, is_told)
}

/// Waits for the end; its reason, and how long it took.
fn end(fixture: &Fixture, address: SocketAddr, timeout_us: u64) -> (String, u64) {
    let began_us = clock::now_us();
    let has_ended = || fixture.session(address)["state"] == "ended";
    assert!(wait_for(timeout_us, has_ended), "{}", fixture.session(address));
    let reason = fixture.session(address)["reason"].as_str().expect("a reason").to_owned();
    (reason, clock::now_us() - began_us)
}

#[test]
fn delete_ends_it_and_the_viewer_is_told() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    assert_eq!(fixture.session(viewer.local())["state"], "live");
    // It asks nothing, so that what it is told is no answer.
    viewer.drop_outbound = Some(Box::new(|datagram| Kind::of(datagram) == Kind::Stun));
    assert_eq!(fixture.delete(&viewer.location), 200);
    assert!(told(&mut viewer));
    let (reason, _) = end(&fixture, viewer.local(), SECOND_US);
    assert_eq!(reason, "ended by the player");
    assert_eq!(fixture.delete(&viewer.location), 404, "once");
    let is_alone = || fixture.server.metric("weir_camera_viewers") == Some(0.0);
    assert!(wait_for(SECOND_US, is_alone));
    // Nothing comes behind the goodbye.
    let packets = viewer.reception.counts.packets;
    wall::run_one(&mut viewer, SECOND_US / 2, |_| false);
    assert_eq!(viewer.reception.counts.packets, packets);
}

#[test]
fn who_vanishes_is_gone_after_eight_seconds_whatever_is_forged_meanwhile() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let overheard = overhear(&mut viewer);
    live(&mut viewer, 3 * SECOND_US);
    let (attacker, address) = (Attacker::on(&viewer), viewer.local());
    let check = last(&overheard, Kind::Stun).expect("a consent check");
    let report = last(&overheard, Kind::Rtcp).expect("a report");
    // As a machine without power: its port stays open, so that nobody complains.
    let _deaf = viewer.rebind();
    viewer.vanish();
    let began_us = clock::now_us();
    // Alerts from elsewhere do not shorten its life, and what was overheard does not prolong it.
    let has_ended = || {
        for datagram in [&check, &report, &FORGED_ALERT.to_vec()] {
            attacker.send(datagram);
        }
        std::thread::sleep(Duration::from_millis(100));
        fixture.session(address)["state"] == "ended"
    };
    assert!(wait_for(12 * SECOND_US, has_ended));
    let after_us = clock::now_us() - began_us;
    assert!((6_900_000..8_600_000).contains(&after_us), "{after_us} us");
    assert_eq!(fixture.session(address)["reason"], "silent: no check and no report for 8 s");
    let (_, other) = attacker.received();
    assert!(other <= 2, "only the goodbye to a late check, got {other}");
}

#[test]
fn who_is_killed_is_gone_four_seconds_after_its_kernel_said_so() {
    let fixture = Fixture::open();
    let (viewer, mut other) = (fixture.viewer(), fixture.viewer());
    let address = viewer.local();
    let began_us = clock::now_us();
    viewer.vanish();
    live(&mut other, 4 * SECOND_US - SECOND_US / 5);
    assert_eq!(fixture.session(address)["state"], "live");
    live(&mut other, SECOND_US);
    let (reason, _) = end(&fixture, address, SECOND_US);
    let after_us = clock::now_us() - began_us;
    assert_eq!(reason, "the player is unreachable");
    assert!(after_us < 5_500_000, "{after_us} us");
    // Whoever was served beside it has missed nothing of the many errors.
    assert_eq!(other.reception.counts.lost(), 0);
    let errors = fixture.server.metric("weir_icmp_errors_total");
    assert!(errors.is_some_and(|errors| errors > 50.0), "{errors:?}");
    assert_eq!(fixture.server.metric("weir_udp_refused_total"), Some(0.0));
}

#[test]
fn an_alert_ends_it_four_seconds_later() {
    let fixture = Fixture::open();
    let viewer = fixture.viewer();
    let address = viewer.local();
    viewer.close();
    let (reason, after_us) = end(&fixture, address, 6 * SECOND_US);
    assert_eq!(reason, "the player left");
    assert!((3_800_000..4_600_000).contains(&after_us), "{after_us} us");
}

#[test]
fn an_alert_ends_nothing_while_there_are_signs_of_life() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let weir = viewer.remote().expect("it is connected");
    for _ in 0..6 {
        // The sender's address is as easily forged as the alert.
        viewer.send(weir, &FORGED_ALERT);
        live(&mut viewer, SECOND_US);
    }
    assert_eq!(fixture.session(viewer.local())["state"], "live");
    assert_eq!(viewer.reception.counts.lost(), 0);
    let packets = viewer.reception.counts.packets;
    live(&mut viewer, SECOND_US / 2);
    assert!(viewer.reception.counts.packets > packets);
}

#[test]
fn what_was_overheard_moves_nothing() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let overheard = overhear(&mut viewer);
    live(&mut viewer, 3 * SECOND_US);
    let attacker = Attacker::on(&viewer);
    let address = viewer.local();
    let mut checks = 0;
    for _ in 0..20 {
        for datagram in overheard.lock().unwrap().iter() {
            checks += usize::from(Kind::of(datagram) == Kind::Stun);
            attacker.send(datagram);
        }
        attacker.send(&FORGED_ALERT);
        live(&mut viewer, SECOND_US / 10);
    }
    let (stun, other) = attacker.received();
    assert!(checks > 20 && stun > 0, "{checks} checks, {stun} answers");
    assert_eq!(other, 0, "nothing but answers to checks reaches the attacker");
    assert_eq!(viewer.reception.counts.lost(), 0);
    let session = fixture.session(address);
    assert_eq!((&session["state"], &session["resends"]), (&"live".into(), &0.into()));
    // The viewer is heard as before.
    viewer.send_picture_loss();
    let is_heard = || fixture.session(address)["key_frame_requests"] == 1;
    assert!(wait_for(SECOND_US, is_heard));
}

#[test]
fn checks_of_another_session_do_not_take_a_viewers_address() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let weir = viewer.remote().expect("it is connected");
    let thief = Agent::post(fixture.server.http, CAMERA, NO_FINGERPRINT).expect("201");
    live(&mut viewer, SECOND_US);
    for asked in 1..=10 {
        // As if it came from there: nothing in a check says where it was sent.
        viewer.send(weir, &thief.check());
        viewer.send_picture_loss();
        let address = viewer.local();
        let is_heard = || fixture.session(address)["key_frame_requests"] == asked;
        assert!(wait_for(SECOND_US, is_heard), "{asked}: {}", fixture.session(address));
    }
    live(&mut viewer, SECOND_US / 2);
    assert_eq!(viewer.reception.counts.lost(), 0);
    // The thief's own address is its own all the while.
    thief.nominate();
}

#[test]
fn a_viewer_that_moves_is_followed() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    live(&mut viewer, 2 * SECOND_US);
    let old = viewer.rebind();
    let moved_us = clock::now_us();
    let packets = viewer.reception.counts.packets;
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > packets;
    assert!(wall::run_one(&mut viewer, 5 * SECOND_US, has_media), "media at the new port");
    let after_us = clock::now_us() - moved_us;
    println!("media followed after {after_us} us");
    // A consent check every 2.66 s teaches the address, and the next report proves it.
    assert!(after_us < 4 * SECOND_US, "{after_us} us");
    // Nothing more goes to the old port.
    let mut buffer = [0; 2048];
    while old.recv(&mut buffer).is_ok() {}
    live(&mut viewer, 6 * SECOND_US);
    assert!(old.recv(&mut buffer).is_err());
    assert!(viewer.reception.counts.packets > packets + 100);
    let session = fixture.session(viewer.bound());
    assert_eq!(session["state"], "live");
}

#[test]
fn a_viewer_that_does_not_answer_where_it_says_it_is_gets_nothing_sent_there() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    live(&mut viewer, 2 * SECOND_US);
    // Its checks and reports come from there as if it were, with its own keys; but what weir
    // sends there does not reach it.
    let old = viewer.rebind();
    viewer.drop_inbound = Some(Box::new(|datagram| Kind::of(datagram) == Kind::Stun));
    let packets = viewer.reception.counts.packets;
    wall::run_one(&mut viewer, 5 * SECOND_US, |viewer| viewer.ended.is_some());
    assert_eq!(viewer.reception.counts.packets, packets, "not one packet");
    assert!(old.recv(&mut [0; 2048]).is_ok(), "it is sent to where it was, until that is silent");
}

#[test]
fn a_late_check_on_an_ended_session_is_answered_with_the_goodbye() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    // It sleeps while its session ends.
    viewer.drop_inbound = Some(Box::new(|datagram| Kind::of(datagram) == Kind::Dtls));
    assert_eq!(fixture.delete(&viewer.location), 200);
    assert!(!told(&mut viewer));
    viewer.drop_inbound = None;
    let is_told = |viewer: &Viewer| viewer.ended.as_deref() == Some("close_notify");
    assert!(wall::run_one(&mut viewer, 4 * SECOND_US, is_told), "its next check is answered");
}

#[test]
fn sigterm_says_goodbye_to_viewers_and_cameras() {
    let fixture = Fixture::open();
    let mut viewers = [fixture.viewer(), fixture.viewer()];
    let Fixture { server, farm } = fixture;
    let began_us = clock::now_us();
    let status = server.stop();
    let took_us = clock::now_us() - began_us;
    assert_eq!(status.code(), Some(0));
    assert!(took_us < SECOND_US, "{took_us} us");
    assert!(viewers.iter_mut().all(told));
    assert_eq!(farm.counts(CAMERA).teardowns.load(Relaxed), 1);
}
