//! Random input causes no panic, and the packets in the ring can be read and are valid.

use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{CHUNKS_MAX, PAYLOAD_BYTES_DEFAULT, RING_CHUNKS_MAX};
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, Random, SPS_1080, Viewer};
use crate::status::BreakReason;

fn next_packet(camera: &mut Camera, random: &mut Random) -> Vec<Vec<u8>> {
    let headers = [0x65, 0x41, 0x61, 0x06, 0x09, 0x67, 0x68, 0x0C, 0x42, 0x44, 0x00, 0x78, 0x7C];
    let most = if random.one_in(50) { 20_000 } else { 600 };
    let len = 2 + random.below(most);
    let header = headers[random.below(headers.len())];
    let begins = random.one_in(2);
    let nal = random.nal(header, len, begins);
    let marker = random.one_in(2);
    match random.below(8) {
        0 => camera.stap(&[&SPS_1080, &PPS, &nal], marker),
        1 | 2 => camera.fragments(&nal, 1 + random.below(len), marker),
        3 => {
            let noise = random.below(40);
            camera.packet(&random.bytes(noise), marker);
        }
        _ => camera.packet(&nal, marker),
    }
    if random.one_in(2) {
        camera.next_frame();
    }
    if random.one_in(300) {
        camera.timestamp = u32::try_from(random.next() >> 32).unwrap();
    }
    std::mem::take(&mut camera.packets)
}

fn mutate(packets: &mut Vec<Vec<u8>>, random: &mut Random) {
    for packet in packets.iter_mut() {
        for _ in 0..random.below(4) {
            let at = random.below(packet.len());
            packet[at] = random.next().to_le_bytes()[0];
        }
        let len = random.below(packet.len() + 1);
        if random.one_in(4) {
            packet.truncate(len);
        }
    }
    if random.one_in(3) {
        packets.pop();
    }
}

#[test]
fn two_hundred_thousand_packets_of_all_kinds() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut random = Random(61);
    let mut camera = Camera::new();
    let (mut fed, mut published) = (0, 0);
    while fed < 250_000 {
        let mut packets = next_packet(&mut camera, &mut random);
        if random.one_in(50) {
            mutate(&mut packets, &mut random);
        }
        viewer.out.clear();
        viewer.feed(&packets);
        fed += packets.len();
        published += viewer.out.len();
        assert!(viewer.out.iter().all(|out| (1..=1200).contains(&out.payload.len())));
        viewer.now_us += random.next() % 100_000;
        match random.below(2000) {
            0 => viewer.stream.broken(BreakReason::Resync),
            1 => viewer.stream.disconnect(viewer.chunks, viewer.now_us),
            2 | 3 => viewer.stream.connect(Codec::H264, PAYLOAD_TYPE, &[&SPS_1080, &PPS, &[]]),
            _ => {}
        }
        let ring = viewer.stream.ring();
        assert!(ring.chunks_held() <= RING_CHUNKS_MAX);
        assert_eq!(viewer.chunks.in_use(), ring.chunks_held());
        assert_eq!(viewer.chunks.free() + viewer.chunks.in_use(), CHUNKS_MAX);
        if let Some(idr) = ring.start().map(|start| start.index) {
            assert_eq!(ring.packet(viewer.chunks, idr).unwrap().payload[0] & 0x1F, 24);
        }
    }
    assert!(published > 20_000, "{published}");
    assert!(viewer.stream.ready());
}
