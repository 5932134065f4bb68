//! The batch with sockets that fail on purpose.

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// A socket that follows its script and then takes everything; it keeps what it took.
#[derive(Default)]
struct Script {
    results: RefCell<VecDeque<Result<usize, i32>>>,
    datagrams: RefCell<Vec<Vec<u8>>>,
    runs: RefCell<Vec<usize>>,
}

impl Script {
    fn of(results: &[Result<usize, i32>]) -> Self {
        let results = RefCell::new(results.iter().copied().collect());
        Self { results, ..Self::default() }
    }
}

impl Wire for Script {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        let count = match self.results.borrow_mut().pop_front() {
            Some(Err(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Ok(count)) => count.min(messages.len()),
            None => messages.len(),
        };
        for message in &messages[..count] {
            self.runs.borrow_mut().push(message.segments());
            let bytes = &scratch[message.offset..message.offset + message.bytes];
            let segments = bytes.chunks(usize::from(message.segment_bytes));
            self.datagrams.borrow_mut().extend(segments.map(<[u8]>::to_vec));
        }
        Ok(count)
    }
}

/// A socket that is always full.
struct Closed;

impl Wire for Closed {
    fn send(&self, _: &[u8], _: &[Message]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

fn path(port: u16) -> Path {
    Path { to: SocketAddr::from(([192, 0, 2, 1], port)), from: IpAddr::from([192, 0, 2, 9]) }
}

/// Adds packets of the given sizes to the batch, each filled with its number.
fn fill(batch: &mut Batch, path: Path, sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let room = batch.packet(path, *size, &Closed).expect("room");
        room.fill(u8::try_from(number + 1).unwrap());
        packets.push(room.to_vec());
    }
    packets
}

/// Checks that the packets are equal; a failure shows only length and first byte of each.
fn assert_numbers(left: &[Vec<u8>], right: &[Vec<u8>]) {
    let names = |packets: &[Vec<u8>]| -> Vec<(usize, u8)> {
        packets.iter().map(|packet| (packet.len(), packet[0])).collect()
    };
    assert_eq!(names(left), names(right), "each once, in order");
    assert!(left == right);
}

fn batch() -> Box<Batch> {
    Box::new(Batch::new())
}

#[test]
fn equal_sizes_make_a_run_and_a_shorter_packet_ends_it() {
    let mut batch = batch();
    let wire = Script::default();
    let mut packets = fill(&mut batch, path(1), &[60, 1236, 1236, 1236, 500, 500]);
    packets.extend(fill(&mut batch, path(2), &[500]));
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_eq!(*wire.runs.borrow(), [1, 4, 1, 1]);
    assert_numbers(&wire.datagrams.borrow(), &packets);
    assert!(batch.is_empty());
}

#[test]
fn a_run_ends_at_64_segments() {
    let mut batch = batch();
    let wire = Script::default();
    fill(&mut batch, path(1), &[600; 70]);
    batch.flush(&wire);
    assert_eq!(*wire.runs.borrow(), [64, 6]);
}

#[test]
fn a_full_batch_sends_what_it_has_before_it_takes_more() {
    let mut batch = batch();
    for message in 0..MESSAGES_MAX {
        let port = u16::try_from(message + 1).unwrap();
        fill(&mut batch, path(port), &[100]);
    }
    assert!(batch.packet(path(9999), 100, &Closed).is_none());
    let wire = Script::default();
    assert!(batch.packet(path(9999), 100, &wire).is_some());
    assert_eq!(wire.datagrams.borrow().len(), MESSAGES_MAX);
    assert!(!batch.is_empty());
}

#[test]
fn a_partial_send_and_a_full_socket_go_on_where_they_stopped() {
    let mut batch = batch();
    let wire = Script::of(&[Ok(1), Err(libc::EAGAIN), Ok(1), Err(libc::EINTR)]);
    let mut packets = fill(&mut batch, path(1), &[1000, 1000]);
    packets.extend(fill(&mut batch, path(2), &[900, 900, 800]));
    packets.extend(fill(&mut batch, path(3), &[700]));
    assert_eq!(batch.flush(&wire), Flushed::Blocked);
    assert_eq!(wire.datagrams.borrow().len(), 2);
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_numbers(&wire.datagrams.borrow(), &packets);
    assert_eq!(batch.counters.packets, 6);
    assert_eq!(batch.counters.blocked, 1);
}

#[test]
fn without_gso_a_run_leaves_as_datagrams_even_in_parts() {
    let mut batch = batch();
    let wire = Script::of(&[Err(libc::EIO), Ok(2), Err(libc::EAGAIN), Ok(1)]);
    let mut packets = fill(&mut batch, path(1), &[1000, 1000, 1000, 1000, 10]);
    packets.extend(fill(&mut batch, path(2), &[900]));
    assert_eq!(batch.flush(&wire), Flushed::Blocked);
    assert!(!batch.has_gso());
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_numbers(&wire.datagrams.borrow(), &packets);
    assert!(wire.runs.borrow().iter().all(|segments| *segments == 1));
    let more = fill(&mut batch, path(1), &[1000, 1000]);
    batch.flush(&wire);
    assert_eq!(wire.datagrams.borrow()[6..], more, "and later packets are never a run");
}

#[test]
fn what_the_kernel_refuses_is_left_out_and_the_others_leave() {
    let mut batch = batch();
    let wire = Script::of(&[Err(libc::EHOSTUNREACH), Ok(1), Err(libc::ENETUNREACH)]);
    fill(&mut batch, path(1), &[1400, 1400]);
    let kept = fill(&mut batch, path(2), &[900]);
    fill(&mut batch, path(3), &[800]);
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_numbers(&wire.datagrams.borrow(), &kept);
    assert_eq!(batch.counters.refused, 2);
}

/// How the kernel treats messages to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// There is no route to it.
    Unreachable,
    /// The local address that it uses is gone.
    NoSource,
    /// The interface takes single packets only, as fragments.
    Narrow,
    /// Packets of this size are refused in any form.
    TooNarrow,
}

