//! Parameter sets are published before each IDR, once, wherever the camera sends them.

use crate::codec::{Codec, CodecProfile};
use crate::history::Chunks;
use crate::limits::{PARAMETER_SET_BYTES_MAX, PAYLOAD_BYTES_DEFAULT, PAYLOAD_BYTES_MIN};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};
use crate::status::CameraStats;
use std::sync::atomic::Ordering;

const SPS_640: [u8; 25] = [
    0x67, 0x42, 0xC0, 0x1E, 0xD9, 0, 0xA0, 0x2F, 0xF9, 0x70, 0x11, 0, 0, 3, 0, 1, 0, 0, 3, 0, 0x32,
    0x0F, 0x16, 0x2E, 0x48,
];

/// The NAL units of the STAP-As that begin IDRs.
fn begins(viewer: &Viewer) -> Vec<Vec<u8>> {
    viewer.out.iter().filter(|out| out.idr_begins).map(|out| out.payload.clone()).collect()
}

fn stap(nals: &[&[u8]]) -> Vec<u8> {
    let mut camera = Camera::new();
    camera.stap(nals, false);
    camera.packets[0][12..].to_vec()
}

fn idr(camera: &mut Camera) {
    camera.packet(&[0x65, 0x88, 1, 2], true);
    camera.next_frame();
}

#[test]
fn those_of_the_sdp_serve_until_others_come_in_band() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut camera = Camera::new();
    idr(&mut camera);
    viewer.feed(&std::mem::take(&mut camera.packets));
    assert!(viewer.out.is_empty(), "without parameter sets an idr is of no use");
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[&SPS_640, &PPS, &[0x41, 2]]);
    idr(&mut camera);
    camera.packet(&SPS_1080, true);
    camera.packet(&[0x68, 0xCE, 0x3C, 0x80], false);
    idr(&mut camera);
    viewer.feed(&camera.packets);
    let other: &[u8] = &[0x68, 0xCE, 0x3C, 0x80];
    assert_eq!(begins(&viewer), [stap(&[&SPS_640, &PPS]), stap(&[&SPS_1080, other])]);
    assert_eq!(viewer.out[0].timestamp, viewer.out[1].timestamp);
    assert_eq!(viewer.out[2].timestamp, viewer.out[3].timestamp);
    assert_eq!(viewer.out.len(), 4);
    let stats = CameraStats::new();
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert_eq!(stats.width.load(Ordering::Relaxed), 1920);
    assert_eq!(stats.height.load(Ordering::Relaxed), 1080);
    assert_eq!(stats.profile.load(Ordering::Relaxed), CodecProfile::H264(0x0064_0028).to_number());
}

#[test]
fn once_an_access_unit_of_many_slices() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(41);
    let mut camera = Camera::new();
    for _ in 0..3 {
        camera.packet(&SPS_1080, false);
        camera.packet(&PPS, false);
        camera.packet(&random.nal(0x65, 300, true), false);
        camera.packet(&random.nal(0x65, 300, false), false);
        camera.packet(&random.nal(0x65, 300, false), true);
        camera.next_frame();
    }
    viewer.feed(&camera.packets);
    assert_eq!(begins(&viewer).len(), 3);
    assert_eq!(viewer.out.len(), 12);
}

#[test]
fn several_are_told_apart_by_id_and_the_overlong_is_not_kept() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_MIN);
    let mut camera = Camera::new();
    let second: &[u8] = &[0x68, 0x5B, 0xE3]; // id 1
    let mut overlong = vec![0x68, 0x6B];
    overlong.resize(PARAMETER_SET_BYTES_MAX + 1, 0x55);
    camera.stap(&[&SPS_1080, &PPS, second], false);
    camera.packet(&overlong, false);
    idr(&mut camera);
    overlong.truncate(PARAMETER_SET_BYTES_MAX); // id 2, just short enough
    camera.packet(&overlong, false);
    overlong[1] = 0x21; // id 3
    camera.packet(&overlong, false);
    idr(&mut camera);
    viewer.feed(&camera.packets);
    let first = stap(&[&SPS_1080, &PPS, second]);
    assert_eq!(begins(&viewer)[0], first);
    // The sets do not fit one packet: there are two, and the first begins the access unit.
    let nals: Vec<Vec<u8>> = viewer.nals().into_iter().skip(4).map(|whole| whole.nal).collect();
    assert_eq!(nals.len(), 6);
    assert_eq!(nals[..3], [SPS_1080.to_vec(), PPS.to_vec(), second.to_vec()]);
    assert_eq!(begins(&viewer).len(), 2);
    assert_eq!(viewer.out.len(), 2 + 3);
}
