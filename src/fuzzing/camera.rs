//! Targets for a camera's RTP packets and SPS.

use std::sync::{Mutex, PoisonError};

use super::Tape;
use crate::history::Chunks;
use crate::limits::{CHUNKS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, RING_CHUNKS_MAX};
use crate::mem::arena::Arena;
use crate::rtp::nal;
use crate::rtp::sps::{self, Sps};
use crate::rtp::testing::{Camera, PAYLOAD_TYPE, PPS, SPS_1080, Viewer};
use crate::status::BreakReason;

/// Packets per input, at most.
const PACKETS_MAX: usize = 512;
/// Bytes of all NAL units per input, at most: less than a history ring holds.
const NAL_BYTES_MAX: usize = 32 * 1024;

static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
/// The arena's chunks, between two inputs.
static AT_REST: Mutex<Option<&'static mut Chunks>> = Mutex::new(None);

/// Runs `act` on a viewer with a stream of its own and every chunk free.
fn with_viewer(payload_bytes: usize, act: impl FnOnce(&mut Viewer)) {
    let mut at_rest = AT_REST.lock().unwrap_or_else(PoisonError::into_inner);
    let chunks = at_rest.take().or_else(|| CHUNKS.take()).expect("given back after each input");
    chunks.free_all();
    let mut viewer = Viewer::new(chunks, payload_bytes);
    act(&mut viewer);
    *at_rest = Some(viewer.chunks);
}

fn payload_bytes(tape: &mut Tape<'_>) -> usize {
    PAYLOAD_BYTES_MIN + usize::from(tape.number()) % (PAYLOAD_BYTES_MAX - PAYLOAD_BYTES_MIN + 1)
}

/// Arbitrary packets. What is published has no gap in its indexes, no packet over the payload size,
/// and fragments only as in RFC 6184; an IDR begins with parameter sets. The ring stays within its
/// bounds, and returns its chunks when the camera is gone.
pub fn rtp_cut(data: &[u8]) {
    let mut tape = Tape::new(data);
    with_viewer(payload_bytes(&mut tape), |viewer| {
        let mut camera = Camera::new();
        for _ in 0..PACKETS_MAX {
            if tape.is_over() {
                break;
            }
            act(&mut tape, viewer, &mut camera);
            check_ring(viewer);
        }
        // After a read that is larger than the ring, a viewer sees only the end of it.
        let is_all = viewer.out.len() as u64 == viewer.stream.ring().head();
        if is_all {
            viewer.nals(); // which asserts what a browser needs of the pieces
        }
        let begins = viewer.out.iter().find(|out| nal::is_vcl(nal_kind(&out.payload)));
        let is_first = begins.is_none() || viewer.out[0].idr_begins;
        assert!(is_first || !is_all, "a slice before the first idr");
        for out in viewer.out.iter().filter(|out| out.idr_begins) {
            assert_eq!(nal::kind(out.payload[0]), nal::STAP_A, "an idr begins with its sets");
        }
        viewer.stream.renew(viewer.chunks);
        assert_eq!(viewer.chunks.in_use(), 0, "all chunks go back");
    });
}

/// The type of the NAL unit that a payload is or is a part of.
fn nal_kind(payload: &[u8]) -> u8 {
    match nal::kind(payload[0]) {
        nal::FU_A => nal::kind(payload[1]),
        kind => kind,
    }
}

/// Runs one instruction: a packet with a header as cameras write it, a raw packet, or an event.
fn act(tape: &mut Tape<'_>, viewer: &mut Viewer, camera: &mut Camera) {
    const RAW: u8 = 0x80;
    match tape.byte() {
        0x7f => viewer.stream.broken(BreakReason::Resync),
        0x7e => {
            let (sps, pps) = (tape.record(), tape.record());
            viewer.stream.connect(PAYLOAD_TYPE, Some(sps), &[pps]);
        }
        0x7d => viewer.now_us += 1_000 * u64::from(tape.number()),
        0x7c => viewer.stream.disconnect(viewer.chunks, viewer.now_us),
        0x7b => viewer.stream.hold_unserved(),
        0x7a => viewer.stream.served(None),
        RAW.. => viewer.feed(&[tape.record().to_vec()]),
        op => {
            camera.sequence = match op >> 1 & 3 {
                0 | 1 => camera.sequence,
                2 => camera.sequence.wrapping_add(1),
                _ => camera.sequence.wrapping_sub(1),
            };
            camera.timestamp = camera.timestamp.wrapping_add(match op >> 3 & 7 {
                0..=2 => 0,
                3 | 4 => 3600,
                5 => u32::from(tape.number()),
                6 => u32::from(tape.number()).wrapping_neg(),
                _ => u32::from(tape.number()) << 16,
            });
            camera.packet(tape.record(), op & 1 == 1);
            viewer.feed(&std::mem::take(&mut camera.packets));
        }
    }
}