impl Way {
    fn of(port: u16) -> Self {
        [Self::Open, Self::Unreachable, Self::NoSource, Self::Narrow, Self::TooNarrow, Self::Open]
            [usize::from(port) % 6]
    }

    fn error(self, segments: usize) -> Option<i32> {
        match self {
            Self::Open => None,
            Self::Unreachable => Some(libc::ENETUNREACH),
            Self::NoSource => Some(libc::EINVAL),
            Self::Narrow => (segments > 1).then_some(libc::EMSGSIZE),
            Self::TooNarrow => Some(libc::EMSGSIZE),
        }
    }

    fn is_refused(self) -> bool {
        self.error(1).is_some()
    }
}

/// A kernel with peers of all kinds. Any call may be cut short, interrupted or refused because the
/// socket is full.
struct Kernel {
    random: Cell<u64>,
    has_gso: bool,
    datagrams: RefCell<Vec<(u16, Vec<u8>)>>,
}

impl Kernel {
    fn below(&self, bound: u64) -> u64 {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.set(next);
        (next >> 33) % bound
    }
}

impl Wire for Kernel {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        match self.below(8) {
            0 => return Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            1 => return Err(io::Error::from_raw_os_error(libc::EINTR)),
            _ => {}
        }
        let most = match self.below(3) {
            0 => 1 + usize::try_from(self.below(3)).unwrap(),
            _ => messages.len(),
        };
        for (index, message) in messages.iter().take(most).enumerate() {
            let segments = message.segments();
            let is_without_gso = !self.has_gso && segments > 1;
            let way = Way::of(message.to.port());
            let error = if is_without_gso { Some(libc::EIO) } else { way.error(segments) };
            match error {
                Some(code) if index == 0 => return Err(io::Error::from_raw_os_error(code)),
                // Like sendmmsg: messages sent before the failure are reported first.
                Some(_) => return Ok(index),
                None => {}
            }
            let bytes = &scratch[message.offset..message.offset + message.bytes];
            let segments = bytes.chunks(usize::from(message.segment_bytes));
            let named = segments.map(|segment| (message.to.port(), segment.to_vec()));
            self.datagrams.borrow_mut().extend(named);
        }
        Ok(messages.len().min(most))
    }
}

/// Sends rounds of packets to random peers through one kernel, and checks what was sent.
fn rounds(seed: u64, has_gso: bool) -> (Box<Batch>, Kernel) {
    let mut batch = batch();
    let kernel = Kernel { random: Cell::new(seed), has_gso, datagrams: RefCell::default() };
    let mut innocent = Vec::new();
    for round in 0..20u32 {
        for _ in 0..kernel.below(12) {
            let port = u16::try_from(kernel.below(24)).unwrap();
            let packets = 1 + kernel.below(5);
            for number in 0..packets {
                let last = number + 1 == packets;
                let bytes = if last { 300 } else { 500 };
                let name = u8::try_from(kernel.below(256)).unwrap();
                let room = loop {
                    if let Some(room) = batch.packet(path(port), bytes, &kernel) {
                        break room;
                    }
                };
                room.fill(name);
                room[..4].copy_from_slice(&round.to_be_bytes());
                if !Way::of(port).is_refused() {
                    innocent.push((port, room.to_vec()));
                }
            }
        }
        let mut calls = 0;
        while batch.flush(&kernel) == Flushed::Blocked {
            calls += 1;
            assert!(calls < 1000, "it ends");
        }
        assert!(batch.is_empty());
    }
    assert!(!innocent.is_empty());
    assert!(*kernel.datagrams.borrow() == innocent, "seed {seed}: each once, in order");
    (batch, kernel)
}

#[test]
fn whatever_happens_each_packet_of_the_innocent_leaves_once_and_in_order() {
    for seed in 1..200 {
        let (batch, _) = rounds(seed, true);
        assert!(batch.has_gso(), "seed {seed}: no peer's trouble costs the others GSO");
        assert!(batch.counters.refused > 0);
    }
    for seed in 200..400 {
        let (batch, _) = rounds(seed, false);
        assert!(!batch.has_gso(), "seed {seed}: the device was found out");
    }
}

#[test]
fn a_run_too_large_for_its_interface_leaves_by_segments_and_the_next_tries_again() {
    let mut batch = batch();
    let wire = Script::of(&[Ok(1), Err(libc::EMSGSIZE), Ok(2)]);
    let mut packets = fill(&mut batch, path(1), &[1000]);
    packets.extend(fill(&mut batch, path(2), &[1236, 1236, 1236]));
    packets.extend(fill(&mut batch, path(3), &[900, 900]));
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_numbers(&wire.datagrams.borrow(), &packets);
    assert_eq!(*wire.runs.borrow(), [1, 1, 1, 1, 2]);
    assert!(batch.has_gso());
    assert_eq!(batch.counters.refused, 0);
}

#[test]
fn a_run_whose_source_is_gone_costs_two_calls_and_nobody_gso() {
    let mut batch = batch();
    let wire = Script::of(&[Err(libc::EINVAL), Err(libc::EINVAL)]);
    fill(&mut batch, path(1), &[1236; 40]);
    let kept = fill(&mut batch, path(2), &[900, 900]);
    assert_eq!(batch.flush(&wire), Flushed::Done);
    assert_numbers(&wire.datagrams.borrow(), &kept);
    assert_eq!((batch.counters.calls, batch.counters.refused), (3, 1));
    assert!(batch.has_gso());
}
