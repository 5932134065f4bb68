//! The sound of cameras that send by UDP: it comes in order on ports of its own, its loss costs no
//! picture, and a picture waits for no sound.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use serde_json::Value;

use crate::common::reassemble::access_units;
use crate::common::reception::{Packet, Reception};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::udp_camera::{Hearing, Network, Quirks, SOUND_SSRC, UdpCamera, perfect, rough};
use crate::common::viewer::{Options, Viewer, wall};

const S: u64 = 1_000_000;
const READY_US: u64 = 20 * S;
const HEARD: Quirks = Quirks {
    refuses_tcp: u64::MAX,
    is_mute: false,
    refuses_udp: false,
    hides_ports: false,
    frames: None,
    payload_bytes: 0,
    sound: Some(Hearing { is_mute: false, is_needed: false, late_us: 0 }),
};

fn serve(camera: &UdpCamera) -> Server {
    let server = Server::start(&Setup::of([("gate".to_owned(), camera.url.clone())]));
    let ready = server.wait_until_ready(1, READY_US);
    assert!(ready, "{}", server.get("/api/cameras").body);
    server
}

/// A viewer of picture and sound after so many seconds.
fn listen(server: &Server, seconds: u64) -> Viewer {
    let options = Options { sound: Some(true), ..Options::default() };
    let viewer = Viewer::connect_with(server.http, "gate", &options);
    let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
    wall::run_one(&mut viewer, seconds * S, |_| false);
    assert_eq!(viewer.ended, None);
    assert_eq!(viewer.reception.counts.lost(), 0, "the way to the viewer is whole");
    viewer
}

fn sound(viewer: &Viewer) -> &Reception {
    &viewer.sound.as_ref().expect("the answer has sound").1
}

/// The number that the camera has put into a packet of sound.
fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(*packet.payload.first_chunk().expect("four bytes"))
}

/// The pictures of a viewer, each of which must be whole.
fn pictures(viewer: &Viewer) -> usize {
    access_units(&viewer.reception.packets).expect("every picture is whole").len()
}

fn metric(server: &Server, name: &str) -> u64 {
    let figure = server.metric(&format!("weir_camera_{name}_total")).expect("a figure");
    format!("{figure}").parse().expect("a count")
}

/// The NTP time of an RTP timestamp by the last sender report, in seconds.
fn ntp_s(reception: &Reception, timestamp: u32, clock_hz: f64) -> f64 {
    let (report, _) = reception.sender_reports.last().expect("a sender report");
    let ahead = f64::from(timestamp.wrapping_sub(report.rtp_timestamp).cast_signed());
    report.ntp as f64 / 2_f64.powi(32) + ahead / clock_hz
}

#[test]
fn sound_by_udp_comes_whole_beside_the_picture_and_on_its_clock() {
    let late_us = 200_000;
    let sound_habit = Some(Hearing { late_us, ..Hearing::default() });
    let camera = UdpCamera::open(Quirks { sound: sound_habit, ..HEARD }, perfect());
    let server = serve(&camera);
    let status = server.tell("cameras")["cameras"][0].clone();
    assert_eq!((&status["transport"], &status["sound"]), (&"udp".into(), &"PCMA".into()));
    assert_eq!(status["sound_problem"], Value::Null);
    let viewer = listen(&server, 7);
    assert!(pictures(&viewer) >= 150, "{} pictures", pictures(&viewer));
    let heard = sound(&viewer);
    assert!(heard.packets.len() >= 300, "{} packets", heard.packets.len());
    for pair in heard.packets.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]) + 1, "each packet, in order");
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        assert_eq!(&pair[1].payload[4..], &[0xd5; 156], "as the camera sent it");
    }
    // What the camera's own reports say of both is what a browser is told.
    let frame = viewer.reception.packets.last().expect("packets");
    let before = heard.packets.iter().rfind(|packet| packet.arrival_us <= frame.arrival_us);
    let end = before.expect("sound").timestamp.wrapping_add(160);
    let apart_s = ntp_s(&viewer.reception, frame.timestamp, 90_000.0) - ntp_s(heard, end, 8_000.0);
    assert!((apart_s - 0.2).abs() < 0.06, "picture and sound are {apart_s} s apart");
    // The way is opened for the sound too, and the camera is told what came of it.
    assert!(camera.seen.sound_punches.load(Relaxed) >= 2);
    let report = camera.seen.sound_report.lock().expect("whole").clone();
    assert_eq!((report[1], report[0] & 0x1f), (201, 1), "a report with a block");
    assert_eq!(report[8..12], SOUND_SSRC.to_be_bytes());
    assert_eq!(report[12..16], [0; 4], "nothing was lost");
    assert_ne!(report[24..28], [0; 4], "the camera's reports were read");
    assert_eq!((metric(&server, "udp_lost"), metric(&server, "udp_foreign")), (0, 0));
    assert_eq!(server.metric("weir_media_thread_allocations_total"), Some(0.0));
}

#[test]
fn lost_sound_costs_no_picture() {
    let dropped = Arc::new(AtomicU64::new(0));
    let camera = UdpCamera::open_with_sound(HEARD, perfect(), rough(19, dropped.clone()));
    let server = serve(&camera);
    let viewer = listen(&server, 6);
    assert!(pictures(&viewer) >= 130, "{} pictures", pictures(&viewer));
    let heard = sound(&viewer);
    let numbers: Vec<u32> = heard.packets.iter().map(number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
    let gaps = numbers.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
    assert!(gaps >= 10 && numbers.len() >= 250, "{gaps} gaps in {} packets", numbers.len());
    for pair in heard.packets.windows(2) {
        let lost = number(&pair[1]) - number(&pair[0]);
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), lost * 160);
    }
    let (lost, gone) = (metric(&server, "udp_sound_lost"), dropped.load(Relaxed));
    assert!(lost.abs_diff(gone) <= 3, "{lost} of {gone}");
    assert_eq!(metric(&server, "udp_lost"), lost, "nothing of the picture");
    assert!(metric(&server, "udp_reordered") >= 30 && metric(&server, "udp_duplicates") >= 20);
    assert_eq!((metric(&server, "udp_late"), metric(&server, "breaks")), (0, 0));
    assert_eq!(server.metric("weir_media_thread_allocations_total"), Some(0.0));
}

