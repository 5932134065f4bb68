//! A camera that sends many times what cameras send, and reads nothing of what it is told: it is read
//! at a bounded rate, and another camera's viewer does not notice.

use weir::clock;
use weir::limits::CAMERA_BITS_PER_S_MAX;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, Mount, Park};
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
    let calm = Park::open(vec![Mount::new("calm", Picture { gop: 10, ..Picture::default() })]);
    let wild = Park::open(vec![Mount { reads: false, ..Mount::new("wild", FLOOD) }]);
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
    // It hangs up while it is kept waiting: that is met behind what it had sent.
    wild.behave("wild", Behaviour::Close);
    let is_gone = || {
        let cameras = server.get("/api/cameras").json();
        cameras["cameras"][1]["reason"] == "the camera closed the connection"
    };
    assert!(wait_for(3 * SECOND_US, is_gone), "{}", server.get("/api/cameras").body);
}
