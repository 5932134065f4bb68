//! H.265 is cut, kept and begun with as H.264 is: by its own headers, types and key frames.

use crate::codec::{Codec, CodecProfile};
use crate::history::Chunks;
use crate::limits::{PARAMETER_SET_BYTES_MAX, PAYLOAD_BYTES_DEFAULT, PAYLOAD_BYTES_MIN};
use crate::mem::arena::Arena;
use crate::rtp::nal::NalHeader;
use crate::rtp::testing::{Camera, HEVC_SETS, HEVC_SPS_1080, PAYLOAD_TYPE, PPS, Random, SPS_1080};
use crate::rtp::testing::{Viewer, Whole};
use crate::status::CameraStats;
use std::sync::atomic::Ordering::Relaxed;

const TRAIL: NalHeader = NalHeader::H265([0x02, 1]);
const IDR: NalHeader = NalHeader::H265([0x26, 1]);
const CRA: NalHeader = NalHeader::H265([0x2A, 1]);
const RASL: NalHeader = NalHeader::H265([0x12, 1]);
const RADL: NalHeader = NalHeader::H265([0x0E, 1]);

fn viewer(chunks: &'static mut Chunks, payload_bytes: usize) -> (Viewer, Camera) {
    (Viewer::of(Codec::H265, chunks, payload_bytes), Camera::of(Codec::H265))
}

/// Sends a picture of one slice in one packet, and returns the slice.
fn picture(camera: &mut Camera, random: &mut Random, header: NalHeader) -> Vec<u8> {
    let slice = random.nal_of(header, 300, true);
    camera.packet(&slice, true);
    camera.next_frame();
    slice
}

/// The NAL units of a viewer that are not slices.
fn sets(viewer: &Viewer) -> Vec<Vec<u8>> {
    let slices = viewer.slices();
    let nals = viewer.nals().into_iter().map(|whole| whole.nal);
    nals.filter(|nal| !slices.contains(nal)).collect()
}

#[test]
fn slices_come_out_to_the_byte_wherever_the_camera_cut_them() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let payload_bytes = PAYLOAD_BYTES_MIN;
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), payload_bytes);
    let mut random = Random(1);
    let mut sent = Vec::new();
    camera.stap(&HEVC_SETS, false);
    // Around one, two and three pieces: a piece has three bytes of a fragment's header.
    let around = |pieces: usize| {
        let edge = 2 + pieces * (payload_bytes - 3);
        edge - 3..=edge + 3
    };
    for (n, len) in [1, 2, 3].into_iter().flat_map(around).enumerate() {
        let slice = random.nal_of(if n == 0 { IDR } else { TRAIL }, len, true);
        match n % 3 {
            0 => camera.packet(&slice, true),
            1 => camera.fragments(&slice, 1 + random.below(700), true),
            _ => camera.stap(&[&[0x46, 1, 0x50], &slice], true),
        }
        camera.next_frame();
        sent.push(slice);
    }
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
    assert_eq!(sets(&viewer), HEVC_SETS.map(<[u8]>::to_vec));
    assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), sent.len());
    assert!(viewer.stream.ready());
    // What was cut is valid by RFC 7798: FU headers with S or E, never both.
    for out in viewer.out.iter().filter(|out| out.payload[0] >> 1 == 49) {
        assert_eq!(out.payload[1], 1);
        assert_ne!(out.payload[2] & 0xC0, 0xC0);
        assert!(matches!(out.payload[2] & 0x3F, 1 | 19));
    }
}

#[test]
fn every_split_point_of_a_slice_gives_the_same() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_MIN);
    let mut random = Random(2);
    camera.stap(&HEVC_SETS, false);
    let mut sent = vec![picture(&mut camera, &mut random, IDR)];
    let slice = random.nal_of(NalHeader::H265([0x00, 2]), 40, true); // TRAIL_N of layer 1
    for part_bytes in 1..=slice.len() {
        camera.fragments(&slice, part_bytes, true);
        camera.next_frame();
        sent.push(slice.clone());
    }
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
}

#[test]
fn every_irap_picture_is_a_key_frame_with_its_sets_before_it() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(3);
    picture(&mut camera, &mut random, IDR);
    viewer.feed(&std::mem::take(&mut camera.packets));
    assert!(viewer.out.is_empty(), "without parameter sets a key frame is of no use");
    for set in HEVC_SETS {
        camera.packet(set, false);
    }
    for kind in 16..=21 {
        picture(&mut camera, &mut random, NalHeader::H265([kind << 1, 1]));
        picture(&mut camera, &mut random, TRAIL);
    }
    for reserved in [22, 23, 10, 31] {
        picture(&mut camera, &mut random, NalHeader::H265([reserved << 1, 1]));
    }
    viewer.feed(&camera.packets);
    let begins: Vec<usize> =
        viewer.out.iter().enumerate().filter(|(_, out)| out.idr_begins).map(|(n, _)| n).collect();
    assert_eq!(begins, [0, 3, 6, 9, 12, 15]);
    for begin in begins {
        let [aggregate, slice] = &viewer.out[begin..begin + 2] else { panic!("two packets") };
        assert_eq!(aggregate.payload[..2], [0x60, 1]);
        assert_eq!(aggregate.timestamp, slice.timestamp);
        assert!(!aggregate.marker && slice.marker);
    }
    assert_eq!(viewer.out.len(), 18, "reserved types are dropped");
}

