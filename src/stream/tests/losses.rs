//! After a loss nothing is forwarded before the next IDR, and no viewer starts at a torn IDR.

use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{NAL_ZEROS_MAX, PAYLOAD_BYTES_DEFAULT};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};
use crate::status::{BreakReason, CameraStats};
use std::sync::atomic::Ordering;

/// Three GOPs of ten access units with two slices: the packets, and each one's access unit.
fn clip(random: &mut Random) -> (Camera, Vec<usize>, Vec<Vec<Vec<u8>>>) {
    let mut camera = Camera::new();
    let (mut unit_of, mut units) = (Vec::new(), Vec::new());
    for unit in 0..30 {
        let idr = unit % 10 == 0;
        let header = if idr { 0x65 } else { 0x41 };
        if idr {
            camera.stap(&[&SPS_1080, &PPS], false);
        }
        let slices = vec![random.nal(header, 2500, true), random.nal(header, 700, false)];
        camera.fragments(&slices[0], 900, false);
        camera.packet(&slices[1], true);
        camera.next_frame();
        unit_of.resize(camera.packets.len(), unit);
        units.push(slices);
    }
    (camera, unit_of, units)
}

#[test]
fn any_one_lost_packet_costs_its_gop_and_nothing_else() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut random = Random(31);
    let (camera, unit_of, units) = clip(&mut random);
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    for lost in 1..camera.packets.len() - 1 {
        viewer.out.clear();
        viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
        let mut packets = camera.packets.clone();
        packets.remove(lost);
        viewer.feed(&packets);
        let unit = unit_of[lost];
        let (first_lost, next_gop) = (unit, unit / 10 * 10 + 10);
        // When only the parameter sets are lost, nothing is: they are known, and the IDR is whole.
        let only_sets = lost > 0 && unit_of[lost - 1] != unit && unit.is_multiple_of(10);
        let mut expected = Vec::new();
        for (n, slices) in units.iter().enumerate() {
            if only_sets || n < first_lost || n >= next_gop {
                expected.extend(slices.clone());
            }
        }
        let slices = viewer.slices();
        let torn: Vec<_> = slices.iter().filter(|slice| !expected.contains(slice)).collect();
        // Of the torn access unit, only the slices before the loss are forwarded.
        assert!(torn.iter().all(|slice| units[unit][0] == **slice), "{lost}");
        let clean: Vec<_> = slices.iter().filter(|slice| expected.contains(slice)).collect();
        assert_eq!(clean, expected.iter().collect::<Vec<_>>(), "{lost}");
        let begins = viewer.out.iter().filter(|out| out.idr_begins).count();
        let after_sets = lost == 1 || (lost > 1 && unit_of[lost - 2] != unit);
        let torn_at_start = unit.is_multiple_of(10) && !only_sets && after_sets;
        assert_eq!(begins, if torn_at_start { 2 } else { 3 }, "{lost}");
    }
}

#[test]
fn a_torn_idr_is_no_start_and_a_whole_one_is() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let (camera, unit_of, _) = clip(&mut Random(32));
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let idr_packets = unit_of.iter().filter(|&&unit| unit == 0).count();
    for len in 0..=idr_packets {
        viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[]);
        viewer.feed(&camera.packets[..len]);
        let begun = viewer.stream.ring().start().map(|start| start.index);
        assert_eq!(begun.is_some(), len > 1, "{len}");
        viewer.stream.broken(BreakReason::Resync);
        let left = viewer.stream.ring().start().map(|start| start.index);
        assert_eq!(left.is_some(), len == idr_packets, "{len}");
    }
}

#[test]
fn a_torn_idr_is_no_start_whatever_follows_it_in_its_packet() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(35);
    const START_CODE: &[u8] = &[0, 0, 0, 1];
    let torn = [&[0x65, 0x88][..], &[0; NAL_ZEROS_MAX + 1], &[5]].concat();
    let mut camera = Camera::new();
    for behind in [0x41, 0x65, 0x67, 0x06] {
        camera.gop(&mut random, 2);
        // As V380 sends it: an access unit packed as an SPS.
        let whole = [&[behind, 0x9a][..], &[7; 40]].concat();
        let parts: [&[u8]; 4] = [&SPS_1080, &PPS, &torn, &whole];
        camera.packet(&parts.join(START_CODE), true);
        viewer.feed(&camera.packets);
        assert_eq!(viewer.stream.ring().start(), None, "{behind:x} behind it");
        camera.packets.clear();
        viewer.out.clear();
        camera.next_frame();
        let sent = camera.gop(&mut random, 4);
        viewer.feed(&camera.packets);
        assert!(viewer.slices() == sent, "the next one is whole");
        assert!(viewer.stream.ring().start().is_some());
        camera.packets.clear();
        viewer.out.clear();
    }
}

#[test]
fn a_new_source_in_step_is_no_loss_and_another_payload_type_is_not_ours() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut random = Random(33);
    let mut camera = Camera::new();
    let mut sent = camera.gop(&mut random, 10);
    camera.ssrc = 8;
    sent.extend(camera.gop(&mut random, 10));
    camera.ssrc = 9;
    camera.sequence = 100;
    sent.extend(camera.gop(&mut random, 10));
    let mut stranger = camera.packets[15].clone();
    stranger[1] = 50; // Geovision: the sequence number of the packet before it
    camera.packets.insert(16, stranger);
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent);
    let stats = CameraStats::new();
    viewer.stream.report(viewer.chunks, &stats, viewer.now_us);
    assert_eq!(viewer.breaks(), [0; 5]);
    assert_eq!(stats.frames.load(Ordering::Relaxed), 30);
    assert_eq!(stats.packets.load(Ordering::Relaxed), 33);
    assert_eq!(stats.gop_ms.load(Ordering::Relaxed), 400);
    assert_eq!(stats.packets_out.load(Ordering::Relaxed), 33);
}

#[test]
fn a_slice_cut_short_in_an_aggregate_is_a_loss() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut random = Random(34);
    let mut camera = Camera::new();
    camera.gop(&mut random, 10);
    camera.stap(&[&SPS_1080, &PPS, &random.nal(0x65, 900, true)], true);
    camera.packets.last_mut().unwrap().truncate(500);
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    viewer.feed(&camera.packets);
    camera.packets.clear();
    viewer.out.clear();
    camera.next_frame();
    camera.packet(&random.nal(0x41, 900, true), true);
    let sent = camera.gop(&mut random, 10);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.slices(), sent, "what needs the missing idr is not forwarded");
    assert_eq!(viewer.breaks(), of(BreakReason::Torn, 1));
}

/// So many breaks for this reason, and none for another.
fn of(why: BreakReason, count: u32) -> [u32; BreakReason::NAMES.len()] {
    let mut breaks = [0; BreakReason::NAMES.len()];
    breaks[why as usize] = count;
    breaks
}

#[test]
fn each_break_counts_once_under_its_reason() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut random = Random(36);
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut camera = Camera::new();
    for _ in 0..2 {
        camera.gop(&mut random, 10);
    }
    camera.packets.remove(15);
    camera.packets.remove(5);
    viewer.feed(&camera.packets);
    assert_eq!(viewer.breaks(), of(BreakReason::Gap, 2));
    for why in [BreakReason::Resync, BreakReason::NoCarrySlot] {
        viewer.stream.renew(viewer.chunks);
        viewer.stream.broken(why);
        assert_eq!(viewer.breaks(), of(why, 1));
    }
}
