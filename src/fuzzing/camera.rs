//! Targets for a camera's RTP packets and SPS, of H.264 and of H.265.

use std::sync::{Mutex, PoisonError};

use super::Tape;
use crate::codec::Codec;
use crate::history::Chunks;
use crate::limits::{CHUNKS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, RING_CHUNKS_MAX};
use crate::mem::arena::Arena;
use crate::rtp::hevc_sps::{self, HevcSps};
use crate::rtp::nal::{NalHeader, NalRole};
use crate::rtp::payload::Payload;
use crate::rtp::sps::{self, Sps};
use crate::rtp::testing::{Camera, HEVC_SETS, PAYLOAD_TYPE, PPS, SPS_1080, Viewer};
use crate::rtp::{h264, h265};
use crate::status::BreakReason;

/// Packets per input, at most.
const PACKETS_MAX: usize = 512;
/// Bytes of all NAL units per input, at most: less than a history ring holds.
const NAL_BYTES_MAX: usize = 32 * 1024;

static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
/// The arena's chunks, between two inputs.
static AT_REST: Mutex<Option<&'static mut Chunks>> = Mutex::new(None);

/// Runs `act` on a viewer with a stream of its own and every chunk free.
fn with_viewer(codec: Codec, payload_bytes: usize, act: impl FnOnce(&mut Viewer)) {
    let mut at_rest = AT_REST.lock().unwrap_or_else(PoisonError::into_inner);
    let chunks = at_rest.take().or_else(|| CHUNKS.take()).expect("given back after each input");
    chunks.free_all();
    let mut viewer = Viewer::of(codec, chunks, payload_bytes);
    act(&mut viewer);
    *at_rest = Some(viewer.chunks);
}

fn payload_bytes(tape: &mut Tape<'_>) -> usize {
    PAYLOAD_BYTES_MIN + usize::from(tape.number()) % (PAYLOAD_BYTES_MAX - PAYLOAD_BYTES_MIN + 1)
}

/// Arbitrary packets. What is published has no gap in its indexes, no packet over the payload size,
/// and fragments only as in RFC 6184 or 7798; an IDR begins with parameter sets, and there is no
/// RASL picture. The ring stays within its bounds, and returns its chunks when the camera is gone.
pub fn rtp_cut(data: &[u8]) {
    cut(Codec::H264, data);
}

/// The same of H.265.
pub fn hevc_cut(data: &[u8]) {
    cut(Codec::H265, data);
}

fn cut(codec: Codec, data: &[u8]) {
    let mut tape = Tape::new(data);
    with_viewer(codec, payload_bytes(&mut tape), |viewer| {
        let mut camera = Camera::of(codec);
        for _ in 0..PACKETS_MAX {
            if tape.is_over() {
                break;
            }
            act(codec, &mut tape, viewer, &mut camera);
            check_ring(viewer);
        }
        // After a read that is larger than the ring, a viewer sees only the end of it.
        let is_all = viewer.out.len() as u64 == viewer.stream.ring().head();
        if is_all {
            viewer.nals(); // which asserts what a browser needs of the pieces
        }
        let mut roles = viewer.out.iter().map(|out| role(codec, &out.payload));
        let is_first = !roles.any(NalRole::is_slice) || viewer.out[0].idr_begins;
        assert!(is_first || !is_all, "a slice before the first idr");
        for out in &viewer.out {
            let role = role(codec, &out.payload);
            assert!(role != NalRole::SkippedSlice, "not every viewer decodes it");
            let is_set = matches!(role, NalRole::ParameterSet(_));
            assert!(is_set || !out.idr_begins, "an idr begins with its sets");
        }
        viewer.stream.renew(viewer.chunks);
        assert_eq!(viewer.chunks.in_use(), 0, "all chunks go back");
    });
}

/// The role of the NAL unit that a payload is, is a part of, or begins with.
fn role(codec: Codec, payload: &[u8]) -> NalRole {
    let read = match codec {
        Codec::H264 => h264::read(payload),
        Codec::H265 => h265::read(payload),
    };
    let role =
        |nal| NalHeader::read(codec, nal).map_or(NalRole::Other, |(header, _)| header.role());
    match read {
        Payload::Single(nal) => role(nal),
        Payload::Aggregate(nals) => role(&nals[2..]),
        Payload::Fragment(fragment) => fragment.header.role(),
        other => panic!("{other:?} was cut"),
    }
}

