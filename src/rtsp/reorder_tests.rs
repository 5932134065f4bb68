//! Packets in and out of order, with a clock that the test sets.

use super::super::testing::{reorder_pool, rtp};
use super::*;
use crate::limits::{CAMERA_DATAGRAM_BYTES, PROFILE};

const MS: u64 = 1000;
const OTHER: u32 = 0x0bad_cafe;

struct Line {
    reorder: Reorder,
    pool: Box<ReorderPool>,
    now_us: u64,
    out: Vec<u16>,
}

impl Line {
    fn new() -> Self {
        Self::of_window(ReorderWindow::PICTURE)
    }

    fn of_window(window: ReorderWindow) -> Self {
        Self { reorder: Reorder::new(window), pool: reorder_pool(), now_us: 7, out: Vec::new() }
    }

    fn packet(&mut self, packet: &[u8]) -> bool {
        let Self { reorder, pool, now_us, out } = self;
        reorder.packet(packet, pool, *now_us, &mut |packet: &[u8]| out.push(sequence(packet)))
    }

    fn send(&mut self, numbers: &[u16]) -> &mut Self {
        for number in numbers {
            self.packet(&rtp(*number, 0, &[0x41; 20]));
        }
        self
    }

    fn of(&mut self, ssrc: u32, numbers: &[u16]) -> &mut Self {
        for number in numbers {
            let mut packet = rtp(*number, 0, &[0x41; 20]);
            packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
            self.packet(&packet);
        }
        self
    }

    fn wait(&mut self, us: u64) -> &mut Self {
        self.now_us += us;
        let Self { reorder, pool, now_us, out } = self;
        if reorder.deadline_us() <= *now_us {
            reorder.expire(pool, *now_us, &mut |packet: &[u8]| out.push(sequence(packet)));
        }
        self
    }

    fn taken(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.out)
    }

    fn counted(&self) -> [u64; 5] {
        let ReorderCounters { lost, reordered, late, duplicates, foreign } = self.reorder.counters;
        [lost, reordered, late, duplicates, foreign]
    }
}

