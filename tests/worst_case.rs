//! Everything at once that the memory profile `edge-64` was made for: every camera plays, every
//! session is taken, every handshake slot is held with all that a handshake may hold, every HTTP
//! connection is busy, and garbage floods the media port. Nobody loses a packet, and the memory
//! stays within the plan.
#![cfg(weir_profile = "edge-64")]

mod common;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common::agent::{Agent, NO_FINGERPRINT, offer_of_bytes};
use common::camera::picture::Picture;
use common::camera::{Mount, Park};
use common::crowd::{self, Habit};
use common::flood::Flood;
use common::process::Usage;
use common::reception::Keep;
use common::server::{Server, Setup};
use common::viewer::{Options, Viewer, wall};
use weir::clock;
use weir::limits::{HANDSHAKE_RECORDS_HELD_MAX, OFFER_BYTES_MAX, PROFILE};
use weir::plan;

const PATIENCE_US: u64 = 20_000_000;
const OFFERS_AT_ONCE: usize = 64;
const FLOOD_PER_S: u64 = 10_000;
const TRIES: usize = 3;
/// Below the 5 s that an offer waits, and an unread answer is kept.
const HOLD: Duration = Duration::from_millis(4_500);
const TRAIL_US: u64 = 100_000;
/// A DTLS record as large as a browser's largest.
const RECORD_BYTES: u16 = 1_200;

fn main_cameras() -> Vec<String> {
    (0..PROFILE.cameras).map(|number| format!("cam{number}")).collect()
}

/// Viewers on every session but those that handshakes will have.
fn wall_of_viewers(server: &Server, cameras: &[String]) -> Vec<Viewer> {
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let count = PROFILE.sessions - PROFILE.handshakes;
    let watched: Vec<String> = cameras.iter().cycle().take(count).cloned().collect();
    let mut viewers = Vec::new();
    for cameras in watched.chunks(OFFERS_AT_ONCE) {
        for viewer in wall::connect_all(server.http, cameras, &options, PATIENCE_US) {
            viewers.push(viewer.unwrap_or_else(|error| panic!("{error}")));
        }
        wall::run(&mut viewers, 0, |_| false);
    }
    assert!(viewers.iter().all(Viewer::is_connected));
    viewers
}

/// A record of a handshake message that cannot be read before those that never come.
fn early_record(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let [bytes_high, bytes_low] = RECORD_BYTES.to_be_bytes();
    let [total_high, total_low] = (RECORD_BYTES + 12).to_be_bytes();
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, high, low, total_high, total_low];
    record.extend([16, 0, bytes_high, bytes_low, high, low, 0, 0, 0, 0, bytes_high, bytes_low]);
    record.resize(record.len() + usize::from(RECORD_BYTES), 0x5a);
    record
}

/// Handshakes that hold as much as they may, in every slot.
fn full_handshakes(server: &Server) -> Vec<Agent> {
    let offer = offer_of_bytes(NO_FINGERPRINT, OFFER_BYTES_MAX);
    (0..PROFILE.handshakes)
        .map(|_| {
            let local = IpAddr::from(Ipv4Addr::new(127, 0, 0, 50));
            let agent = Agent::post_from(local, server.http, "cam0", &offer).expect("a slot");
            agent.nominate();
            for number in 1..u16::try_from(HANDSHAKE_RECORDS_HELD_MAX).expect("few") {
                agent.socket.send_to(&early_record(number), agent.media).expect("loopback");
            }
            agent
        })
        .collect()
}

/// The most that was seen at once.
#[derive(Debug, Default)]
struct Held {
    sessions: f64,
    handshakes: f64,
    connections: usize,
}

fn look(server: &Server, held: &mut Held) {
    let metrics = |name| server.metric(name).expect("a gauge");
    held.sessions = held.sessions.max(metrics("weir_sessions"));
    held.handshakes = held.handshakes.max(metrics("weir_handshakes"));
    held.connections = held.connections.max(established(server.http));
}

/// Connections to an address that the kernel has as established, counted at the server's end.
fn established(server: SocketAddr) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("a table");
    let port = format!(":{:04X}", server.port());
    let is_held = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
    };
    table.lines().filter(is_held).count()
}

