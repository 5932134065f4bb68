//! Rings and their pool against a simple model, which remembers everything published, in order.

use std::collections::VecDeque;

use crate::history::ring::{ChunkUse, StartPoint};
use crate::history::{Chunks, Flags, Ring};
use crate::limits::{
    CAMERAS_MAX, CHUNKS_MAX, HISTORY_US, PROFILE, READ_CHUNKS_MAX, RING_CHUNKS_MAX,
};
use crate::mem::arena::Arena;
use crate::rtp::testing::Random;
use crate::stream::Stream;
use crate::stream::store::{GivenUp, held, make_room};

/// The contents that a packet must have when it is read.
#[derive(Debug, Clone, Copy)]
struct Published {
    index: u64,
    bytes: usize,
    fill: u8,
    timestamp: u32,
    flags: Flags,
}

/// The packets published to a ring, and which of them it must still hold.
#[derive(Debug, Default)]
struct Model {
    published: VecDeque<Published>,
    unserved: Option<u64>,
}

impl Model {
    /// Writes a packet in two parts, as the cutter does, and publishes it.
    fn publish(&mut self, ring: &mut Ring, chunks: &mut Chunks, random: &mut Random, now_us: u64) {
        let bytes = 2 + random.below(1399);
        let skipped = random.below(2);
        let fill = random.next().to_le_bytes()[5];
        let timestamp = u32::try_from(random.next() >> 32).unwrap();
        let flags = if random.one_in(9) { Flags::MARKER } else { Flags::NONE };
        let half = skipped + bytes / 2;
        ring.reserve(chunks, 1401, now_us)[skipped..half].fill(fill);
        ring.reserve(chunks, 1401, now_us)[half..skipped + bytes].fill(fill);
        let index = ring.publish(chunks, skipped..skipped + bytes, timestamp, flags);
        self.published.push_back(Published { index, bytes, fill, timestamp, flags });
    }

    fn check(&mut self, ring: &Ring, chunks: &Chunks, random: &mut Random) {
        let (tail, head) = (ring.tail(), ring.head());
        assert!(self.unserved.is_none_or(|index| index >= tail), "what is not served is held");
        let start = ring.start();
        let needed = start.map_or(tail, |start| start.index.min(tail));
        while self.published.front().is_some_and(|published| published.index < needed) {
            self.published.pop_front();
        }
        assert!(ring.packet(chunks, head).is_none());
        assert!(needed == 0 || ring.packets_from(chunks, needed - 1).next().is_none());
        let Some(first) = self.published.front().map(|published| published.index) else { return };
        let from = tail + random.next() % (head - tail).max(1);
        self.check_from(ring, chunks, first, from.min(head - 1), head);
        if let Some(StartPoint { index, until: Some(until) }) = start {
            assert!(index < tail && until > index, "a still stands apart");
            self.check_from(ring, chunks, first, index, until);
            assert_eq!(ring.packets_from(chunks, index).count() as u64, until - index);
        } else if let Some(StartPoint { index, until: None }) = start {
            assert!(ring.has(index) && index >= tail);
            assert_eq!(ring.packets_from(chunks, index).count() as u64, head - index);
        }
    }

    /// Checks some packets from `from` on; all of them up to `end` must be held.
    fn check_from(&self, ring: &Ring, chunks: &Chunks, first: u64, from: u64, end: u64) {
        let at = usize::try_from(from - first).expect("few");
        let few = ring.packets_from(chunks, from).take(40);
        let mut read = 0;
        for (packet, expected) in few.zip(self.published.range(at..)) {
            assert_eq!(packet.index, expected.index);
            assert_eq!((packet.timestamp, packet.flags), (expected.timestamp, expected.flags));
            assert_eq!(packet.payload.len(), expected.bytes);
            let edges = [packet.payload[0], packet.payload[expected.bytes - 1]];
            assert_eq!(edges, [expected.fill; 2]);
            read += 1;
        }
        assert_eq!(read, (end - from).min(40));
        let expected = self.published[at];
        let packet = ring.packet(chunks, expected.index).expect("it is there");
        assert_eq!(packet.payload, vec![expected.fill; expected.bytes]);
    }
}

fn sum(held: ChunkUse) -> usize {
    held.unserved + held.history + held.key_frame + held.group
}

fn assert_accounts(streams: &[Stream], chunks: &Chunks, now_us: u64) {
    let by_rings: usize = streams.iter().map(|stream| stream.ring().chunks_held()).sum();
    assert_eq!(chunks.in_use(), by_rings);
    assert_eq!(sum(held(streams, chunks, now_us)), by_rings);
    assert_eq!(chunks.free() + chunks.in_use(), CHUNKS_MAX);
}

