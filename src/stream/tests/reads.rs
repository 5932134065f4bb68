//! The number of chunks that one read fills: bounded for any input, and enough for real cameras.

use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{
    CHUNK_PACKETS_MAX, PARAMETER_SET_BYTES_MAX, PAYLOAD_BYTES_DEFAULT, PROFILE,
    READ_CUT_CHUNKS_BEHIND, READ_CUT_CHUNKS_MAX,
};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};
use crate::status::BreakReason;

const PACKET_BYTES_MAX: usize = 65_535 - 12;

/// Feeds packets as one read; returns the numbers of chunks and packets that it was cut into.
fn read(viewer: &mut Viewer, packets: &[Vec<u8>]) -> (usize, u64) {
    let (chunks, head) = (viewer.chunks.in_use(), viewer.stream.ring().head());
    viewer.stream.hold_unserved();
    viewer.stream.begin_read();
    for packet in packets {
        viewer.stream.rtp(viewer.chunks, packet, viewer.now_us);
    }
    assert_eq!(viewer.stream.ring().lost(), 0);
    let cut = (viewer.chunks.in_use() - chunks, viewer.stream.ring().head() - head);
    viewer.stream.served(None);
    cut
}

/// As many parameter sets as are kept, each of the largest size kept.
fn largest_sets() -> Vec<Vec<u8>> {
    // The IDs 0 and 1, and 0 to 3, as Exp-Golomb codes.
    let sps = [0xff, 0x5f].map(|id| vec![0x67, 0x64, 0, 0x28, id]);
    let pps = [0xff, 0x5f, 0x7f, 0x27].map(|id| vec![0x68, id]);
    let mut sets = [&sps[..], &pps[..]].concat();
    sets.iter_mut().for_each(|set| set.resize(PARAMETER_SET_BYTES_MAX, 0x77));
    sets
}

/// Gives the slot another camera, about which nothing is known.
fn begin_anew(viewer: &mut Viewer) {
    viewer.stream.renew(viewer.chunks);
    viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
}

/// Sends one packet that is full of this NAL unit.
fn full_of(camera: &mut Camera, nal: &[u8]) {
    let nals = vec![nal; (PACKET_BYTES_MAX - 1) / (2 + nal.len())];
    camera.stap(&nals, true);
    camera.next_frame();
}

#[test]
fn a_packet_of_tiny_slices_is_cut_into_no_more_than_the_bound() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(71);
    let mut camera = Camera::new();
    for slice in [[0x65, 0x80], [0x41, 0x80], [0x65, 0x01]] {
        begin_anew(&mut viewer);
        for set in largest_sets() {
            camera.packet(&set, false);
        }
        camera.packet(&random.nal(0x65, 900, true), true);
        camera.next_frame();
        full_of(&mut camera, &slice);
        let flood = camera.packets.split_off(camera.packets.len() - 1);
        viewer.feed(&std::mem::take(&mut camera.packets));
        assert!(viewer.stream.ring().start().is_some());
        let (chunks, packets) = read(&mut viewer, &flood);
        let breaks = viewer.breaks();
        assert_eq!((breaks[BreakReason::Overflow as usize], breaks.iter().sum()), (1, 1_u32));
        assert!(chunks <= READ_CUT_CHUNKS_MAX, "{chunks} chunks for {slice:x?}");
        assert!(packets <= (READ_CUT_CHUNKS_MAX * CHUNK_PACKETS_MAX) as u64, "{packets} packets");
        // From there on nothing is forwarded before the next key frame, in this read or another.
        camera.packet(&random.nal(0x41, 900, true), true);
        camera.next_frame();
        assert_eq!(read(&mut viewer, &std::mem::take(&mut camera.packets)), (0, 0));
        viewer.out.clear();
        let sent = camera.gop(&mut random, 5);
        // The packet held back, after many slices without a marker, is published with the next.
        camera.packet(&[0x41, 0x80], true);
        viewer.feed(&std::mem::take(&mut camera.packets));
        assert!(viewer.slices().starts_with(&sent));
    }
}

#[test]
fn parameter_sets_are_published_once_for_many_idrs_in_one_packet() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut camera = Camera::new();
    camera.stap(&[&SPS_1080, &PPS], false);
    for _ in 0..3 {
        camera.stap(&[&[0x65, 0x80][..]; 20], true);
        camera.next_frame();
    }
    camera.packet(&[0x41, 0x80], true);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.out.iter().filter(|out| out.idr_begins).count(), 3);
    assert!(viewer.slices().starts_with(&vec![vec![0x65, 0x80]; 60]));
}

#[test]
fn whatever_comes_before_the_largest_nal_unit_of_a_read_it_keeps_the_bound() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(72);
    let mut camera = Camera::new();
    let mut most = 0;
    // Key frames of two bytes in single packets: each is a picture, with all its parameter sets.
    for tiny in (0..600).step_by(3) {
        begin_anew(&mut viewer);
        for set in largest_sets() {
            camera.packet(&set, false);
        }
        viewer.feed(&std::mem::take(&mut camera.packets));
        for _ in 0..tiny {
            camera.packet(&[0x65, 0x80], true);
            camera.next_frame();
        }
        camera.packet(&random.nal(0x65, PACKET_BYTES_MAX, true), true);
        camera.next_frame();
        let (chunks, _) = read(&mut viewer, &std::mem::take(&mut camera.packets));
        assert!(chunks <= READ_CUT_CHUNKS_MAX, "{chunks} chunks behind {tiny}");
        most = most.max(chunks);
    }
    assert!(most > READ_CUT_CHUNKS_BEHIND, "{most} chunks come close to it");
}

#[test]
fn a_cameras_backlog_of_a_night_is_cut_whole() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(73);
    let mut camera = Camera::new();
    camera.gop(&mut random, 2);
    viewer.feed(&std::mem::take(&mut camera.packets));
    // As many slices of four bytes as fit a read, eight per picture.
    let count = PROFILE.read_scratch_bytes / (4 + 12 + 4);
    for slice in 0..count {
        let begins = slice % 8 == 0;
        camera.packet(&random.nal(0x41, 4, begins), slice % 8 == 7);
        if slice % 8 == 7 {
            camera.next_frame();
        }
    }
    let (_, packets) = read(&mut viewer, &camera.packets);
    assert!(packets >= count as u64 - 1, "{packets} of {count}: the last may wait for its marker");
    assert!(viewer.stream.ring().start().is_some());
}
