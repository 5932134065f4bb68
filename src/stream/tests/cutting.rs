//! Every slice comes out byte for byte, in order and in as few pieces as possible.

use crate::history::Chunks;
use crate::limits::{PAYLOAD_BYTES_DEFAULT, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PPS, Random, SPS_1080, Viewer};

/// The number of pieces of a NAL unit.
fn pieces(nal_bytes: usize, payload_bytes: usize) -> usize {
    if nal_bytes < payload_bytes { 1 } else { (nal_bytes - 1).div_ceil(payload_bytes - 2) }
}

#[test]
fn every_nal_size_and_every_fragment_size() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_MIN);
    let mut random = Random(11);
    let mut camera = Camera::new();
    camera.gop(&mut random, 9);
    viewer.feed(&camera.packets);
    for nal_bytes in 2..=4 * PAYLOAD_BYTES_MIN {
        viewer.out.clear();
        camera.packets.clear();
        let sizes = [1 + random.below(nal_bytes), nal_bytes.max(8) / 4, 498, 499, 1460, 65_000];
        let mut sent = Vec::new();
        for part_bytes in sizes {
            let nal = random.nal(0x41, nal_bytes, true);
            camera.fragments(&nal, part_bytes, true);
            camera.next_frame();
            sent.push(nal);
        }
        let nal = random.nal(0x61, nal_bytes, true);
        camera.packet(&nal, true);
        camera.next_frame();
        sent.push(nal);
        viewer.feed(&camera.packets);
        assert_eq!(viewer.slices(), sent, "{nal_bytes}");
        assert_eq!(viewer.out.len(), sent.len() * pieces(nal_bytes, PAYLOAD_BYTES_MIN));
        assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), sent.len());
    }
}

#[test]
fn every_fragment_size_of_one_nal() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(12);
    let mut camera = Camera::new();
    camera.gop(&mut random, 9);
    viewer.feed(&camera.packets);
    let nal = random.nal(0x41, 4 * PAYLOAD_BYTES_DEFAULT, true);
    for part_bytes in 1..nal.len() {
        viewer.out.clear();
        camera.packets.clear();
        camera.fragments(&nal, part_bytes, true);
        camera.next_frame();
        viewer.feed(&camera.packets);
        assert_eq!(viewer.slices(), [&nal[..]], "{part_bytes}");
        assert_eq!(viewer.out.len(), 5);
    }
}

/// Packs an access unit of these slices in a random way that cameras use.
fn pack(camera: &mut Camera, random: &mut Random, slices: &[Vec<u8>], idr: bool) {
    camera.packet(&[0x09, 0xF0], false); // AUD
    if idr && random.one_in(2) {
        camera.stap(&[&SPS_1080, &PPS], false);
    } else if idr {
        camera.packet(&SPS_1080, false);
        camera.packet(&PPS, false);
    }
    camera.packet(&[0x06, 5, 1, 0x80], false); // SEI
    let small: usize = slices.iter().map(Vec::len).sum();
    if small < 1400 && random.one_in(2) {
        let nals: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
        return camera.stap(&nals, true);
    }
    for (n, slice) in slices.iter().enumerate() {
        let marker = n + 1 == slices.len();
        match random.below(3) {
            0 => camera.packet(slice, marker),
            1 => camera.fragments(slice, 1458, marker),
            _ => camera.fragments(slice, 1 + random.below(3000), marker),
        }
    }
}

#[test]
fn mixed_packing_at_realistic_sizes_takes_few_packets() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut viewer = Viewer::new(chunks, PAYLOAD_BYTES_MAX);
    let mut random = Random(13);
    let mut camera = Camera::new();
    let (mut sent, mut least, mut idrs) = (Vec::new(), 0, 0);
    for frame in 0..1000 {
        let idr = frame % 50 == 0;
        idrs += usize::from(idr);
        let count = 1 + random.below(4);
        let slices: Vec<Vec<u8>> = (0..count)
            .map(|n| {
                let most = if idr { 40_000 } else { 12_000 };
                let len = (2 + random.below(most)) / if random.one_in(4) { 20 } else { 1 };
                random.nal(if idr { 0x65 } else { 0x41 }, len.max(2), n == 0)
            })
            .collect();
        least += slices.iter().map(|nal| nal.len().div_ceil(PAYLOAD_BYTES_MAX)).sum::<usize>();
        pack(&mut camera, &mut random, &slices, idr);
        camera.next_frame();
        sent.extend(slices);
        viewer.feed(&std::mem::take(&mut camera.packets));
    }
    assert_eq!(viewer.slices(), sent);
    assert!(viewer.out.len() * 10 <= least * 12, "{} packets of {least}", viewer.out.len());
    assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), 1000);
    assert_eq!(viewer.out.iter().filter(|out| out.idr_begins).count(), idrs);
    let stamps: Vec<u32> = viewer.nals().iter().map(|whole| whole.timestamp).collect();
    assert!(stamps.windows(2).all(|two| matches!(two[1].wrapping_sub(two[0]), 0 | 3600)));
}

#[test]
fn an_empty_fragment_ends_a_nal_and_one_fragment_is_a_whole_one() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(14);
    let mut camera = Camera::new();
    camera.gop(&mut random, 9);
    viewer.feed(&std::mem::take(&mut camera.packets));
    viewer.out.clear();
    // Exactly one full piece: it may be published only once it is known to be the last.
    let nal = random.nal(0x41, PAYLOAD_BYTES_DEFAULT - 1, true);
    let mut start = vec![0x5C, 0x81];
    start.extend(&nal[1..]);
    camera.packet(&start, false);
    viewer.feed(&std::mem::take(&mut camera.packets));
    assert!(viewer.out.is_empty());
    camera.packet(&[0x5C, 0x41], true);
    viewer.feed(&std::mem::take(&mut camera.packets));
    assert_eq!(viewer.out.len(), 1);
    assert_eq!((&viewer.out[0].payload, viewer.out[0].marker), (&nal, true));
}

#[test]
fn annexb_in_rtp_is_forwarded_as_nal_units() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut camera = Camera::new();
    let mut sent = Vec::new();
    for frame in 0..20 {
        let slice = |header: u8| [&[header, 0x9A][..], &[0x55; 30_000]].concat();
        if frame % 5 == 0 {
            let sets = [&SPS_1080[..], &[0, 0, 0, 1], &PPS, &[0, 0, 0, 1]].concat();
            let unit = [&sets[..], &slice(0x65), &[0, 0]].concat();
            match frame % 2 {
                0 => camera.packet(&unit, true),
                _ => camera.fragments(&unit, 1400, true),
            }
            sent.push(slice(0x65));
        } else {
            camera.packet(&[&[0, 0, 0, 1], &slice(0x41)[..]].concat(), true);
            sent.push(slice(0x41));
        }
        camera.next_frame();
    }
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
    assert_eq!(viewer.out.iter().filter(|out| out.marker).count(), 20);
    assert!(viewer.stream.ready());
}