/// Runs one instruction: a packet with a header as cameras write it, a raw packet, or an event.
fn act(codec: Codec, tape: &mut Tape<'_>, viewer: &mut Viewer, camera: &mut Camera) {
    const RAW: u8 = 0x80;
    match tape.byte() {
        0x7f => viewer.stream.broken(BreakReason::Resync),
        0x7e => {
            let (sps, pps) = (tape.record(), tape.record());
            viewer.stream.connect(codec, PAYLOAD_TYPE, &[sps, pps]);
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
    let sets = &[&SPS_1080[..], &PPS];
    let pictures = Pictures {
        sets,
        delimiter: &[0x09, 0xf0],
        key: NalHeader::H264(0x65),
        other: NalHeader::H264(0x41),
    };
    whole(Codec::H264, &pictures, data);
}

/// The same of H.265.
pub fn hevc_whole(data: &[u8]) {
    let pictures = Pictures {
        sets: &HEVC_SETS,
        delimiter: &[0x46, 1, 0x50],
        key: NalHeader::H265([0x26, 1]),
        other: NalHeader::H265([0x02, 1]),
    };
    whole(Codec::H265, &pictures, data);
}

/// What a camera of one codec sends.
struct Pictures<'p> {
    sets: &'p [&'p [u8]],
    delimiter: &'p [u8],
    key: NalHeader,
    other: NalHeader,
}

fn whole(codec: Codec, pictures: &Pictures<'_>, data: &[u8]) {
    let mut tape = Tape::new(data);
    with_viewer(codec, payload_bytes(&mut tape), |viewer| {
        let mut camera = Camera::of(codec);
        let (mut sent, mut bytes) = (Vec::new(), 0);
        let markers = tape.byte();
        camera.stap(pictures.sets, false);
        for frame in 0..PACKETS_MAX {
            if tape.is_over() || bytes > NAL_BYTES_MAX {
                break;
            }
            let op = tape.byte();
            let is_key = frame == 0 || op & 7 == 7;
            let header = if is_key { pictures.key } else { pictures.other };
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
            pack(&mut tape, &mut camera, pictures, &slices, marker);
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
        camera.packet(&[pictures.other.bytes(), &[0x80, 1]].concat(), true);
        viewer.feed(&camera.packets);
        let slices = viewer.slices();
        assert!(slices.starts_with(&sent), "{} sent, {} came", sent.len(), slices.len());
        check_ring(viewer);
    });
}

/// A slice of any length and content that an encoder could write: without start codes, and not
/// ending in a zero.
fn slice(tape: &mut Tape<'_>, header: NalHeader, begins_picture: bool) -> Vec<u8> {
    let at = header.bytes().len();
    let len = at + 1 + usize::from(tape.number()) % 8192;
    let period = 1 + usize::from(tape.byte() % 16);
    let pattern = tape.bytes(period);
    let mut nal = header.bytes().to_vec();
    let mut zeros = 0;
    for &byte in pattern.iter().chain(&[0]).cycle().take(len - at) {
        let byte = if zeros >= 2 && byte <= 3 { 0x13 } else { byte };
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal[at] = nal[at] & 0x7f | if begins_picture { 0x80 } else { 0x01 };
    nal[len - 1] |= 1;
    nal
}

/// Packetizes slices as the tape says: as single NAL units, fragments or aggregates.
fn pack(
    tape: &mut Tape<'_>,
    camera: &mut Camera,
    pictures: &Pictures<'_>,
    slices: &[Vec<u8>],
    marker: impl Fn(usize) -> bool,
) {
    let op = tape.byte();
    if op & 1 == 1 {
        camera.packet(pictures.delimiter, false);
    }
    if op & 2 == 2 {
        camera.stap(pictures.sets, false);
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

/// The same of H.265.
pub fn hevc_sps(data: &[u8]) {
    let whole = hevc_sps::parse(data);
    if let Some(HevcSps { id, profile, width, height }) = whole {
        assert_eq!(hevc_sps::id(data), Some(id));
        assert_eq!(hevc_sps::profile(data), Some(profile));
        assert!(id <= 15 && profile.profile_id <= 31);
        assert!((1..=32_768).contains(&width) && (1..=32_768).contains(&height));
    }
    for len in 0..data.len().min(256) {
        let part = hevc_sps::parse(&data[..len]);
        assert!(part.is_none() || part == whole, "{len}: {part:?}, then {whole:?}");
    }
}