#[test]
fn what_decoders_do_not_need_is_dropped() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(4);
    camera.stap(&HEVC_SETS, false);
    let mut sent = Vec::new();
    for n in 0..6 {
        // A delimiter, SEI before and after, filler, the end of a sequence, a second layer.
        for other in [35, 39, 38, 36, 63] {
            camera.packet(&[other << 1, 1, 0x50], false);
        }
        let slice = random.nal_of(if n == 0 { IDR } else { TRAIL }, 90, true);
        camera.packet(&slice, false);
        camera.packet(&random.nal_of(NalHeader::H265([0x02, 0x09]), 90, true), false);
        camera.packet(&[40 << 1, 1, 9], true);
        camera.next_frame();
        sent.push(slice);
    }
    viewer.feed(&camera.packets);
    // The camera sets its marker on what is dropped, so each picture waits for the next one.
    let whole: Vec<Whole> = viewer.nals();
    assert_eq!(whole.into_iter().skip(3).map(|whole| whole.nal).collect::<Vec<_>>(), sent[..5]);
}

#[test]
fn a_picture_of_several_slices_is_one_access_unit() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(5);
    for n in 0..4 {
        camera.stap(&HEVC_SETS, false);
        let header = if n % 2 == 0 { CRA } else { TRAIL };
        for slice in 0..3 {
            camera.packet(&random.nal_of(header, 50, slice == 0), slice == 2);
        }
        camera.next_frame();
    }
    viewer.feed(&camera.packets);
    assert_eq!(viewer.out.iter().filter(|out| out.idr_begins).count(), 2);
    assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), 4);
    assert_eq!(viewer.out.len(), 2 + 12);
}

#[test]
fn rasl_pictures_reach_no_viewer_and_radl_pictures_do() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(6);
    camera.stap(&HEVC_SETS, false);
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(picture(&mut camera, &mut random, CRA));
        picture(&mut camera, &mut random, NalHeader::H265([0x10, 1])); // RASL_N
        picture(&mut camera, &mut random, RASL);
        sent.push(picture(&mut camera, &mut random, RADL));
        sent.push(picture(&mut camera, &mut random, TRAIL));
    }
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
    assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), sent.len());
    let stats = CameraStats::new();
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert_eq!(stats.frames.load(Relaxed), 15, "they are counted");
}

#[test]
fn after_a_loss_nothing_comes_before_the_next_key_frame() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(7);
    camera.stap(&HEVC_SETS, false);
    let pictures: Vec<Vec<u8>> = [IDR, TRAIL, TRAIL, TRAIL, CRA, RASL, TRAIL, TRAIL]
        .map(|header| picture(&mut camera, &mut random, header))
        .to_vec();
    camera.packets.remove(3);
    viewer.feed(&camera.packets);
    let seen = [0, 1, 4, 6, 7].map(|n| pictures[n].clone());
    assert_eq!(viewer.slices(), seen);
}

#[test]
fn sets_that_fill_a_packet_alone_are_no_aggregate() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_MIN);
    let mut random = Random(8);
    let [vps, sps, pps] = HEVC_SETS.map(<[u8]>::to_vec);
    let mut long_sps = sps.clone();
    long_sps.resize(PARAMETER_SET_BYTES_MAX, 0x55);
    let mut long_pps = pps.clone();
    long_pps.resize(PARAMETER_SET_BYTES_MAX, 0x55);
    let mut overlong = vps.clone();
    overlong.resize(PARAMETER_SET_BYTES_MAX + 1, 0x55);
    camera.packet(&vps, false);
    for set in [&long_sps, &long_pps, &overlong] {
        camera.fragments(set, 100, false);
    }
    picture(&mut camera, &mut random, IDR);
    viewer.feed(&camera.packets);
    assert_eq!(sets(&viewer), [vps, long_sps, long_pps], "the overlong is not kept");
    // The PPS has a packet of its own, as what it is.
    assert_eq!(viewer.out.iter().map(|out| out.payload[0] >> 1).collect::<Vec<_>>(), [48, 34, 19]);
    assert_eq!(viewer.out.iter().filter(|out| out.idr_begins).count(), 1);
}

#[test]
fn what_it_sends_is_reported() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, _) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let stats = CameraStats::new();
    viewer.stream.connect(Codec::H265, PAYLOAD_TYPE, &[&HEVC_SPS_1080]);
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert_eq!((stats.width.load(Relaxed), stats.height.load(Relaxed)), (1920, 1080));
    let profile = CodecProfile::from_number(stats.profile.load(Relaxed)).expect("known");
    assert_eq!((profile.codec(), &*profile.to_string()), (Codec::H265, "Main, level 4.0"));
    assert!(!viewer.stream.ready(), "VPS and PPS are missing");
}

#[test]
fn nothing_of_one_codec_is_left_for_the_other() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (mut viewer, mut camera) = viewer(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(9);
    camera.stap(&HEVC_SETS, false);
    for header in [IDR, TRAIL, TRAIL, TRAIL] {
        picture(&mut camera, &mut random, header);
    }
    viewer.feed(&camera.packets);
    assert!(viewer.stream.ready());
    viewer.stream.renew(viewer.chunks);
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
    assert!(!viewer.stream.ready() && viewer.stream.ring().start().is_none());
    viewer.codec = Codec::H264;
    viewer.out.clear();
    let mut camera = Camera::new();
    let sent = camera.gop(&mut random, 5);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
    let first = viewer.nals().into_iter().take(2).map(|whole| whole.nal).collect::<Vec<_>>();
    assert_eq!(first, [SPS_1080.to_vec(), PPS.to_vec()]);
    assert_eq!(viewer.stream.codec(), Codec::H264);
}
