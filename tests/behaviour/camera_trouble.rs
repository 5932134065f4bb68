//! A camera that falls silent, hangs up or talks rubbish: its viewers' sessions outlive it, and
//! what they get goes on at an IDR, without a gap in the numbers and in step with the clock.

use weir::clock;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, Mount};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::reassemble::{AccessUnit, access_units};
use crate::common::reception::Packet;
use crate::common::viewer::{Viewer, wall};

const SECOND_US: u64 = 1_000_000;
/// Above the silence after which a camera is given up, and the time until it is dialled again.
const PATIENCE_US: u64 = 20 * SECOND_US;
const TICKS_A_MS: u64 = 90;
/// Arrival is measured in the test's thread, on a machine that is busy.
const OUT_OF_STEP_MS: u64 = 300;

struct Trouble {
    fixture: Fixture,
    viewer: Viewer,
}

impl Trouble {
    fn new() -> Self {
        // The IDRs are a second apart.
        let picture = Picture { gop: 25, ..Picture::default() };
        let mount = Mount { record: true, ..Mount::new(CAMERA, picture) };
        let fixture = Fixture::of(vec![mount], |_| {});
        let viewer = fixture.viewer();
        let mut trouble = Self { fixture, viewer };
        trouble.frames(10);
        trouble
    }

    /// Until so many more frames have come.
    fn frames(&mut self, more: u64) {
        let wanted = self.viewer.reception.counts.frames + more;
        let came = |viewer: &Viewer| {
            assert_eq!(viewer.ended, None);
            viewer.reception.counts.frames >= wanted
        };
        let whole = wall::run_one(&mut self.viewer, PATIENCE_US, came);
        assert!(whole, "{}", self.fixture.server.get("/api/cameras").body);
    }

    fn pass(&mut self, us: u64) {
        wall::run_one(&mut self.viewer, us, |viewer| viewer.ended.is_some());
        assert_eq!(self.viewer.ended, None);
    }

    fn camera(&self) -> serde_json::Value {
        self.fixture.server.get("/api/cameras").json()["cameras"][0].clone()
    }

    /// Checks everything the viewer got; the places after which the camera's frames are missing.
    fn judge(self) -> Vec<usize> {
        let packets = &self.viewer.reception.packets;
        let units = access_units(packets).unwrap_or_else(|broken| panic!("{broken:?}"));
        assert!(units[0].is_idr());
        assert_in_step(&units, packets);
        let counts = &self.viewer.reception.counts;
        assert_eq!((counts.lost(), counts.forged), (0, 0));
        let breaks = breaks(&units, &self.fixture.farm.sent(CAMERA));
        let session = self.fixture.session(self.viewer.local());
        assert_eq!((&session["state"], &session["id"]), (&"live".into(), &1.into()));
        assert_eq!(session["skips"], 0, "{session}");
        breaks
    }
}

/// Timestamps only ever grow, and as fast as the clock.
fn assert_in_step(units: &[AccessUnit], packets: &[Packet]) {
    let first = packets[0].sequence;
    let arrival_us = |unit: &AccessUnit| {
        packets[usize::try_from(unit.last - first).expect("few packets")].arrival_us
    };
    for pair in units.windows(2) {
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..1 << 31).contains(&ticks), "{ticks}");
        let media_ms = u64::from(ticks) / TICKS_A_MS;
        let clock_ms = (arrival_us(&pair[1]) - arrival_us(&pair[0])) / 1_000;
        assert!(media_ms.abs_diff(clock_ms) < OUT_OF_STEP_MS, "{media_ms} ms in {clock_ms} ms");
    }
}

/// Places in `units` where frames that were sent are missing; each must be an IDR.
fn breaks(units: &[AccessUnit], sent: &[Vec<u8>]) -> Vec<usize> {
    let slices: Vec<&Vec<u8>> = sent.iter().filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)).collect();
    let mut at = 0;
    let mut breaks = Vec::new();
    for (place, unit) in units.iter().enumerate() {
        let slice = unit.nals.last().expect("a slice");
        let skipped = slices[at..].iter().position(|sent| *sent == slice);
        let skipped = skipped.expect("every slice was sent by the camera, in this order");
        if skipped > 0 && place > 0 {
            assert!(unit.is_idr(), "unit {place} goes on behind {skipped} missing frames");
            breaks.push(place);
        }
        at += skipped + 1;
    }
    breaks
}

#[test]
fn a_short_silence_costs_nothing() {
    let mut trouble = Trouble::new();
    trouble.fixture.farm.behave(CAMERA, Behaviour::Silent);
    trouble.pass(2 * SECOND_US);
    let before = trouble.viewer.reception.counts.frames;
    trouble.fixture.farm.behave(CAMERA, Behaviour::Play);
    trouble.frames(30);
    assert!(before >= 10);
    assert!(trouble.judge().is_empty());
}

#[test]
fn a_camera_that_falls_silent_is_dialled_again() {
    let mut trouble = Trouble::new();
    trouble.fixture.farm.behave(CAMERA, Behaviour::Silent);
    let since_us = clock::now_us();
    while trouble.camera()["state"] == "playing" {
        trouble.pass(SECOND_US / 10);
        assert!(clock::now_us() < since_us + PATIENCE_US);
    }
    let camera = trouble.camera();
    assert!(camera["reason"].as_str().is_some_and(|why| why.contains("10 s")), "{camera}");
    trouble.fixture.farm.behave(CAMERA, Behaviour::Play);
    trouble.frames(30);
    trouble.judge();
}

#[test]
fn a_camera_that_hangs_up_is_dialled_again() {
    let mut trouble = Trouble::new();
    for _ in 0..2 {
        trouble.fixture.farm.behave(CAMERA, Behaviour::Close);
        trouble.pass(SECOND_US / 5);
        trouble.fixture.farm.behave(CAMERA, Behaviour::Play);
        trouble.frames(30);
    }
    assert_eq!(trouble.camera()["state"], "playing");
    trouble.judge();
}

#[test]
fn rubbish_between_frames_costs_the_rest_of_a_gop() {
    let mut trouble = Trouble::new();
    let rubbish: [&[u8]; 4] = [
        b"rubbish",
        // An interleaved header, cut off by what looks like an answer.
        b"$\x00\x05\xff\x80RTSP/1.0 200",
        &[0x24; 4_000],
        &[0x00; 70_000],
    ];
    for bytes in rubbish {
        trouble.fixture.farm.inject(CAMERA, bytes);
        trouble.frames(40);
    }
    assert_eq!(trouble.camera()["state"], "playing");
    let series = format!("weir_camera_breaks_total{{camera=\"{CAMERA}\",reason=\"resync\"}}");
    let breaks = trouble.fixture.server.metric(&series).expect("a metric");
    assert!(breaks >= 4.0, "{breaks}");
    assert_eq!(trouble.fixture.farm.total(|counts| &counts.describes), 1, "the connection stands");
    let lost_gops = trouble.judge().len();
    assert!((1..=4).contains(&lost_gops), "{lost_gops}");
}
