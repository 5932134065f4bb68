//! The marker ends an access unit, however the camera sets it.

use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{MARKER_PROBE_ACCESS_UNITS, PAYLOAD_BYTES_DEFAULT};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};

/// How a camera sets its markers, in access units of two slices.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Last,
    Never,
    EverySlice,
    TrailingSei,
}

fn access_unit(camera: &mut Camera, random: &mut Random, idr: bool, habit: Habit) {
    let header = if idr { 0x65 } else { 0x41 };
    if idr {
        camera.stap(&[&SPS_1080, &PPS], true); // a marker here means nothing
    }
    let sound = matches!(habit, Habit::Last);
    let every = matches!(habit, Habit::EverySlice);
    camera.packet(&random.nal(header, 500, true), every);
    camera.fragments(&random.nal(header, 3000, false), 1400, sound || every);
    if matches!(habit, Habit::TrailingSei) {
        camera.packet(&[0x06, 5, 1, 0x80], true);
    }
    camera.next_frame();
}

fn play(viewer: &mut Viewer, habit: Habit) {
    let mut random = Random(21);
    let mut camera = Camera::new();
    for n in 0..40 {
        access_unit(&mut camera, &mut random, n % 10 == 0, habit);
    }
    viewer.feed(&camera.packets);
}

/// Checks that every access unit after the probe ends with its only marker.
fn assert_marked(viewer: &Viewer, access_units: usize) {
    let probed = usize::try_from(MARKER_PROBE_ACCESS_UNITS).unwrap();
    let nals = viewer.nals();
    let slices: Vec<_> = nals.iter().filter(|whole| whole.nal[0] & 0x1F <= 5).collect();
    assert_eq!(slices.len(), 2 * access_units);
    for unit in slices.chunks(2).skip(probed) {
        assert_eq!((unit[0].marker, unit[1].marker), (false, true));
        assert_eq!(unit[0].timestamp, unit[1].timestamp);
    }
}

#[test]
fn sound_markers_are_passed_on_at_once() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    play(&mut viewer, Habit::Last);
    assert_marked(&viewer, 40);
    assert!(viewer.out.last().unwrap().marker);
}

#[test]
fn a_camera_without_markers_has_its_last_packet_held_back() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    play(&mut viewer, Habit::Never);
    // The last packet of the last access unit is still held back.
    assert!(!viewer.out.last().unwrap().marker);
    let mut camera = Camera::new();
    camera.sequence = 65_000_u16.wrapping_add(4 + 40 * 4);
    camera.timestamp = camera.timestamp.wrapping_add(40 * 3600);
    camera.packet(&Random(1).nal(0x41, 100, true), false);
    viewer.feed(&camera.packets);
    assert_marked(&viewer, 40);
}

#[test]
fn markers_on_every_slice_or_on_a_trailing_sei_are_odd() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    static OTHER_CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    for (habit, chunks) in [(Habit::EverySlice, &CHUNKS), (Habit::TrailingSei, &OTHER_CHUNKS)] {
        let mut viewer = Viewer::new(chunks.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
        play(&mut viewer, habit);
        viewer.feed(&{
            let mut camera = Camera::new();
            let packets = if matches!(habit, Habit::TrailingSei) { 5 } else { 4 };
            camera.sequence = 65_000_u16.wrapping_add(4 + 40 * packets);
            camera.timestamp = camera.timestamp.wrapping_add(40 * 3600);
            camera.packet(&Random(1).nal(0x41, 100, true), false);
            camera.packets
        });
        assert_marked(&viewer, 40);
    }
}

#[test]
fn the_habit_is_not_learned_again_after_a_reconnect() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    play(&mut viewer, Habit::Last);
    viewer.stream.disconnect(viewer.chunks, viewer.now_us);
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
    viewer.out.clear();
    play(&mut viewer, Habit::Never);
    let markers = viewer.out.iter().filter(|out| out.marker).count();
    assert_eq!(markers, 0, "markers are the camera's, as they were");
}

#[test]
fn an_idr_of_the_probe_is_no_start_for_a_stream_that_holds_back() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(22);
    let mut camera = Camera::new();
    for n in 0..=MARKER_PROBE_ACCESS_UNITS {
        access_unit(&mut camera, &mut random, n == 1, Habit::Never);
        viewer.feed(&std::mem::take(&mut camera.packets));
        let probing = n < MARKER_PROBE_ACCESS_UNITS;
        assert_eq!(viewer.stream.ready(), !probing);
        assert_eq!(viewer.stream.ring().start().is_some(), n >= 1 && probing);
    }
}
