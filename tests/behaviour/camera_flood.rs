//! A camera that sends many times what cameras send and reads nothing of what it is told, or whose
//! bytes become many times as much: it is read at a bounded rate, what is made of it is bounded,
//! and another camera's viewer does not notice.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use weir::clock;
use weir::limits::{CAMERA_BITS_PER_S_MAX, PARAMETER_SET_BYTES_MAX};

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, CameraFarm, Mount};
use crate::common::process::Usage;
use crate::common::raw_camera::{RawCamera, RawStream};
use crate::common::reception::Keep;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
/// As long as weir takes for its first keepalive and reports, which that camera does not read.
const WATCH_US: u64 = 5 * SECOND_US;
/// How much longer the watch may take where the machine is busy.
const PATIENCE_US: u64 = 20 * SECOND_US;
const FRAMES: u64 = 100;
/// Six times the bound.
const FLOOD: Picture =
    Picture { frames_per_s: 100, gop: 50, bits_per_s: 400_000_000, idr_weight: 1, slices: 1 };

#[test]
fn it_is_read_at_a_bounded_rate_and_others_lose_nothing() {
    // Apart, so that the flood keeps nobody but weir waiting.
    let calm =
        CameraFarm::open(vec![Mount::new("calm", Picture { gop: 10, ..Picture::default() })]);
    let wild = CameraFarm::open(vec![Mount { reads: false, ..Mount::new("wild", FLOOD) }]);
    let urls = [("calm".to_owned(), calm.url("calm")), ("wild".to_owned(), wild.url("wild"))];
    let server = Server::start(&Setup::of(urls));
    assert!(server.wait_until_ready(2, 10 * SECOND_US), "{}", server.get("/api/cameras").body);
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewer = Viewer::connect_with(server.http, "calm", &options).expect("201");
    let bytes = || {
        let metrics = server.metrics();
        let name = "weir_camera_bytes_total{camera=\"wild\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("a metric");
        line.parse::<u64>().expect("a number")
    };
    let (began_us, before) = (clock::now_us(), bytes());
    wall::run_one(&mut viewer, PATIENCE_US, |viewer| {
        let is_seen = viewer.reception.counts.frames >= FRAMES;
        viewer.ended.is_some() || (is_seen && clock::now_us() >= began_us + WATCH_US)
    });
    let read_bits = (bytes() - before) * 8;
    let per_s = read_bits * SECOND_US / (clock::now_us() - began_us);
    let counts = &viewer.reception.counts;
    println!("{per_s} bit/s, {} packets, {} frames", counts.packets, counts.frames);
    // RTSP's own bytes are in the bound, and not in the figure.
    let most = CAMERA_BITS_PER_S_MAX;
    assert!((most / 3..=most).contains(&per_s), "{per_s} bit/s");
    assert_eq!((&viewer.ended, counts.lost()), (&None, 0));
    assert!(counts.frames >= FRAMES, "{} frames", counts.frames);
    assert!(server.metric("weir_camera_throttled_total").is_some_and(|times| times > 10.0));
    let warning = "camera wild: sends more than 64 Mbit/s and is read no faster";
    assert!(server.log().contains(warning), "{}", server.log());
    let cameras = server.get("/api/cameras").json()["cameras"].clone();
    assert_eq!(cameras[0]["findings"], serde_json::json!([]), "{cameras}");
    let codes = cameras[1]["findings"].as_array().expect("findings").iter();
    assert!(codes.clone().any(|found| found["code"] == "over_rate"), "{cameras}");
    // It hangs up while it is kept waiting: that is met behind what it had sent.
    wild.behave("wild", Behaviour::Close);
    // What it has not read makes its end a reset.
    let ends = ["the connection broke", "the camera closed the connection"];
    let ends = ends.map(|end| format!("camera wild: {end}"));
    let is_gone = || ends.iter().any(|end| server.log().contains(end));
    assert!(wait_for(PATIENCE_US, is_gone), "{}", server.log());
}

/// More than have room in the store if each has what one stream may have of it.
const WILD_CAMERAS: usize = 3;

/// As many parameter sets as weir keeps, each as long as may be.
fn largest_sets() -> Vec<Vec<u8>> {
    // The ids 0 and 1, and 0 to 3, as Exp-Golomb codes.
    let sps = [0xff, 0x5f].map(|id| vec![0x67, 0x42, 0xe0, 0x1f, id]);
    let pps = [0xff, 0x5f, 0x7f, 0x27].map(|id| vec![0x68, id]);
    let mut sets = [&sps[..], &pps[..]].concat();
    sets.iter_mut().for_each(|set| set.resize(PARAMETER_SET_BYTES_MAX, 0x77));
    sets
}

