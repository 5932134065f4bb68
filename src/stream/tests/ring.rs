//! The ring against a simple model: what was published, in order, for ever.

use std::collections::VecDeque;

use crate::limits::{CAMERAS_MAX, CHUNKS_MAX, IDR_HOLD_US, PROFILE, RING_CHUNKS_MAX};
use crate::mem::arena::Arena;
use crate::rtp::testing::Random;
use crate::stream::{Chunks, Flags, Ring};

/// What a packet must read as.
#[derive(Debug, Clone, Copy)]
struct Published {
    index: u64,
    bytes: usize,
    fill: u8,
    timestamp: u32,
    flags: Flags,
}

/// A ring, what was published to it, and its newest IDR as the rules have it.
#[derive(Debug)]
struct Modelled {
    ring: Ring,
    published: VecDeque<Published>,
    idr: Option<(u64, u64)>,
}

impl Modelled {
    fn new() -> Self {
        Self { ring: Ring::new(), published: VecDeque::new(), idr: None }
    }

    /// Writes a packet in two parts, as pieces are filled, and publishes it.
    fn publish(&mut self, chunks: &mut Chunks, random: &mut Random, now_us: u64) -> u64 {
        let overwritten = self.ring.idrs_overwritten();
        let bytes = 2 + random.below(if self.idr.is_some() { 1399 } else { 200 });
        let skipped = random.below(2);
        let fill = random.next().to_le_bytes()[5];
        let timestamp = u32::try_from(random.next() >> 32).unwrap();
        let flags = if random.one_in(9) { Flags::MARKER } else { Flags::NONE };
        let half = skipped + bytes / 2;
        self.ring.reserve(chunks, 1401, now_us)[skipped..half].fill(fill);
        let shared_in_use = chunks.shared_in_use();
        self.ring.reserve(chunks, 1401, now_us)[half..skipped + bytes].fill(fill);
        let index = self.ring.publish(chunks, skipped..skipped + bytes, timestamp, flags);
        self.published.push_back(Published { index, bytes, fill, timestamp, flags });
        if let Some((idr, began_us)) = self.idr
            && self.ring.newest_idr() != Some(idr)
        {
            // A whole IDR leaves the ring when its time is over, or for want of a shared chunk.
            let held = now_us - began_us <= IDR_HOLD_US;
            assert!(!held || self.ring.idrs_overwritten() == overwritten + 1);
            assert!(!held || shared_in_use == PROFILE.ring_shared_chunks);
            self.idr = None;
        }
        index
    }

    fn check(&mut self, chunks: &Chunks, random: &mut Random) {
        let (tail, head) = (self.ring.tail(), self.ring.head());
        while self.published.front().is_some_and(|published| published.index < tail) {
            self.published.pop_front();
        }
        assert_eq!(self.published.len() as u64, head - tail, "tail to head is all readable");
        assert_eq!(self.ring.newest_idr(), self.idr.map(|(index, _)| index));
        assert!(self.idr.is_none_or(|(index, _)| (tail..head).contains(&index)));
        assert!(self.ring.packet(chunks, head).is_none());
        assert!(tail == 0 || self.ring.packet(chunks, tail - 1).is_none());
        assert!(tail == 0 || self.ring.packets_from(chunks, tail - 1).next().is_none());
        if self.published.is_empty() {
            return;
        }
        let from = random.below(self.published.len());
        let few = self.ring.packets_from(chunks, tail + from as u64).take(40);
        let mut read = 0;
        for (packet, expected) in few.zip(self.published.range(from..)) {
            assert_eq!(packet.index, expected.index);
            assert_eq!(packet.timestamp, expected.timestamp);
            assert_eq!(packet.flags, expected.flags);
            assert_eq!(packet.payload.len(), expected.bytes);
            let edges = [packet.payload[0], packet.payload[expected.bytes - 1]];
            assert_eq!(edges, [expected.fill; 2]);
            read += 1;
        }
        assert_eq!(read, (self.published.len() - from).min(40));
        let expected = self.published[from];
        let packet = self.ring.packet(chunks, expected.index).expect("it is between the ends");
        assert_eq!(packet.payload, vec![expected.fill; expected.bytes]);
    }
}

fn assert_accounts(rings: &[Modelled], chunks: &Chunks) {
    let held = rings.iter().map(|modelled| modelled.ring.chunks_held());
    let beyond = held.clone().map(|held| held.saturating_sub(PROFILE.ring_floor_chunks));
    assert_eq!(chunks.in_use(), held.sum::<usize>());
    assert_eq!(chunks.shared_in_use(), beyond.sum::<usize>());
    assert!(chunks.shared_in_use() <= PROFILE.ring_shared_chunks);
    assert_eq!(chunks.free() + chunks.in_use(), CHUNKS_MAX);
}

