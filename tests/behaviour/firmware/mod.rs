//! Habits of cameras' firmware: each row of the table in `docs/cameras.md` that names a test has it
//! here. A camera with that habit plays through weir, and a viewer has every picture, or all but
//! those that the camera itself spoils.

mod answers;
mod description;
mod keepalives;
mod lasting;
mod login;
mod packets;
mod retina;
mod urls;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::quirks::habits::Habits;
use crate::common::quirks::{QuirkCamera, Seen, is_slice};
use crate::common::reassemble::{AccessUnit, access_units};
use crate::common::reception::Packet;
use crate::common::server::{Server, Setup};
use crate::common::viewer::{Options, Viewer, wall};

const CAMERA: &str = "gate";
/// More than a group of pictures.
const FRAMES: u64 = 60;
const READY_US: u64 = 12_000_000;
const PATIENCE_US: u64 = 12_000_000;
/// Arrival is measured in the test's thread, on a machine that is busy.
const OUT_OF_STEP_MS: u64 = 1_000;

/// A camera that has played to a viewer.
struct Run {
    camera: QuirkCamera,
    server: Server,
    viewer: Viewer,
    judged: Judged,
}

/// What is wrong with what a viewer has got.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    /// Places where pictures are missing that the camera has sent; each goes on at a key frame.
    breaks: usize,
    /// Slices that the camera has not sent like this.
    spoiled: usize,
}

impl Run {
    /// Plays a camera with these habits.
    fn of(habits: &Habits) -> Self {
        Self::until(habits, |viewer| viewer.reception.counts.frames >= FRAMES)
    }

    /// The same until the viewer has what is wanted.
    fn until(habits: &Habits, is_enough: impl Fn(&Viewer) -> bool) -> Self {
        let camera = QuirkCamera::open(*habits);
        let server = Server::start(&Setup::of([(CAMERA.to_owned(), camera.url.clone())]));
        let is_ready = server.wait_until_ready(1, READY_US);
        assert!(is_ready, "{} {:#?}", server.get("/api/cameras").body, camera.seen);
        let has_sound = habits.sdp.is_some_and(|sdp| sdp.contains("m=audio"));
        let options = Options { sound: has_sound.then_some(false), ..Options::default() };
        let viewer = Viewer::connect_with(server.http, CAMERA, &options);
        let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
        let has_enough = |viewer: &Viewer| is_enough(viewer) || viewer.ended.is_some();
        let enough = wall::run_one(&mut viewer, PATIENCE_US, has_enough);
        assert_eq!(viewer.ended, None);
        let counts = &viewer.reception.counts;
        assert!(enough, "{} frames, {}", counts.frames, server.get("/api/cameras").body);
        assert_eq!((counts.lost(), counts.forged), (0, 0));
        let judged = judge(&viewer.reception.packets, &camera);
        Self { camera, server, viewer, judged }
    }

    /// Nothing was missing, and one connection was enough.
    fn whole(&self) {
        assert_eq!(self.judged, Judged::default());
        let dials = self.seen().plays.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(dials, 1, "{:?}", self.server.log());
    }

    fn seen(&self) -> &Seen {
        &self.camera.seen
    }

    /// What `/api/cameras` says of the camera.
    fn status(&self) -> Value {
        self.server.tell("cameras")["cameras"][0].clone()
    }

    /// Packets of sound that the viewer has; none without a track.
    fn sounds(&self) -> &[Packet] {
        self.viewer.sound.as_ref().map_or(&[], |(_, reception)| &reception.packets)
    }

    /// The URL of the only request with this method, without host and port.
    fn path_of(&self, method: &str) -> String {
        let uris = self.seen().uris(method);
        let [uri] = uris.as_slice() else { panic!("{uris:?}") };
        let host = self.camera.url.rsplit('@').next().unwrap_or_default();
        let host = host.trim_start_matches("rtsp://").split('/').next().unwrap_or_default();
        uri.replace(host, "{host}")
    }
}

/// Checks all that the viewer has got, and counts what is wrong with its pictures.
fn judge(packets: &[Packet], camera: &QuirkCamera) -> Judged {
    let units = access_units(packets).unwrap_or_else(|broken| {
        let shown = packets.iter().map(|packet| {
            let Packet { sequence, timestamp, marker, payload, .. } = packet;
            (sequence, timestamp, marker, payload.len(), payload[0], payload[1])
        });
        panic!("{broken:?} {:?}", shown.collect::<Vec<_>>())
    });
    assert!(units[0].is_idr());
    let first = packets[0].sequence;
    let arrival_ms = |unit: &AccessUnit| {
        packets[usize::try_from(unit.last - first).expect("few packets")].arrival_us / 1000
    };
    for pair in units.windows(2) {
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..1 << 31).contains(&ticks), "{ticks}");
    }
    let last = &units[units.len() - 1];
    let media_ms = u64::from(last.timestamp.wrapping_sub(units[0].timestamp)) / 90;
    let clock_ms = arrival_ms(last) - arrival_ms(&units[0]);
    assert!(media_ms.abs_diff(clock_ms) < OUT_OF_STEP_MS, "{media_ms} ms in {clock_ms} ms");
    compare(&units, camera)
}

/// Compares slices with the camera's, in its order; each key frame has its parameter sets.
fn compare(units: &[AccessUnit], camera: &QuirkCamera) -> Judged {
    let mut judged = Judged::default();
    let mut next = None;
    for unit in units {
        if unit.is_idr() {
            assert_eq!(unit.nals[..2], camera.sets);
        }
        for slice in unit.nals.iter().filter(|nal| is_slice(nal)) {
            let from = next.unwrap_or(0);
            let mut ahead = camera.slices.iter().cycle().skip(from).take(camera.slices.len());
            let Some(skipped) = ahead.position(|sent| sent == slice) else {
                judged.spoiled += 1;
                continue;
            };
            if next.is_some() && skipped > 0 {
                assert!(unit.is_idr(), "goes on behind {skipped} missing slices");
                judged.breaks += 1;
            }
            next = Some((from + skipped + 1) % camera.slices.len());
        }
    }
    judged
}

/// Tests of rows: a name, the camera's habits, and what is to be true once it has played.
macro_rules! rows {
    ($($name:ident: $habits:expr, $judge:expr;)+) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),+];

        pub(super) fn habits() -> Vec<(&'static str, $crate::common::quirks::habits::Habits)> {
            vec![$((stringify!($name), $habits)),+]
        }

        $(
            #[test]
            fn $name() {
                let judge: fn(&$crate::firmware::Run) = $judge;
                judge(&$crate::firmware::Run::of(&$habits));
            }
        )+
    };
}
use rows;

#[test]
fn the_table_for_people_names_each_test_and_no_other() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cameras.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        cells.next()?.trim().parse::<u32>().ok()
    };
    // A new row stands with its make and has the next number.
    let mut numbers: Vec<u32> = page.lines().filter_map(row).collect();
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "each number once");
    let named: BTreeSet<&str> = page.split('`').filter(|word| word.starts_with("row_")).collect();
    for name in &named {
        let line = page.lines().find(|line| line.contains(name)).expect("it stands there");
        let number: Option<u32> = name.split('_').nth(1).and_then(|number| number.parse().ok());
        assert_eq!(row(line), number, "{name}");
    }
    let all = [
        answers::NAMES,
        description::NAMES,
        keepalives::NAMES,
        lasting::NAMES,
        lasting::END,
        login::NAMES,
        packets::NAMES,
        urls::NAMES,
    ];
    let all: BTreeSet<&str> = all.concat().into_iter().collect();
    assert_eq!(named, all);
}
