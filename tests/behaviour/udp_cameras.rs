//! Cameras that send by UDP: which transport is used, and what a network that loses, reorders and
//! repeats costs. A picture that a viewer gets whole is the camera's to the byte.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use weir::clock;

use crate::common::reassemble::access_units;
use crate::common::reception::Packet;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::udp_camera::{Network, Quirks, UdpCamera, perfect, rough};
use crate::common::viewer::{Viewer, wall};

const S: u64 = 1_000_000;
const READY_US: u64 = 20 * S;

/// weir with this camera, which has these further lines in its section.
fn serve(camera: &UdpCamera, lines: &str) -> Server {
    let sections = format!("[[camera]]\nname = \"gate\"\nurl = \"{}\"\n{lines}\n", camera.url);
    let server = Server::start(&Setup { sections, ..Setup::default() });
    let ready = server.wait_until_ready(1, READY_US);
    assert!(ready, "{}", server.get("/api/cameras").body);
    server
}

fn transport(server: &Server) -> String {
    let cameras = server.get("/api/cameras").json();
    cameras["cameras"][0]["transport"].as_str().unwrap_or("none").to_owned()
}

fn metric(server: &Server, name: &str) -> u64 {
    let figure = server.metric(&format!("weir_camera_{name}_total")).expect("a figure");
    format!("{figure}").parse().expect("a count")
}

/// What a viewer got within so many seconds.
fn watch(server: &Server, seconds: u64) -> Vec<Packet> {
    let mut viewer = Viewer::connect(server.http, "gate").expect("a viewer");
    wall::run_one(&mut viewer, seconds * S, |_| false);
    assert_eq!(viewer.reception.counts.lost(), 0, "the way to the viewer is whole");
    std::mem::take(&mut viewer.reception.packets)
}

/// The whole pictures among a viewer's packets: those whose last packet has the marker. Each must
/// have all the slices that the camera sent, and be the camera's to the byte; returns how many.
fn whole_pictures(packets: &[Packet], camera: &UdpCamera) -> usize {
    let sent: HashSet<Vec<u8>> =
        camera.seen.slices.lock().expect("whole").iter().cloned().collect();
    let mut units: HashMap<u32, Vec<Packet>> = HashMap::new();
    for packet in packets {
        units.entry(packet.timestamp).or_default().push(packet.clone());
    }
    let whole = units.values().filter(|unit| unit.last().is_some_and(|packet| packet.marker));
    let mut count = 0;
    for unit in whole {
        let pictures = access_units(unit).expect("a marker ends a whole picture only");
        let slices = pictures.iter().flat_map(|picture| &picture.nals);
        let slices: Vec<&Vec<u8>> = slices.filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)).collect();
        assert_eq!(slices.len(), 2, "every slice of the picture");
        assert!(slices.iter().all(|slice| sent.contains(*slice)), "the camera's to the byte");
        count += 1;
    }
    count
}

/// A decoder can follow: each whole picture is an IDR, or has the one before it.
fn assert_decodable(packets: &[Packet], camera: &UdpCamera) {
    let sent = camera.seen.slices.lock().expect("whole");
    let places: HashMap<&[u8], usize> =
        sent.iter().enumerate().map(|(place, slice)| (&slice[..], place)).collect();
    let (mut before, mut skips) = (None, 0);
    for unit in packets.chunk_by(|one, next| one.timestamp == next.timestamp) {
        if !unit.last().is_some_and(|packet| packet.marker) {
            continue;
        }
        let pictures = access_units(unit).expect("whole");
        let first = pictures.iter().flat_map(|picture| &picture.nals);
        let first = first.into_iter().find(|nal| matches!(nal[0] & 0x1f, 1 | 5)).expect("a slice");
        let place = places[&first[..]];
        let follows = before.is_some_and(|before| place == before + 2);
        assert!(first[0] & 0x1f == 5 || follows, "slice {place} after {before:?}");
        skips += usize::from(before.is_some() && !follows);
        before = Some(place);
    }
    println!("{skips} times on at an IDR");
    assert!(skips > 0, "something was left out");
}

/// A network that loses so many in a thousand.
fn lossy(per_mille: u64, dropped: Arc<AtomicU64>) -> Network {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    Box::new(move |datagram, arriving| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 1000 < per_mille {
            true => dropped.fetch_add(1, Relaxed),
            false => {
                arriving.push(datagram);
                0
            }
        };
    })
}