/// A calm stream until it is told to flood; then packets of 64 KiB, full of `slice`, for ever.
fn play(mut connection: TcpStream, slice: [u8; 2], is_flood: &AtomicBool) {
    let mut stream = RawStream::default();
    let full: Vec<u8> = [0, 2].into_iter().chain(slice).cycle().take(4 * 16_000).collect();
    let full = [&[0x78][..], &full].concat();
    for frame in 0.. {
        let mut burst = Vec::new();
        let is_idr = frame % 25 == 0 || is_flood.load(Relaxed);
        if is_idr {
            largest_sets().iter().for_each(|set| stream.packet(set, false, &mut burst));
        }
        let header = if is_idr { 0x65 } else { 0x41 };
        stream.packet(&[&[header, 0x88][..], &[7; 1000]].concat(), true, &mut burst);
        stream.timestamp += 3600;
        if is_flood.load(Relaxed) {
            stream.packet(&full, true, &mut burst);
            stream.timestamp += 3600;
        } else {
            thread::sleep(Duration::from_millis(40));
        }
        if connection.write_all(&burst).is_err() {
            return;
        }
    }
}

/// What a neighbour gets while watched cameras send packets full of this slice.
fn assert_neighbour_loses_nothing(slice: [u8; 2]) {
    let calm =
        CameraFarm::open(vec![Mount::new("calm", Picture { gop: 10, ..Picture::default() })]);
    let wild = [(); WILD_CAMERAS].map(|()| RawCamera::open());
    let names = ["calm", "wild0", "wild1", "wild2"].map(str::to_owned);
    let urls = [calm.url("calm")].into_iter().chain(wild.iter().map(|camera| camera.url.clone()));
    let server = Server::start(&Setup::of(names.clone().into_iter().zip(urls)));
    let is_flood = Arc::new(AtomicBool::new(false));
    let cameras = wild.map(|camera| {
        let (connection, is_flood) = (camera.playing(), is_flood.clone());
        thread::spawn(move || play(connection, slice, &is_flood))
    });
    let ready = server.wait_until_ready(names.len(), 10 * SECOND_US);
    assert!(ready, "{}", server.get("/api/cameras").body);
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewers =
        names.map(|name| Viewer::connect_with(server.http, &name, &options).expect("201"));
    let all_play =
        |viewers: &[Viewer]| viewers.iter().all(|viewer| viewer.reception.counts.packets > 20);
    assert!(wall::run(&mut viewers, 5 * SECOND_US, all_play), "a picture for each");
    // The others are there and do not read.
    let [viewer, ..] = &mut viewers;
    viewer.reception.begin_window();
    let cpu_ns = || Usage::of(server.pid()).expect("it runs").cpu_ns;
    let (began_us, before_ns) = (clock::now_us(), cpu_ns());
    is_flood.store(true, Relaxed);
    wall::run_one(viewer, 4 * SECOND_US, |viewer| viewer.ended.is_some());
    let cpu_percent = (cpu_ns() - before_ns) / 10 / (clock::now_us() - began_us);
    let counts = &mut viewer.reception.counts;
    counts.latencies_us.sort_unstable();
    let late = |percent| counts.latencies_us[counts.latencies_us.len() * percent / 100];
    let (usual_us, late_us) = (late(50), late(90));
    println!("{slice:x?}: {} frames, {usual_us} us, 1 of 10 {late_us} us", counts.frames);
    println!("weir took {cpu_percent} % of a core");
    assert_eq!((&viewer.ended, counts.lost()), (&None, 0));
    assert!(counts.frames > 80, "{} frames", counts.frames);
    // On a machine that has other work too; unbounded it is several times as much.
    assert!(usual_us < 30_000 && late_us < 100_000, "{usual_us} us, 1 of 10 {late_us} us");
    let breaks = server.metric("weir_camera_breaks_total").expect("a metric");
    assert!(breaks > 10.0, "{breaks} reads were too much");
    drop(server);
    cameras.into_iter().for_each(|camera| camera.join().expect("no panic"));
}

#[test]
fn key_frames_of_two_bytes_with_large_parameter_sets_cost_a_neighbour_nothing() {
    assert_neighbour_loses_nothing([0x65, 0x80]);
}

#[test]
fn pictures_of_two_bytes_cost_a_neighbour_nothing() {
    assert_neighbour_loses_nothing([0x41, 0x80]);
}