fn check_ring(viewer: &Viewer) {
    let (ring, chunks) = (viewer.stream.ring(), &*viewer.chunks);
    assert!(ring.tail() <= ring.head());
    assert!(ring.chunks_held() <= RING_CHUNKS_MAX && chunks.in_use() <= CHUNKS_MAX);
    assert_eq!(chunks.in_use(), ring.chunks_held());
    assert!(
        ring.start()
            .map(|start| start.index)
            .is_none_or(|idr| (ring.tail()..ring.head()).contains(&idr))
    );
    let mut expected = ring.tail();
    for packet in ring.packets_from(chunks, expected) {
        assert_eq!(packet.index, expected, "no gap");
        assert!((2..=viewer.payload_bytes).contains(&packet.payload.len()));
        expected += 1;
    }
    assert_eq!(expected, ring.head());
}

/// A correct camera, whatever it sends and however it packetizes: every slice comes out to the byte
/// and in order.
pub fn rtp_whole(data: &[u8]) {
    let mut tape = Tape::new(data);
    with_viewer(payload_bytes(&mut tape), |viewer| {
        let mut camera = Camera::new();
        let (mut sent, mut bytes) = (Vec::new(), 0);
        let markers = tape.byte();
        camera.stap(&[&SPS_1080, &PPS], false);
        for frame in 0..PACKETS_MAX {
            if tape.is_over() || bytes > NAL_BYTES_MAX {
                break;
            }
            let op = tape.byte();
            let header = if frame == 0 || op & 7 == 7 { 0x65 } else { 0x41 };
            let slices: Vec<Vec<u8>> =
                (0..=op >> 3 & 3).map(|n| slice(&mut tape, header, n == 0)).collect();
            bytes += slices.iter().map(Vec::len).sum::<usize>();
            // A camera with correct markers, one without markers, and one with a marker on every
            // packet.
            let marker = |n| match markers & 3 {
                0 | 1 => n + 1 == slices.len(),
                2 => false,
                _ => true,
            };
            pack(&mut tape, &mut camera, &slices, marker);
            if op & 0x20 == 0 {
                camera.next_frame();
            }
            sent.extend(slices);
            // As the media thread does: no packet is overwritten before it is served.
            viewer.stream.hold_unserved();
            viewer.feed(&std::mem::take(&mut camera.packets));
            viewer.stream.served(None);
        }
        // A packet that is held back leaves with the next access unit.
        camera.next_frame();
        camera.packet(&[0x41, 0x80, 1], true);
        viewer.feed(&camera.packets);
        let slices = viewer.slices();
        assert!(slices.starts_with(&sent), "{} sent, {} came", sent.len(), slices.len());
        check_ring(viewer);
    });
}

/// A slice of any length and content that an encoder could write: without start codes, and not
/// ending in a zero.
fn slice(tape: &mut Tape<'_>, header: u8, begins_picture: bool) -> Vec<u8> {
    let len = 2 + usize::from(tape.number()) % 8192;
    let period = 1 + usize::from(tape.byte() % 16);
    let pattern = tape.bytes(period);
    let mut nal = vec![header];
    let mut zeros = 0;
    for &byte in pattern.iter().chain(&[0]).cycle().take(len - 1) {
        let byte = if zeros >= 2 && byte <= 3 { 0x13 } else { byte };
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal[1] = nal[1] & 0x7f | if begins_picture { 0x80 } else { 0x01 };
    nal[len - 1] |= 1;
    nal
}

/// Packetizes slices as the tape says: as single NAL units, fragments or aggregates.
fn pack(
    tape: &mut Tape<'_>,
    camera: &mut Camera,
    slices: &[Vec<u8>],
    marker: impl Fn(usize) -> bool,
) {
    let op = tape.byte();
    if op & 1 == 1 {
        camera.packet(&[0x09, 0xf0], false);
    }
    if op & 2 == 2 {
        camera.stap(&[&SPS_1080, &PPS], false);
    }
    if op & 0xc == 0xc {
        let nals: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
        return camera.stap(&nals, marker(slices.len() - 1));
    }
    for (n, nal) in slices.iter().enumerate() {
        match tape.byte() {
            0..=0x3f => camera.packet(nal, marker(n)),
            part => camera.fragments(nal, 16 * usize::from(part), marker(n)),
        }
    }
}

/// An SPS: its values are within the parser's bounds, the parser's functions agree, and bytes after
/// a readable SPS change nothing.
pub fn sps(data: &[u8]) {
    let whole = sps::parse(data);
    if let Some(Sps { id, profile_level_id, width, height }) = whole {
        assert_eq!(sps::id(data), Some(id));
        assert_eq!(sps::profile_level_id(data), Some(profile_level_id));
        assert!(id <= 31 && profile_level_id < 1 << 24);
        assert!((1..=16 * 2049).contains(&width) && (1..=32 * 2049).contains(&height));
    }
    for len in 0..data.len().min(256) {
        let part = sps::parse(&data[..len]);
        assert!(part.is_none() || part == whole, "{len}: {part:?}, then {whole:?}");
    }
}