#[test]
fn a_million_operations_of_many_streams() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut random = Random(81);
    let mut rings: Vec<Modelled> = (0..CAMERAS_MAX).map(|_| Modelled::new()).collect();
    let (mut now_us, mut exhausted) = (0, 0_u32);
    for operation in 0..1_200_000_u32 {
        now_us += random.next() % 150;
        // A few streams are busy; all of them get their turn in the last quarter.
        let streams = if operation < 900_000 { CAMERAS_MAX.min(5) } else { CAMERAS_MAX };
        let which = random.below(streams);
        let modelled = &mut rings[which];
        match random.below(1000) {
            0..5 => {
                let index = modelled.publish(chunks, &mut random, now_us);
                modelled.ring.idr_begins(index, now_us);
                modelled.idr = Some((index, now_us));
            }
            5 => {
                modelled.ring.idr_spoiled();
                modelled.idr = None;
            }
            6 => {
                let idr = modelled.ring.newest_idr();
                modelled.ring.give_back(chunks, now_us);
                if modelled.ring.newest_idr() != idr {
                    let began_us = modelled.idr.expect("an idr was there").1;
                    assert!(now_us - began_us > IDR_HOLD_US, "given back while it was held");
                    modelled.idr = None;
                }
            }
            7 if operation < 1_100_000 => {
                modelled.ring.forget(chunks);
                assert_eq!(modelled.ring.chunks_held(), 0);
                modelled.published.clear();
                modelled.idr = None;
            }
            8..30 => modelled.check(chunks, &mut random),
            _ => {
                modelled.publish(chunks, &mut random, now_us);
            }
        }
        exhausted += u32::from(chunks.shared_in_use() == PROFILE.ring_shared_chunks);
        if operation % 64 == 0 {
            assert_accounts(&rings, chunks);
        }
    }
    let overwritten: u64 = rings.iter().map(|modelled| modelled.ring.idrs_overwritten()).sum();
    assert!(exhausted > 0 && overwritten > 0, "the shared remainder was fought for");
    for modelled in &mut rings {
        modelled.check(chunks, &mut random);
        modelled.ring.give_back(chunks, now_us + IDR_HOLD_US + 1);
        assert_eq!(modelled.ring.chunks_held(), PROFILE.ring_floor_chunks);
    }
    assert_eq!(chunks.shared_in_use(), 0);
    assert_accounts(&rings, chunks);
}

#[test]
fn an_idr_takes_shared_chunks_and_gives_them_back_when_its_hold_is_over() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let publish = |ring: &mut Ring, chunks: &mut Chunks, now_us| {
        ring.reserve(chunks, 1200, now_us);
        ring.publish(chunks, 0..1200, 0, Flags::NONE)
    };
    let a_chunk = PROFILE.ring_chunk_bytes / 1200;
    for _ in 0..10 * a_chunk {
        publish(&mut ring, chunks, 0);
    }
    assert_eq!(ring.chunks_held(), PROFILE.ring_floor_chunks);
    let idr = publish(&mut ring, chunks, 0);
    ring.idr_begins(idr, 0);
    for _ in 0..RING_CHUNKS_MAX * a_chunk - 1 {
        publish(&mut ring, chunks, IDR_HOLD_US);
    }
    assert_eq!(ring.newest_idr(), Some(idr), "at the limit it is whole");
    assert_eq!(chunks.shared_in_use(), PROFILE.ring_shared_chunks);
    publish(&mut ring, chunks, IDR_HOLD_US);
    assert_eq!((ring.newest_idr(), ring.idrs_overwritten()), (None, 1), "and over it, gone");
    publish(&mut ring, chunks, IDR_HOLD_US);
    assert_eq!(chunks.shared_in_use(), 0);
    assert_eq!(ring.chunks_held(), PROFILE.ring_floor_chunks);
    let idr = publish(&mut ring, chunks, IDR_HOLD_US);
    ring.idr_begins(idr, IDR_HOLD_US);
    for _ in 0..(PROFILE.ring_floor_chunks + 1) * a_chunk {
        publish(&mut ring, chunks, IDR_HOLD_US);
    }
    assert!(ring.newest_idr() == Some(idr) && chunks.shared_in_use() > 0);
    ring.give_back(chunks, 2 * IDR_HOLD_US + 1);
    assert!(ring.newest_idr().is_none() && chunks.shared_in_use() == 0);
    assert_eq!(ring.idrs_overwritten(), 1, "its time was over");
}

#[test]
fn what_viewers_were_not_served_yet_is_held_though_it_is_more_than_the_floor() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let picture = 2 * PROFILE.ring_floor_chunks * (PROFILE.ring_chunk_bytes / 1200);
    let publish = |ring: &mut Ring, chunks: &mut Chunks, now_us| {
        for _ in 0..picture {
            ring.reserve(chunks, 1200, now_us);
            ring.publish(chunks, 0..1200, 0, Flags::NONE);
        }
    };
    for now_us in [0, 10 * IDR_HOLD_US, 20 * IDR_HOLD_US] {
        let head = ring.head();
        ring.hold_unserved();
        publish(&mut ring, chunks, now_us);
        assert_eq!(ring.packets_from(chunks, head).count(), picture, "all of it is there");
        ring.served();
        ring.give_back(chunks, now_us);
        assert_eq!(chunks.shared_in_use(), 0);
    }
    let head = ring.head();
    ring.hold_unserved();
    publish(&mut ring, chunks, 0);
    ring.hold_unserved();
    publish(&mut ring, chunks, 10 * IDR_HOLD_US);
    assert_eq!(ring.packets_from(chunks, head).count(), 2 * picture, "still not served");
    ring.give_back(chunks, 20 * IDR_HOLD_US);
    assert_eq!(ring.packets_from(chunks, head).count(), 2 * picture, "however long it takes");
    for _ in 0..RING_CHUNKS_MAX {
        publish(&mut ring, chunks, 20 * IDR_HOLD_US);
    }
    assert!(ring.tail() > head, "unless there is no memory");
    assert_eq!(ring.idrs_overwritten(), 0);
}

#[test]
fn a_chunk_is_left_when_its_descriptors_are_used_up() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let per_chunk = crate::limits::CHUNK_PACKETS_MAX as u64;
    for n in 0..=per_chunk {
        assert_eq!(ring.chunks_held(), usize::from(n > 0));
        ring.reserve(chunks, 1200, 0)[0] = 7;
        ring.publish(chunks, 0..1, 0, Flags::NONE);
    }
    assert_eq!(ring.chunks_held(), 2);
    assert!(ring.packets_from(chunks, 0).all(|packet| packet.payload == [7]));
    assert_eq!(ring.packets_from(chunks, 0).count() as u64, per_chunk + 1);
}