/// All HTTP connections, first with answers that nobody reads, then with offers that wait, for
/// which the handshakes make room in the end.
fn hold(server: &Server) -> Held {
    let mut held = Held::default();
    for habit in [Habit::NeverReads, Habit::Offers(OFFER_BYTES_MAX)] {
        let crowd = crowd::gather(server.http, "cam1", PROFILE.http_connections, habit);
        let until_us = clock::now_us() + u64::try_from(HOLD.as_micros()).expect("seconds");
        while clock::now_us() < until_us {
            look(server, &mut held);
            std::thread::sleep(Duration::from_millis(100));
        }
        let heap = server.metric("weir_library_heap_high_water_bytes").expect("a gauge");
        let used = server.metric("weir_library_heap_used_bytes");
        println!("library heap high-water with {habit:?}: {heap}, {used:?}");
        drop(crowd);
    }
    held
}

#[test]
fn the_worst_case_at_once_is_within_the_plan_and_nobody_loses_a_packet() {
    // Other work may have the machine's two cores at that moment.
    let losses: Vec<[u64; 3]> = (0..TRIES).map(|_| worst_case()).take_while(is_loss).collect();
    assert!(losses.len() < TRIES, "packets lost, frames broken, viewers ended: {losses:?}");
}

/// Whose the library heap is.
fn print_accounts(server: &Server) {
    let figures = ["weir_accounts_used", "weir_accounts_most", "weir_library_heap_shared"];
    let is_meant = |line: &&str| figures.iter().any(|figure| line.starts_with(figure));
    server.metrics().lines().filter(is_meant).for_each(|line| println!("  {line}"));
}

fn is_loss(losses: &[u64; 3]) -> bool {
    losses != &[0; 3]
}

/// Holds it once; packets lost, frames broken, viewers that weir ended.
fn worst_case() -> [u64; 3] {
    let cameras = main_cameras();
    let park = Park::open(Mount::many(64, Picture::default(), false));
    let urls = cameras.iter().map(|name| (name.clone(), park.url(name)));
    let server = Server::start(&Setup::of(urls));
    assert!(server.wait_until_ready(cameras.len(), PATIENCE_US));
    let used = |when: &str| {
        std::thread::sleep(Duration::from_millis(600)); // the gauge's period
        let bytes = server.metric("weir_library_heap_used_bytes").expect("a gauge");
        println!("library heap {when}: {bytes} bytes in use");
        print_accounts(&server);
    };
    used("with every camera");
    let mut viewers = wall_of_viewers(&server, &cameras);
    used("with the wall");
    let agents = full_handshakes(&server);
    used("with the handshakes");
    for viewer in &mut viewers {
        viewer.reception.begin_window();
    }
    let began_us = clock::now_us();
    let flood = Flood::begin(server.media, FLOOD_PER_S);
    let is_over = AtomicBool::new(false);
    let held = std::thread::scope(|scope| {
        for agent in &agents {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    agent.dawdle(200_000);
                }
            });
        }
        let holding = scope.spawn(|| hold(&server));
        wall::run(&mut viewers, PATIENCE_US, |_| holding.is_finished());
        is_over.store(true, Relaxed);
        holding.join().expect("no panic")
    });
    let flood_per_s = flood.end();
    let took_us = clock::now_us() - began_us;
    wall::run(&mut viewers, TRAIL_US, |_| false);
    let usage = Usage::of(server.pid()).expect("weir runs");
    let heap = server.metric("weir_library_heap_high_water_bytes").expect("a gauge");
    print_accounts(&server);
    let sum = |figure: fn(&Viewer) -> u64| viewers.iter().map(figure).sum::<u64>();
    let packets = sum(|viewer| viewer.reception.counts.packets);
    let lost = sum(|viewer| viewer.reception.counts.lost());
    let broken = sum(|viewer| viewer.reception.counts.broken_frames);
    let ended = viewers.iter().filter(|viewer| viewer.ended.is_some()).count();
    println!(
        "{held:?}, {flood_per_s:.0} garbage datagrams a second, {packets} packets in {took_us} us, \
         {lost} lost, {broken} frames broken, socket full {:?} times; library heap {heap} of {}, VmHWM {} KiB of {}",
        server.metric("weir_udp_blocked_total"),
        PROFILE.library_heap_bytes,
        usage.peak_kib,
        plan::TOTAL_BYTES / 1024
    );
    assert!(flood_per_s > 0.95 * FLOOD_PER_S as f64, "{flood_per_s}");
    assert_eq!(held.sessions, PROFILE.sessions as f64);
    assert_eq!(held.handshakes, PROFILE.handshakes as f64);
    assert!(held.connections >= PROFILE.http_connections, "{held:?}");
    assert!(heap < 0.8 * PROFILE.library_heap_bytes as f64, "{heap}");
    assert!(usage.peak_kib <= (plan::TOTAL_BYTES / 1024) as u64, "{usage:?}");
    [lost, broken, ended as u64]
}