/// One packet of 25 comes, so that only the time ends each wait for those before it.
#[test]
fn sound_that_waits_for_lost_packets_is_sent_in_time_whatever_follows() {
    const BEFORE: u64 = 150;
    const PACKET_US: u64 = 20_000;
    let mut count = 0_u64;
    let network: Network = Box::new(move |datagram, arriving| {
        count += 1;
        if count <= BEFORE || count.is_multiple_of(25) {
            arriving.push(datagram);
        }
    });
    let camera = UdpCamera::open_with_sound(HEARD, perfect(), network);
    let server = serve(&camera);
    let cpu_s = || server.metric("process_cpu_seconds_total").expect("a Linux with /proc");
    let mut viewer = listen(&server, 4);
    let before_s = cpu_s();
    wall::run_one(&mut viewer, 4 * S, |_| false);
    let spent_s = cpu_s() - before_s;
    let packets = &sound(&viewer).packets;
    let first = packets.first().expect("sound");
    let late_us = |packet: &Packet| {
        let due_us = u64::from(number(packet) - number(first)) * PACKET_US;
        (packet.arrival_us - first.arrival_us).saturating_sub(due_us)
    };
    let waited = packets.windows(2).filter(|pair| number(&pair[1]) > number(&pair[0]) + 1);
    let mut waited: Vec<u64> = waited.map(|pair| late_us(&pair[1])).collect();
    waited.sort_unstable();
    assert!(waited.len() >= 8, "{waited:?}");
    // It waits for 60 ms.
    let median_us = waited[waited.len() / 2];
    assert!((40_000..200_000).contains(&median_us), "{waited:?} us");
    assert!(spent_s < 2.0, "{spent_s} s of CPU in 4 s: the event loop does not wait");
}

#[test]
fn lost_pictures_cost_no_sound() {
    let dropped = Arc::new(AtomicU64::new(0));
    let camera = UdpCamera::open_with_sound(HEARD, rough(50, dropped.clone()), perfect());
    let server = serve(&camera);
    let viewer = listen(&server, 5);
    assert!(dropped.load(Relaxed) > 10 && metric(&server, "breaks") > 3);
    let packets = &sound(&viewer).packets;
    assert!(packets.len() >= 200, "{} packets", packets.len());
    assert!(packets.windows(2).all(|pair| number(&pair[1]) == number(&pair[0]) + 1));
    assert_eq!(metric(&server, "udp_sound_lost"), 0);
}

#[test]
fn a_picture_waits_for_no_sound() {
    let sound_habit = Some(Hearing { is_mute: true, ..Hearing::default() });
    let camera = UdpCamera::open(Quirks { sound: sound_habit, ..HEARD }, perfect());
    let server = serve(&camera);
    let viewer = listen(&server, 3);
    assert!(pictures(&viewer) >= 60, "{} pictures", pictures(&viewer));
    assert_eq!(sound(&viewer).counts.packets, 0);
    assert_eq!(metric(&server, "breaks"), 0);
}

#[test]
fn a_camera_that_needs_its_sound_set_up_plays() {
    let sound_habit = Some(Hearing { is_needed: true, ..Hearing::default() });
    let camera = UdpCamera::open(Quirks { sound: sound_habit, ..HEARD }, perfect());
    let server = serve(&camera);
    let viewer = listen(&server, 3);
    assert!(pictures(&viewer) >= 60 && sound(&viewer).counts.packets >= 100);
    let asked = camera.asked();
    assert_eq!(asked.len(), 3, "TCP, then the picture and the sound by UDP: {asked:?}");
    assert_ne!(asked[1], asked[2], "each has ports of its own");
}

#[test]
fn a_flood_at_the_port_of_the_sound_costs_no_picture() {
    let camera = UdpCamera::open(HEARD, perfect());
    let server = serve(&camera);
    let to = || *camera.seen.sound_target.lock().expect("whole");
    assert!(wait_for(READY_US, || to().is_some()));
    let to = to().expect("it has sound");
    let stop = Arc::new(AtomicBool::new(false));
    let flood = {
        let stop = stop.clone();
        thread::spawn(move || {
            let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
            let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).expect("loopback");
            let mut sent = 0_u64;
            while !stop.load(Relaxed) {
                for socket in [&own, &stranger] {
                    sent += u64::from(socket.send_to(&[0x80; 20], to).is_ok());
                }
            }
            sent
        })
    };
    let viewer = listen(&server, 4);
    stop.store(true, Relaxed);
    let sent = flood.join().expect("it only sends");
    let units = pictures(&viewer);
    println!("{units} pictures beside {} datagrams a second", sent / 4);
    assert!(units >= 80, "{units} pictures beside {sent} datagrams");
    assert_eq!(metric(&server, "udp_lost"), metric(&server, "udp_sound_lost"));
    // The flood is over: the sound is there again.
    let mut viewer = viewer;
    let before = sound(&viewer).counts.packets;
    let goes_on = |viewer: &Viewer| sound(viewer).counts.packets >= before + 50;
    assert!(wall::run_one(&mut viewer, 5 * S, goes_on), "{:?}", sound(&viewer).counts);
}