#[test]
fn a_camera_that_refuses_tcp_plays_by_udp_and_that_is_remembered() {
    let quirks = Quirks { refuses_tcp: u64::MAX, frames: Some(60), ..Quirks::default() };
    let camera = UdpCamera::open(quirks, perfect());
    let server = serve(&camera, "");
    assert_eq!(transport(&server), "udp");
    let packets = watch(&server, 1);
    assert!(whole_pictures(&packets, &camera) >= 15);
    assert!(camera.seen.punches.load(Relaxed) >= 1 && camera.seen.reports.load(Relaxed) >= 1);
    // It hangs up after 2.4 s; the next dial asks for UDP at once.
    assert!(wait_for(10 * S, || camera.asked().len() >= 3), "{:?}", camera.asked());
    let asked = camera.asked();
    assert!(asked[0].contains("RTP/AVP/TCP;unicast;interleaved=0-1"), "{asked:?}");
    assert!(asked[1..3].iter().all(|asked| asked.contains("client_port=")), "{asked:?}");
}

#[test]
fn datagrams_that_do_not_come_lead_back_to_tcp() {
    let quirks = Quirks { refuses_tcp: 1, is_mute: true, ..Quirks::default() };
    let camera = UdpCamera::open(quirks, perfect());
    let began_us = clock::now_us();
    let server = serve(&camera, "");
    let took_us = clock::now_us() - began_us;
    assert_eq!(transport(&server), "tcp");
    assert!(took_us > 3 * S, "UDP was given {took_us} us");
    assert!(server.log().contains("no video over UDP"), "it is said");
    assert!(whole_pictures(&watch(&server, 1), &camera) >= 15);
}

#[test]
fn the_operators_choice_is_asked_for_and_no_other() {
    let camera = UdpCamera::open(Quirks::default(), perfect());
    let server = serve(&camera, "transport = \"udp\"");
    assert_eq!(transport(&server), "udp");
    assert!(camera.asked().iter().all(|asked| asked.contains("client_port=")));
    let other = UdpCamera::open(Quirks { refuses_tcp: u64::MAX, ..Quirks::default() }, perfect());
    let (is_done, told) = server.console(&["camera", "test", &other.url]);
    assert!(is_done && told.contains("by udp"), "{told}");
    let camera = UdpCamera::open(Quirks { refuses_udp: true, ..Quirks::default() }, perfect());
    let sections =
        format!("[[camera]]\nname = \"gate\"\nurl = \"{}\"\ntransport = \"udp\"\n", camera.url);
    let server = Server::start(&Setup { sections, ..Setup::default() });
    let says = || server.get("/api/cameras").body;
    assert!(wait_for(5 * S, || says().contains("does not support rtp over udp")), "{}", says());
}

#[test]
fn lost_datagrams_cost_pictures_and_tear_none() {
    // A key frame has 25 packets, so at 5 % most of them are not whole.
    for (per_mille, least) in [(10, 50), (20, 20), (50, 1)] {
        let dropped = Arc::new(AtomicU64::new(0));
        let camera = UdpCamera::open(
            Quirks { refuses_tcp: u64::MAX, ..Quirks::default() },
            lossy(per_mille, dropped.clone()),
        );
        let server = serve(&camera, "");
        let packets = watch(&server, 6);
        let pictures = whole_pictures(&packets, &camera);
        let (lost, late) = (metric(&server, "udp_lost"), metric(&server, "udp_late"));
        let (sent, gone) = (camera.seen.packets.load(Relaxed), dropped.load(Relaxed));
        println!(
            "{per_mille}/1000: {pictures} pictures of 150; {gone} of {sent} lost, {lost} told"
        );
        assert!(pictures >= least, "{pictures} pictures at {per_mille}/1000");
        assert_decodable(&packets, &camera);
        assert!(pictures < 150, "some must be missing");
        assert!(lost.abs_diff(gone) <= 3 && late == 0, "{lost} of {gone}, {late} late");
        assert!(metric(&server, "missing_packets").abs_diff(gone) <= 3, "of {gone}");
        let camera = server.get("/api/cameras").json()["cameras"][0].clone();
        assert_eq!(camera["findings"][0]["code"], "lost_before_weir", "{camera}");
        assert_eq!(server.metric("weir_media_thread_allocations_total"), Some(0.0));
    }
}

