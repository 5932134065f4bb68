//! Reception of media, with packets by hand.

use super::*;

const TICKS: u32 = 3_600; // 25 frames per second
const FRAME_US: u64 = 40_000;
const PACKETS: u64 = 4;

/// A stream of frames of four packets; the first of every tenth is a key frame's.
struct Stream(MediaReception);

impl Stream {
    fn new() -> Self {
        Self(MediaReception::new(Codec::H264, 0, None))
    }

    fn packet(&mut self, number: u64) {
        self.packet_at(number, number / PACKETS * FRAME_US);
    }

    fn packet_at(&mut self, number: u64, now_us: u64) {
        let (frame, part) = (number / PACKETS, number % PACKETS);
        let sequence = u16::try_from(number & 0xffff).unwrap();
        let full = self.0.number(sequence);
        assert_eq!(full, number, "the number is found again");
        let header = Header {
            marker: part == PACKETS - 1,
            payload_type: 96,
            sequence,
            timestamp: u32::try_from(frame).unwrap().wrapping_mul(TICKS),
            ssrc: 7,
        };
        // A STAP-A with an SPS first, or a slice.
        let is_key = frame.is_multiple_of(10) && part == 0;
        let payload: &[u8] = if is_key { &[24, 0, 2, 0x67, 0x42] } else { &[0x41, 0x9A] };
        self.0.packet(&header, full, payload, 1_000 + now_us);
    }

    fn counts(mut self) -> ReceptionCounts {
        self.0.finish();
        self.0.counts
    }
}

#[test]
fn whole_frames_are_counted_over_the_wrap_of_sequence_numbers() {
    let mut stream = Stream::new();
    let begin = 65_536 - 400;
    for number in begin..begin + 1_200 {
        stream.packet(number);
    }
    let counts = stream.counts();
    assert_eq!((counts.packets, counts.expected, counts.lost()), (1_200, 1_200, 0));
    assert_eq!((counts.whole_units, counts.broken_units, counts.late), (300, 0, 0));
    assert!(counts.jitter_ms < 0.001, "{}", counts.jitter_ms);
    // 299 intervals of 40 ms, less a second.
    assert_eq!((counts.settled_ms, counts.settled_units), (10_960, 275));
    assert!(counts.picture_ms.is_some());
}

#[test]
fn a_lost_packet_breaks_its_frame_and_a_lost_marker_two() {
    let mut stream = Stream::new();
    for number in (0..400).filter(|number| ![41, 83].contains(number)) {
        stream.packet(number);
    }
    let counts = stream.counts();
    assert_eq!((counts.lost(), counts.expected), (2, 400));
    // What ends with no marker is taken for a part of the next.
    assert_eq!((counts.whole_units, counts.broken_units), (97, 2));
}

#[test]
fn packets_in_another_order_and_twice_break_nothing() {
    let mut stream = Stream::new();
    for group in (0..400).step_by(8) {
        for number in [1, 0, 2, 3, 5, 4, 7, 6] {
            stream.packet(group + number);
        }
    }
    for number in [390, 391] {
        stream.packet(number);
    }
    let counts = stream.counts();
    // The very first of them came before any was expected.
    assert_eq!((counts.packets, counts.expected), (399, 399));
    assert_eq!((counts.lost(), counts.broken_units, counts.late), (0, 0, 152));
}

#[test]
fn jitter_is_what_frames_come_early_and_late_by() {
    let mut stream = Stream::new();
    for number in 0..4_000 {
        let frame = number / PACKETS;
        // Every other frame 10 ms late: each step is off by 10 ms.
        let late_us = if frame.is_multiple_of(2) { 0 } else { 10_000 };
        stream.packet_at(number, frame * FRAME_US + late_us);
    }
    let jitter_ms = stream.counts().jitter_ms;
    assert!((9.9..10.1).contains(&jitter_ms), "{jitter_ms}");
}

#[test]
fn a_report_tells_of_the_loss_since_the_one_before() {
    let mut stream = Stream::new();
    assert_eq!(stream.0.report(), None);
    for number in (0..100).filter(|number| number % 4 != 1) {
        stream.packet(number);
    }
    let first = stream.0.report().expect("packets came");
    assert_eq!((first.fraction_lost, first.lost, first.highest), (64, 25, 99));
    for number in 100..200 {
        stream.packet(number);
    }
    let second = stream.0.report().expect("packets came");
    assert_eq!((second.fraction_lost, second.lost, second.highest), (0, 25, 199));
}

#[test]
fn a_jump_of_numbers_is_a_loss_and_ends_no_process() {
    let mut stream = Stream::new();
    for number in (0..8).chain(30_000..30_008) {
        stream.packet(number);
    }
    let counts = stream.counts();
    assert_eq!((counts.packets, counts.expected), (16, 30_008));
    assert!(counts.broken_units > 0);
}

#[test]
fn key_frames_begin_with_parameter_sets_or_a_key_slice() {
    for (codec, payload, expected) in [
        (Codec::H264, &[0x65, 0x88][..], true),
        (Codec::H264, &[0x67, 0x42], true),
        (Codec::H264, &[0x41, 0x9A], false),
        (Codec::H264, &[24, 0, 2, 0x67, 0x42], true),
        (Codec::H264, &[24, 0, 2, 0x41, 0x9A], false),
        (Codec::H264, &[0x7C, 0x85, 0], true),
        (Codec::H264, &[0x7C, 0x05, 0], false),
        (Codec::H264, &[0x7C, 0x81, 0], false),
        (Codec::H265, &[0x26, 1, 0], true),
        (Codec::H265, &[2, 1, 0], false),
        (Codec::H265, &[0x60, 1, 0, 2, 0x40, 1], true),
        (Codec::H265, &[0x62, 1, 0x93, 0], true),
        (Codec::H265, &[0x62, 1, 0x13, 0], false),
        (Codec::H264, &[], false),
        (Codec::H265, &[0x62], false),
    ] {
        assert_eq!(is_key(codec, payload), expected, "{codec} {payload:?}");
    }
}