#[test]
fn a_million_operations_of_many_streams() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut random = Random(81);
    let mut streams: Vec<Stream> = (0..CAMERAS_MAX).map(|_| Stream::new()).collect();
    let mut models: Vec<Model> = (0..CAMERAS_MAX).map(|_| Model::default()).collect();
    let (mut now_us, mut given_up, mut stills, mut refused) = (0, GivenUp::NONE, 0, 0_u32);
    for operation in 0..300_000_u32 {
        // At times too much is published to keep history, or viewers are slow.
        let (is_flood, is_slow) = (operation % 40_000 > 20_000, operation % 40_000 > 30_000);
        now_us += random.next() % if is_flood { 20 } else { 600 };
        // A few streams are busy; in the last quarter all of them are.
        let busy = if operation < 225_000 { CAMERAS_MAX.min(5) } else { CAMERAS_MAX };
        let which = random.below(busy);
        let model = &mut models[which];
        match random.below(1000) {
            0 => {
                streams[which].ring.forget(chunks);
                assert_eq!(streams[which].ring.chunks_held(), 0);
                model.published.clear();
                model.unserved = None;
            }
            1..5 => streams[which].ring.idr_spoiled(),
            5..9 => streams[which].ring.give_back(chunks, now_us),
            9..20 => streams[which].looked_at(now_us),
            20..100 => {
                let ring = &streams[which].ring;
                model.check(ring, chunks, &mut random);
                stills += u32::from(ring.start().is_some_and(|start| start.until.is_some()));
            }
            100..300 if !is_slow || random.one_in(500) => {
                streams[which].ring.served(None);
                model.unserved = None;
            }
            op => {
                if !make_room(&mut streams, chunks, &mut given_up, which, now_us) {
                    refused += 1;
                    continue;
                }
                assert!(chunks.free() >= READ_CHUNKS_MAX);
                let ring = &mut streams[which].ring;
                if op < 500 {
                    ring.hold_unserved();
                    model.unserved.get_or_insert(ring.head());
                }
                for at in 0..1 + random.below(20) {
                    model.publish(ring, chunks, &mut random, now_us);
                    if at == 0 && op < 310 {
                        ring.idr_begins(ring.head() - 1);
                    }
                }
            }
        }
        if operation % 64 == 0 {
            assert_accounts(&streams, chunks, now_us);
        }
    }
    for (stream, model) in streams.iter().zip(&mut models) {
        model.check(&stream.ring, chunks, &mut random);
        assert_eq!(stream.ring.lost(), 0);
    }
    println!("{given_up:?}, {stills} stills seen, {refused} reads refused");
    assert!(given_up.groups > 50 && given_up.key_frames > 10 && given_up.history_chunks > 100);
    assert!(stills > 100 && refused > 0, "{stills} {refused}");
}

/// Publishes `count` packets of 1200 bytes, the last with a marker; returns the index of the first.
fn publish(ring: &mut Ring, chunks: &mut Chunks, count: usize, now_us: u64) -> u64 {
    let first = ring.head();
    for at in 1..=count {
        ring.reserve(chunks, 1200, now_us);
        let flags = if at == count { Flags::MARKER } else { Flags::NONE };
        ring.publish(chunks, 0..1200, 0, flags);
    }
    first
}

/// Publishes a key frame and a group with these numbers of packets.
fn publish_group(ring: &mut Ring, chunks: &mut Chunks, counts: [usize; 2], now_us: u64) -> u64 {
    let first = publish(ring, chunks, counts[0], now_us);
    ring.idr_begins(first);
    publish(ring, chunks, counts[1], now_us);
    first
}

const A_CHUNK: usize = PROFILE.ring_chunk_bytes / 1200;

#[test]
fn the_newest_key_frame_and_its_group_stay_and_what_is_before_goes_with_history() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let first = publish_group(&mut ring, chunks, [2 * A_CHUNK, 6 * A_CHUNK], 0);
    ring.give_back(chunks, 100 * HISTORY_US);
    assert_eq!(ring.start(), Some(StartPoint { index: first, until: None }));
    assert_eq!(ring.chunks_held(), 8);
    let second = publish_group(&mut ring, chunks, [A_CHUNK, A_CHUNK], HISTORY_US);
    assert_eq!(ring.start(), Some(StartPoint { index: second, until: None }));
    ring.give_back(chunks, HISTORY_US);
    assert_eq!(ring.chunks_held(), 10, "history of the group before");
    ring.give_back(chunks, HISTORY_US + 1);
    assert_eq!((ring.chunks_held(), ring.tail()), (2, second));
}

#[test]
fn what_a_viewer_on_its_way_wants_is_kept_while_there_is_room() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let first = publish_group(&mut ring, chunks, [A_CHUNK, 3 * A_CHUNK], 0);
    let wanted = first + 2 * A_CHUNK as u64;
    ring.served(Some(wanted));
    publish_group(&mut ring, chunks, [A_CHUNK, A_CHUNK], 2 * HISTORY_US);
    assert_eq!(ring.tail(), wanted, "of the group before");
    ring.give_unneeded(chunks, 2 * HISTORY_US);
    assert_eq!(ring.tail(), first + 4 * A_CHUNK as u64, "no more than others need");
}

