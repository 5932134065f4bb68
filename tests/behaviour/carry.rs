//! More cameras stop in the middle of a large frame than there are large carry slots: the frame
//! without a slot is abandoned and counted, its stream goes on at its next IDR, and nobody else
//! loses anything.

use weir::limits::PROFILE;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, Mount};
use crate::common::fixture::Fixture;
use crate::common::reassemble::{AccessUnit, access_units};
use crate::common::viewer::{Options, Viewer, wall};

const PATIENCE_US: u64 = 10_000_000;
const LARGE: Picture =
    Picture { frames_per_s: 5, gop: 5, bits_per_s: 60_000 * 8 * 5, idr_weight: 1, slices: 1 };
const SMALL: Picture =
    Picture { frames_per_s: 25, gop: 25, bits_per_s: 400_000, idr_weight: 2, slices: 1 };
const SMALL_CAMERAS: usize = 2;
/// Cameras that find no slot.
const TOO_MANY: usize = 2;

fn mounts() -> Vec<Mount> {
    let large = u32::try_from(PROFILE.carry_large + TOO_MANY).expect("few");
    let mut mounts = Mount::many(large, LARGE, false);
    for mount in &mut mounts {
        mount.payload_bytes = 65_000;
    }
    let small = (0..SMALL_CAMERAS).map(|at| Mount::new(&format!("small{at}"), SMALL));
    mounts.extend(small);
    for mount in &mut mounts {
        mount.record = true;
    }
    mounts
}

/// Frames of the camera that are missing in what a viewer got; it must go on at an IDR.
fn missing(units: &[AccessUnit], sent: &[Vec<u8>]) -> usize {
    let slices: Vec<&Vec<u8>> = sent.iter().filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)).collect();
    let (mut at, mut missing) = (0, 0);
    for (place, unit) in units.iter().enumerate() {
        let slice = unit.nals.last().expect("a slice");
        let skipped = slices[at..].iter().position(|sent| *sent == slice).expect("in order");
        if place > 0 && skipped > 0 {
            assert!(unit.is_idr(), "it goes on at an IDR");
            missing += skipped;
        }
        at += skipped + 1;
    }
    missing
}

fn all_get(viewers: &mut [Viewer], frames: u64) {
    let before: Vec<u64> = viewers.iter().map(|v| v.reception.counts.frames).collect();
    let on = |viewers: &[Viewer]| {
        let mut pairs = viewers.iter().zip(&before);
        pairs.all(|(viewer, before)| viewer.reception.counts.frames >= before + frames)
    };
    assert!(wall::run(viewers, PATIENCE_US, on), "every viewer gets {frames} frames");
}

fn abandoned(fixture: &Fixture, camera: &str, tier: &str) -> u64 {
    counted(fixture, &format!("{{camera=\"{camera}\",tier=\"{tier}\"}} "))
}

/// The value of the one series with these labels.
fn counted(fixture: &Fixture, labels: &str) -> u64 {
    let metrics = fixture.server.metrics();
    let line = metrics.lines().find(|line| line.contains(labels)).expect("a series");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a count")
}

#[test]
fn a_frame_without_a_carry_slot_costs_its_own_stream_alone() {
    let fixture = Fixture::of(mounts(), |_| {});
    let names: Vec<String> = mounts().into_iter().map(|mount| mount.name).collect();
    let (large, small) = names.split_at(names.len() - SMALL_CAMERAS);
    let viewers = wall::connect_all(fixture.server.http, &names, &Options::default(), PATIENCE_US);
    let mut viewers: Vec<Viewer> =
        viewers.into_iter().map(|viewer| viewer.unwrap_or_else(|e| panic!("{e}"))).collect();
    all_get(&mut viewers, 6);
    assert_eq!(fixture.server.metric("weir_camera_frames_abandoned_total"), Some(0.0));

    for name in large {
        fixture.farm.behave(name, Behaviour::Withhold(30_000));
    }
    wall::run(&mut viewers, 600_000, |_| false);
    let counts: Vec<u64> = large.iter().map(|name| abandoned(&fixture, name, "large")).collect();
    assert_eq!(counts.iter().sum::<u64>(), TOO_MANY as u64, "{counts:?}");
    for (name, abandoned) in large.iter().zip(&counts) {
        let labels = format!("{{camera=\"{name}\",reason=\"no carry slot\"}} ");
        assert_eq!(counted(&fixture, &labels), *abandoned);
    }
    let cameras = fixture.server.get("/api/cameras").json()["cameras"].clone();
    for (camera, name) in cameras.as_array().expect("a list").iter().zip(&names) {
        let has_no_room = camera["findings"][0]["code"] == "no_room";
        assert_eq!(has_no_room, abandoned(&fixture, name, "large") > 0, "{camera}");
    }
    for tier in ["small", "medium"] {
        assert!(names.iter().all(|name| abandoned(&fixture, name, tier) == 0));
    }
    for name in large {
        fixture.farm.behave(name, Behaviour::Play);
    }
    // A whole GOP, so that each stream has had its next IDR.
    all_get(&mut viewers, u64::from(LARGE.gop));
    wall::run(&mut viewers, 1_500_000, |_| false);

    for (viewer, name) in viewers.iter().zip(&names) {
        let units = access_units(&viewer.reception.packets);
        let units = units.unwrap_or_else(|broken| panic!("{name}: {broken:?}"));
        let missing = missing(&units, &fixture.farm.sent(name));
        let was_abandoned = abandoned(&fixture, name, "large") > 0;
        assert_eq!(missing > 0, was_abandoned, "{name}: {missing} frames");
        assert!(missing <= 2 * LARGE.gop as usize, "{name}: {missing} frames");
        assert!(!(was_abandoned && small.contains(name)), "{name}");
        assert_eq!(viewer.reception.counts.lost(), 0, "{name}");
    }
}