#[test]
fn datagrams_out_of_order_or_twice_cost_nothing() {
    let network = rough(u64::MAX, Arc::default());
    let quirks = Quirks { refuses_tcp: u64::MAX, hides_ports: true, ..Quirks::default() };
    let camera = UdpCamera::open(quirks, network);
    let server = serve(&camera, "");
    let packets = watch(&server, 4);
    let units = access_units(&packets).expect("every picture is whole");
    assert!(units.len() >= 85, "{} pictures", units.len());
    assert_eq!(whole_pictures(&packets, &camera), units.len());
    let figure = |name| metric(&server, name);
    assert_eq!((figure("udp_lost"), figure("udp_foreign")), (0, 0));
    assert!(figure("udp_reordered") >= 80 && figure("udp_duplicates") >= 50);
    assert_eq!(camera.seen.reports.load(Relaxed), 0, "it told no port");
}

#[test]
fn datagrams_larger_than_a_frame_of_ethernet_are_read() {
    let quirks = Quirks { refuses_tcp: u64::MAX, payload_bytes: 9_800, ..Quirks::default() };
    let camera = UdpCamera::open(quirks, perfect());
    let server = serve(&camera, "");
    assert!(whole_pictures(&watch(&server, 3), &camera) >= 60);
    assert!(metric(&server, "udp_foreign") <= 4, "only the first");
}

#[test]
fn strangers_and_garbage_change_nothing() {
    let target = Arc::new(Mutex::new(None));
    let camera = UdpCamera::open(Quirks { refuses_tcp: u64::MAX, ..Quirks::default() }, perfect());
    let server = serve(&camera, "");
    *target.lock().expect("whole") = *camera.seen.target.lock().expect("whole");
    let to = target.lock().expect("whole").expect("it plays by UDP");
    let stop = Arc::new(AtomicU64::new(0));
    let flood = {
        let stop = stop.clone();
        thread::spawn(move || {
            // Strangers with good RTP, and the camera's own address with garbage and RTP of others.
            let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).expect("loopback");
            let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
            let mut sequence = 0_u16;
            let mut sent = 0_u64;
            while stop.load(Relaxed) == 0 {
                let [high, low] = sequence.to_be_bytes();
                let ssrc = u8::try_from(sent % 251).expect("small");
                let rtp = [0x80, 96, high, low, 0, 0, 0, 0, 9, 9, 9, ssrc, 0x41, 0x9a, 1];
                let _ = stranger.send_to(&rtp, to);
                let _ = own.send_to(&rtp, to);
                let _ = own.send_to(&[0xff; 40], to);
                let _ = own.send_to(&[], to);
                let _ = own.send_to(&[0x80, 96], (to.ip(), to.port() + 1));
                sequence = sequence.wrapping_mul(31).wrapping_add(7);
                sent += 5;
                thread::sleep(Duration::from_micros(500));
            }
            sent
        })
    };
    let packets = watch(&server, 4);
    stop.store(1, Relaxed);
    let sent = flood.join().expect("it only sends");
    let units = access_units(&packets).expect("every picture is whole");
    assert!(units.len() >= 85, "{} pictures beside {sent} datagrams", units.len());
    assert_eq!(whole_pictures(&packets, &camera), units.len());
    assert!(metric(&server, "udp_foreign") > sent / 4);
    assert_eq!(metric(&server, "udp_lost"), 0);
}

#[test]
fn a_flood_at_a_cameras_port_costs_that_camera_alone() {
    let quirks = Quirks { refuses_tcp: u64::MAX, ..Quirks::default() };
    let (camera, neighbour) =
        (UdpCamera::open(quirks, perfect()), UdpCamera::open(quirks, perfect()));
    let section =
        |name: &str, url: &str| format!("[[camera]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    let sections = section("flooded", &camera.url) + &section("gate", &neighbour.url);
    let server = Server::start(&Setup { sections, ..Setup::default() });
    assert!(server.wait_until_ready(2, READY_US));
    let to = camera.seen.target.lock().expect("whole").expect("it plays by UDP");
    let stop = Arc::new(AtomicU64::new(0));
    let flood = {
        let stop = stop.clone();
        thread::spawn(move || {
            let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
            let mut sent = 0_u64;
            while stop.load(Relaxed) == 0 {
                sent += u64::from(own.send_to(&[0x80; 20], to).is_ok());
            }
            sent
        })
    };
    let packets = watch(&server, 4);
    stop.store(1, Relaxed);
    let sent = flood.join().expect("it only sends");
    let units = access_units(&packets).expect("every picture is whole");
    println!("{} pictures beside {} datagrams a second", units.len(), sent / 4);
    assert!(units.len() >= 80, "{} pictures beside {sent} datagrams", units.len());
    assert_eq!(whole_pictures(&packets, &neighbour), units.len());
}