#[test]
fn a_group_is_given_up_before_history_and_leaves_a_still() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let first = publish_group(&mut ring, chunks, [2 * A_CHUNK, 4 * A_CHUNK], 0);
    publish(&mut ring, chunks, 3 * A_CHUNK, HISTORY_US + 1);
    let held = |ring: &Ring, chunks: &Chunks| ring.held(chunks, HISTORY_US + 1);
    let expected = ChunkUse { unserved: 0, history: 3, key_frame: 2, group: 4 };
    assert_eq!(held(&ring, chunks), expected);
    assert_eq!(ring.group_chunks(chunks, HISTORY_US + 1), 4);
    ring.give_group(chunks, HISTORY_US + 1);
    assert_eq!(held(&ring, chunks), ChunkUse { group: 0, ..expected });
    let until = first + 2 * A_CHUNK as u64;
    assert_eq!(ring.start(), Some(StartPoint { index: first, until: Some(until) }));
    assert!(ring.has(first) && !ring.has(until) && ring.has(ring.tail()));
    assert_eq!(ring.packets_from(chunks, first + 1).count(), 2 * A_CHUNK - 1);
    assert_eq!(ring.packets_from(chunks, until).count(), 0, "it was given up");
    assert_eq!(ring.group_chunks(chunks, 9 * HISTORY_US), 0, "once");
    let next = publish_group(&mut ring, chunks, [A_CHUNK, A_CHUNK], HISTORY_US + 1);
    ring.give_back(chunks, HISTORY_US + 1);
    assert_eq!(ring.start(), Some(StartPoint { index: next, until: None }));
    assert_eq!(ring.chunks_held(), 5, "a still goes with the next key frame");
    ring.give_key_frame(chunks, 9 * HISTORY_US);
    assert_eq!((ring.start(), ring.chunks_held()), (None, 1), "the open one stays");
}

#[test]
fn what_nobody_watches_has_no_history_but_its_open_chunk() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    publish(&mut ring, chunks, 2 * A_CHUNK, 0);
    publish_group(&mut ring, chunks, [2 * A_CHUNK, 3 * A_CHUNK], 0);
    let held = |ring: &Ring, chunks: &Chunks| ring.held(chunks, 1);
    assert_eq!((held(&ring, chunks).history, held(&ring, chunks).group), (7, 0));
    ring.set_watched(false);
    ring.give_back(chunks, 1);
    assert_eq!(held(&ring, chunks), ChunkUse { unserved: 0, history: 1, key_frame: 2, group: 2 });
    ring.set_watched(true);
    assert_eq!(held(&ring, chunks).history, 5, "what is there becomes history");
}

#[test]
fn what_viewers_were_not_served_yet_is_held_however_long_it_takes() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut ring = Ring::new();
    let picture = 12 * A_CHUNK;
    for now_us in [0, 10 * HISTORY_US, 20 * HISTORY_US] {
        ring.hold_unserved();
        let head = publish(&mut ring, chunks, picture, now_us);
        ring.give_back(chunks, now_us + 2 * HISTORY_US);
        assert_eq!(ring.oldest_us(chunks), None, "there is nothing to be given up");
        assert_eq!(ring.packets_from(chunks, head).count(), picture, "all of it is there");
        ring.served(None);
        ring.give_back(chunks, now_us + 2 * HISTORY_US);
        assert_eq!(ring.chunks_held(), 1);
    }
    ring.hold_unserved();
    let head = publish(&mut ring, chunks, RING_CHUNKS_MAX * A_CHUNK, 0);
    publish(&mut ring, chunks, 1, 0);
    assert!(ring.tail() > head, "unless one read has more than a ring");
    assert_eq!(ring.lost(), ring.tail() - head);
}

#[test]
fn the_camera_that_was_looked_at_longest_ago_gives_first() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().unwrap();
    let mut streams: Vec<Stream> = (0..3).map(|_| Stream::new()).collect();
    let mut given_up = GivenUp::NONE;
    let group = RING_CHUNKS_MAX.min(CHUNKS_MAX / 4) - READ_CHUNKS_MAX - 2;
    for (stream, looked_at_us) in streams.iter_mut().zip([7, 5, 9]) {
        publish_group(&mut stream.ring, chunks, [A_CHUNK, group * A_CHUNK], 0);
        stream.looked_at(looked_at_us);
    }
    let now_us = 2 * HISTORY_US;
    let is_still = |stream: &Stream| stream.ring.start().is_some_and(|start| start.until.is_some());
    // Other streams take the free chunks, each as many as it may.
    let fill = |chunks: &mut Chunks| {
        while chunks.free() >= READ_CHUNKS_MAX {
            let mut other = Ring::new();
            other.hold_unserved();
            while chunks.free() >= READ_CHUNKS_MAX && other.chunks_held() < RING_CHUNKS_MAX {
                publish(&mut other, chunks, A_CHUNK, now_us);
            }
        }
    };
    for expected in [[false, true, false], [true, true, false], [true, true, true]] {
        fill(chunks);
        assert!(make_room(&mut streams, chunks, &mut given_up, 0, now_us));
        assert_eq!(streams.iter().map(is_still).collect::<Vec<_>>(), expected);
    }
    assert_eq!(given_up, GivenUp { groups: 3, ..GivenUp::NONE });
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