fn sequence(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

#[test]
fn packets_in_order_are_handed_on_where_they_lie() {
    let mut reorder = Reorder::new(ReorderWindow::PICTURE);
    let mut pool = reorder_pool();
    for number in [65_534, 65_535, 0, 1] {
        let packet = rtp(number, 0, &[1; 3000]);
        let mut at = None;
        let mut deliver = |delivered: &[u8]| at = Some(delivered.as_ptr());
        assert!(reorder.packet(&packet, &mut pool, 0, &mut deliver));
        assert_eq!(at, Some(packet.as_ptr()), "without a copy");
    }
    assert_eq!(pool.counts().most, 0);
    assert_eq!(reorder.deadline_us(), u64::MAX);
}

#[test]
fn what_comes_in_time_leaves_in_order() {
    let mut line = Line::new();
    line.send(&[65_533, 65_535, 0, 2]);
    assert_eq!(line.taken(), [65_533]);
    assert_eq!(line.send(&[65_534]).taken(), [65_534, 65_535, 0]);
    assert_eq!(line.wait(99 * MS).send(&[1]).taken(), [1, 2]);
    assert_eq!(line.counted(), [0, 2, 0, 0, 0]);
    assert_eq!(line.pool.counts().used, 0);
}

#[test]
fn a_missing_packet_is_waited_for_a_tenth_of_a_second() {
    let mut line = Line::new();
    line.send(&[1, 3]).wait(30 * MS).send(&[5, 4]);
    assert_eq!(line.reorder.deadline_us(), 7 + REORDER_US_MAX);
    assert_eq!(line.taken(), [1]);
    assert!(line.wait(70 * MS - 1).taken().is_empty());
    assert_eq!(line.wait(1).taken(), [3, 4, 5]);
    assert_eq!(line.send(&[2, 6]).taken(), [6]);
    assert_eq!(line.counted(), [1, 0, 1, 0, 0]);
}

#[test]
fn each_gap_has_its_own_time() {
    let mut line = Line::new();
    line.send(&[1, 3]).wait(60 * MS).send(&[5]).wait(40 * MS);
    assert_eq!(line.taken(), [1, 3], "4 is waited for on");
    assert!(line.wait(60 * MS - 1).taken().is_empty());
    assert_eq!(line.wait(1).taken(), [5]);
    let mut line = Line::new();
    line.send(&[1, 3]).wait(60 * MS).send(&[5, 2]);
    assert_eq!(line.taken(), [1, 2, 3]);
    assert!(line.wait(100 * MS - 1).taken().is_empty());
    assert_eq!(line.wait(1).taken(), [5]);
}

#[test]
fn what_came_already_comes_no_second_time() {
    let mut line = Line::new();
    line.send(&[1, 2, 2, 1, 4, 4, 3, 3, 4]);
    assert_eq!(line.taken(), [1, 2, 3, 4]);
    assert_eq!(line.counted(), [0, 1, 0, 5, 0]);
}

#[test]
fn no_more_packets_wait_than_the_window_or_the_pool_has() {
    let share = u16::try_from(PROFILE.reorder_packets / 2).expect("few");
    let most = share.min(PLACES - 1);
    let mut line = Line::new();
    line.send(&[0]).send(&(2..2 + most).collect::<Vec<_>>());
    assert_eq!(line.taken(), [0]);
    line.send(&[2 + most]);
    assert_eq!(line.taken(), (2..=2 + most).collect::<Vec<_>>(), "1 is given up");
    assert_eq!(line.counted(), [1, 0, 0, 0, 0]);
    assert_eq!(line.pool.counts().used, 0);
    // A jump within the sequence: the numbers below the window are given up at once.
    let mut line = Line::new();
    line.send(&[0, 2, 200]);
    assert_eq!(line.taken(), [0, 2]);
    assert_eq!(line.counted()[0], 1 + 200 - 3 - u64::from(PLACES - 1));
    assert_eq!(line.wait(100 * MS).taken(), [200]);
    assert_eq!(line.counted()[0], 198);
}

#[test]
fn sound_waits_for_less_than_the_picture() {
    let mut line = Line::of_window(ReorderWindow::SOUND);
    line.send(&[1, 3]);
    assert_eq!(line.reorder.deadline_us(), 7 + REORDER_SOUND_US_MAX);
    assert_eq!(line.wait(REORDER_SOUND_US_MAX).taken(), [1, 3]);
    assert_eq!(line.counted(), [1, 0, 0, 0, 0]);
    let most = u16::try_from(REORDER_SOUND_PACKETS_MAX).expect("few");
    // One at a time, for the smallest pool's sake: the first is given up for the last.
    let mut line = Line::of_window(ReorderWindow::SOUND);
    line.send(&[0, 2, 1 + most]);
    assert_eq!(line.taken(), [0, 2]);
    assert_eq!(line.counted(), [1, 0, 0, 0, 0]);
    let mut line = Line::of_window(ReorderWindow::SOUND);
    line.send(&[0, 2, most]);
    assert_eq!(line.taken(), [0], "both may still wait");
    line.reorder.clear(&mut line.pool);
    assert_eq!(line.pool.counts().used, 0);
}

#[test]
fn a_packet_larger_than_a_slot_does_not_wait() {
    let mut line = Line::new();
    line.send(&[0, 2]);
    line.packet(&rtp(4, 0, &[1; CAMERA_DATAGRAM_BYTES]));
    assert_eq!(line.taken(), [0, 2, 4]);
    assert_eq!(line.send(&[5]).taken(), [5]);
    assert_eq!(line.counted(), [2, 0, 0, 0, 0]);
}

#[test]
fn a_change_of_source_is_believed_at_its_second_packet_and_loses_nothing() {
    let mut line = Line::new();
    line.send(&[10, 11]).of(OTHER, &[500]);
    assert_eq!(line.taken(), [10, 11]);
    assert_eq!(line.of(OTHER, &[501, 502]).taken(), [500, 501, 502]);
    // The numbers alone may begin again too.
    assert_eq!(line.of(OTHER, &[20_000, 20_001]).taken(), [20_000, 20_001]);
    assert_eq!(line.counted(), [0; 5]);
    assert_eq!(line.pool.counts().used, 0);
}

#[test]
fn single_packets_of_another_source_change_nothing() {
    let mut line = Line::new();
    for number in 0..100 {
        line.send(&[number]).of(OTHER, &[number * 7]).of(OTHER + 1, &[number]);
    }
    assert_eq!(line.taken(), (0..100).collect::<Vec<_>>());
    assert_eq!(line.counted(), [0, 0, 0, 0, 199]);
    assert!(line.pool.counts().used <= 1);
}

#[test]
fn a_forger_changes_the_source_a_few_times_and_then_no_more() {
    let mut line = Line::new();
    let (mut delivered, mut camera) = (Vec::new(), 0_u16);
    for round in 0..100_u32 {
        line.send(&[camera, camera + 1, camera + 2]);
        camera += 3;
        line.of(OTHER + round, &[9000, 9001]);
        delivered.push(line.wait(MS).taken());
    }
    let disturbed = delivered.iter().filter(|out| out.contains(&9000)).count();
    assert_eq!(disturbed, usize::from(RETURNS_MAX));
    assert!(delivered[10..].iter().all(|out| out.len() == 3));
    // A camera that is silent may come back as another source.
    line.wait(RETURN_US).of(OTHER, &[1, 2]);
    assert_eq!(line.taken(), [1, 2]);
}

#[test]
fn the_end_gives_every_slot_back() {
    let mut line = Line::new();
    line.send(&[0, 2, 4]).of(OTHER, &[9]);
    assert!(line.pool.counts().used >= 2);
    line.reorder.clear(&mut line.pool);
    assert_eq!(line.pool.counts().used, 0);
    assert_eq!(line.reorder.deadline_us(), u64::MAX);
}

#[test]
fn whatever_comes_order_holds_and_every_packet_is_counted() {
    let mut random = crate::rtp::testing::Random(5);
    for _ in 0..200 {
        let mut line = Line::new();
        let mut on_the_way = Vec::new();
        let (mut sent, mut dropped) = (0_u16, 0_u64);
        while sent < 300 || !on_the_way.is_empty() {
            if sent < 300 {
                sent += 1;
                match random.below(20) {
                    0 if sent > 1 && sent < 300 => dropped += 1,
                    1 => on_the_way.extend([(random.below(6), sent), (random.below(6), sent)]),
                    2 => on_the_way.push((random.below(9), sent)),
                    _ => on_the_way.push((0, sent)),
                }
            }
            let due: Vec<u16> = on_the_way
                .iter()
                .filter(|(left, _)| *left == 0)
                .map(|(_, number)| *number)
                .collect();
            on_the_way.retain(|(left, _)| *left > 0);
            on_the_way.iter_mut().for_each(|(left, _)| *left -= 1);
            line.send(&due).wait(4 * MS);
        }
        line.wait(REORDER_US_MAX);
        let out = line.taken();
        assert!(out.windows(2).all(|pair| pair[0] < pair[1]), "{out:?}");
        let [lost, _, late, _, foreign] = line.counted();
        assert_eq!(out.len() as u64 + lost, u64::from(out[out.len() - 1] - out[0]) + 1);
        assert!(lost >= dropped.saturating_sub(1) && lost <= dropped + late, "{lost} {dropped}");
        assert_eq!((foreign, line.pool.counts().used), (0, 0));
    }
}
