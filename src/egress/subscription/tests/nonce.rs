//! The nonce rule over a million random events: under one key a number seals one packet, for ever,
//! whatever the network, the browser and the ring do; and what leaves has no gap.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use super::*;
use crate::egress::srtp::TAG_BYTES;
use crate::limits::{HISTORY_US, RING_CHUNKS_MAX};
use crate::mem::arena::Arena;
use crate::rtp::testing::Random;

const EVENTS: usize = 1_000_000;
const SUBSCRIPTIONS: usize = 3;
const INDEX_BYTES: usize = 8;
const IDR_AT: usize = INDEX_BYTES;

/// A packet of the ring, identified by its index and whether it begins an IDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packet {
    index: u64,
    is_idr: bool,
}

impl Packet {
    fn scrambled(self) -> u64 {
        (self.index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    }

    fn bytes(self) -> usize {
        let large = self.scrambled().is_multiple_of(40);
        if large { PAYLOAD_BYTES } else { 10 + usize::from(self.scrambled().to_le_bytes()[5] / 4) }
    }

    fn timestamp(self) -> u32 {
        u32::from_be_bytes(*self.index.to_be_bytes().last_chunk().expect("four bytes")) << 10
    }

    fn marker(self) -> bool {
        self.scrambled() & 1 == 1
    }

    fn write(self, payload: &mut [u8]) {
        payload.fill(self.scrambled().to_le_bytes()[6]);
        payload[..INDEX_BYTES].copy_from_slice(&self.index.to_be_bytes());
        payload[IDR_AT] = u8::from(self.is_idr);
    }

    /// Reads a packet back from its payload, which must be undamaged.
    fn read(payload: &[u8]) -> Self {
        let index = u64::from_be_bytes(*payload.first_chunk().expect("an index"));
        let packet = Self { index, is_idr: payload[IDR_AT] == 1 };
        assert_eq!(payload.len(), packet.bytes(), "{packet:?}");
        let filler = packet.scrambled().to_le_bytes()[6];
        assert!(payload[IDR_AT + 1..].iter().all(|byte| *byte == filler), "{packet:?}");
        packet
    }
}

/// Records what was sealed under each number, and panics when a number is used for other contents.
struct Recorder {
    key: u64,
    ssrc: u32,
    first: u64,
    /// A hash of header and payload per number, from the first number on.
    sealed: RefCell<Vec<u64>>,
    newest: Cell<Option<Packet>>,
    resealed: Cell<u64>,
    mappings: Cell<u64>,
    reports: u32,
}

impl Recorder {
    fn new(key: u64, ssrc: u32, random: u16) -> Self {
        Self {
            key,
            ssrc,
            first: u64::from(random & 0x7fff).max(1),
            sealed: RefCell::default(),
            newest: Cell::new(None),
            resealed: Cell::new(0),
            mappings: Cell::new(0),
            reports: 0,
        }
    }

    fn first_time(&self, packet: Packet) {
        let follows = self.newest.get().is_some_and(|newest| packet.index == newest.index + 1);
        if !follows {
            let later = self.newest.get().is_none_or(|newest| packet.index > newest.index);
            assert!(later && packet.is_idr, "a mapping begins at an idr: {packet:?}");
            self.mappings.set(self.mappings.get() + 1);
        }
        self.newest.set(Some(packet));
    }
}

impl Seal for Recorder {
    fn seal(&self, ssrc: u32, number: u64, header: &[u8], payload: &mut [u8]) -> [u8; TAG_BYTES] {
        assert_eq!(ssrc, self.ssrc);
        let mut hasher = DefaultHasher::new();
        hasher.write(header);
        hasher.write(payload);
        let plain = hasher.finish();
        let mut sealed = self.sealed.borrow_mut();
        let at = usize::try_from(number.checked_sub(self.first).expect("not below the first"));
        let at = at.expect("few packets");
        match sealed.get(at) {
            Some(before) => {
                assert_eq!(*before, plain, "number {number} seals another packet");
                self.resealed.set(self.resealed.get() + 1);
            }
            None => {
                assert_eq!(at, sealed.len(), "numbers have no gap");
                sealed.push(plain);
                self.first_time(Packet::read(payload));
            }
        }
        let mut tag = [0; TAG_BYTES];
        tag[..8].copy_from_slice(&self.key.to_be_bytes());
        tag[8..].copy_from_slice(&number.to_be_bytes());
        tag
    }

    fn seal_rtcp(&mut self, _: &mut [u8], length: usize) -> Option<usize> {
        self.reports += 1;
        Some(length + SRTCP_OVERHEAD_BYTES)
    }
}

/// What was sent under one key.
struct Left {
    rtp_params: RtpParams,
    /// The number that is to be sent next for the first time.
    next: u64,
}

/// A wire that fails in every way a socket can, and checks what is sent.
struct Faulty {
    random: RefCell<Random>,
    is_full: Cell<bool>,
    left: RefCell<HashMap<u64, Left>>,
    packets: Cell<u64>,
    resends: Cell<u64>,
    refused: Cell<u64>,
}

impl Faulty {
    fn new() -> Self {
        Self {
            random: RefCell::new(Random(0xfa17)),
            is_full: Cell::new(false),
            left: RefCell::default(),
            packets: Cell::new(0),
            resends: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// The error that this call fails with, if any.
    fn failure(&self, message: &Message) -> Option<i32> {
        let dice = self.random.borrow_mut().below(1000);
        let code = match dice {
            _ if self.is_full.get() => libc::EAGAIN,
            0..30 => {
                self.is_full.set(true);
                libc::EAGAIN
            }
            30..40 => libc::EINTR,
            40..44 => libc::EMSGSIZE,
            44..46 => libc::ENETUNREACH,
            46 => libc::EIO,
            _ => return None,
        };
        let is_for_good = matches!(code, libc::EMSGSIZE | libc::ENETUNREACH)
            || code == libc::EIO && message.segments() == 1;
        if is_for_good {
            self.refused.set(self.refused.get() + 1);
        }
        Some(code)
    }

    fn take(&self, scratch: &[u8], message: &Message, arrives: bool) {
        let run = &scratch[message.offset..message.offset + message.bytes];
        for datagram in run.chunks(usize::from(message.segment_bytes)) {
            // A sender report does not concern the numbers.
            if datagram[1] != 200 {
                self.datagram(datagram, arrives);
            }
        }
    }

    fn datagram(&self, datagram: &[u8], arrives: bool) {
        let (packet, tag) = datagram.split_at(datagram.len() - TAG_BYTES);
        let key = u64::from_be_bytes(*tag.first_chunk().expect("a key"));
        let number = u64::from_be_bytes(*tag.last_chunk().expect("a number"));
        let mut left = self.left.borrow_mut();
        let left = left.get_mut(&key).expect("a key that was given out");
        let header_bytes = if left.rtp_params.playout_delay.is_some() { 20 } else { 12 };
        let (header, payload) = packet.split_at(header_bytes);
        let packet = Packet::read(payload);
        assert_eq!(sequence(header).to_be_bytes(), number.to_be_bytes()[6..]);
        let timestamp = packet.timestamp().wrapping_add(left.rtp_params.timestamp_offset);
        // While catching up it is later than the original, but not later than live.
        let brought_forward = super::timestamp(header).wrapping_sub(timestamp);
        assert!(brought_forward < 1 << 30, "{brought_forward}");
        assert_eq!(header[8..12], left.rtp_params.ssrc.to_be_bytes());
        assert_eq!(header[1] >> 7, u8::from(packet.marker()));
        if number == left.next {
            left.next += 1;
            self.packets.set(self.packets.get() + u64::from(arrives));
        } else {
            assert!(number < left.next, "{number} leaves before {}", left.next);
            self.resends.set(self.resends.get() + 1);
        }
    }
}

impl Wire for Faulty {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        let refused = self.refused.get();
        if let Some(code) = self.failure(&messages[0]) {
            if self.refused.get() > refused {
                self.take(scratch, &messages[0], false);
            }
            return Err(io::Error::from_raw_os_error(code));
        }
        let all = self.random.borrow_mut().one_in(2);
        let some = 1 + self.random.borrow_mut().below(messages.len());
        let count = if all { messages.len() } else { some };
        for message in &messages[..count] {
            self.take(scratch, message, true);
        }
        Ok(count)
    }
}

struct Viewer {
    subscription: Subscription,
    seal: Recorder,
    path: Path,
}

/// Sums over past and present viewers.
#[derive(Debug, Default)]
struct Sums {
    resealed: u64,
    mappings: u64,
    skips: u64,
    overruns: u64,
    reports: u32,
    keys: u64,
}

struct World {
    random: Random,
    ring: Ring,
    chunks: &'static mut Chunks,
    batch: Box<Batch>,
    wire: Faulty,
    viewers: Vec<Viewer>,
    now_us: u64,
    sums: Sums,
    without_gso: u64,
}

impl World {
    fn new(chunks: &'static mut Chunks) -> Self {
        let mut world = Self {
            random: Random(0x5eed),
            ring: Ring::new(),
            chunks,
            batch: Box::new(Batch::new()),
            wire: Faulty::new(),
            viewers: Vec::new(),
            now_us: 1_000_000,
            sums: Sums::default(),
            without_gso: 0,
        };
        for at in 0..SUBSCRIPTIONS {
            let viewer = world.subscribe(at);
            world.viewers.push(viewer);
        }
        world
    }

    /// Adds a viewer with its own key. The numbers of the first viewers begin just before 2^15.
    fn subscribe(&mut self, at: usize) -> Viewer {
        self.sums.keys += 1;
        let key = self.sums.keys;
        let random = if key <= SUBSCRIPTIONS as u64 {
            0x7ff0
        } else {
            u16::from_be_bytes(*self.random.next().to_be_bytes().first_chunk().expect("two bytes"))
        };
        let rtp_params = RtpParams {
            ssrc: 0x100 + u32::try_from(at).expect("few"),
            playout_delay: at
                .is_multiple_of(2)
                .then_some(PlayoutDelay { id: 5, waits_for_sound: at == 0 }),
            timestamp_offset: u32::from(random) << 16,
            ..WIRING
        };
        let seal = Recorder::new(key, rtp_params.ssrc, random);
        let left = Left { rtp_params, next: seal.first };
        self.wire.left.borrow_mut().insert(key, left);
        let port = 1000 + u16::try_from(at).expect("few");
        Viewer { subscription: Subscription::new(rtp_params, random), seal, path: path(port) }
    }

    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            let is_idr = self.random.one_in(40);
            let packet = Packet { index: self.ring.head(), is_idr };
            let room = self.ring.reserve(self.chunks, PAYLOAD_BYTES, self.now_us);
            packet.write(&mut room[..packet.bytes()]);
            let flags = if packet.marker() { Flags::MARKER } else { Flags::NONE };
            let range = 0..packet.bytes();
            let index = self.ring.publish(self.chunks, range, packet.timestamp(), flags);
            assert_eq!(index, packet.index);
            if is_idr {
                self.ring.idr_begins(index);
            }
        }
    }

    fn with<R>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Subscription, StreamView<'_>, &mut SendContext<'_, Recorder, Faulty>) -> R,
    ) -> R {
        let Viewer { subscription, seal, path } = &mut self.viewers[at];
        let skips = &SkipFigures::default();
        let view = StreamView {
            ring: &self.ring,
            chunks: self.chunks,
            timestamp: Some(9),
            bits_per_s: 0,
            skips,
        };
        let mut context = SendContext {
            seal,
            path: *path,
            batch: &mut self.batch,
            wire: &self.wire,
            now_us: self.now_us,
            ntp: self.now_us << 20,
        };
        act(subscription, view, &mut context)
    }

    fn serve_all(&mut self) {
        for at in 0..self.viewers.len() {
            let tail = self.ring.tail();
            let next = self.viewers[at].subscription.cursor.next();
            self.sums.overruns += u64::from(next.is_some_and(|place| place.index < tail));
            self.with(at, |subscription, view, context| subscription.serve(view, context));
        }
    }

    fn hear(&mut self, at: usize, feedback: Feedback) {
        self.with(at, |subscription, view, context| subscription.feedback(feedback, view, context));
    }

    /// Sends NACKs for old, current and future sequence numbers, alone and in groups.
    fn nack(&mut self, at: usize) {
        let viewer = &self.viewers[at];
        let ssrc = viewer.seal.ssrc;
        let sealed = viewer.seal.first + viewer.seal.sealed.borrow().len() as u64;
        let newest = u16::from_be_bytes(*sealed.to_be_bytes().last_chunk().expect("two bytes"));
        let random = self.random.next().to_le_bytes();
        let any = u16::from_le_bytes([random[0], random[1]]);
        let first = match random[2] % 8 {
            0 => any,
            1 => newest.wrapping_add(any % 40),
            2 => newest.wrapping_sub(any % 2000),
            _ => newest.wrapping_sub(any % 100),
        };
        let following = if random[3].is_multiple_of(8) { any } else { 0 };
        self.hear(at, Feedback::Nack { ssrc, first, following });
    }

    fn report(&mut self, at: usize) {
        let ssrc = self.viewers[at].seal.ssrc;
        let fraction_lost = self.random.next().to_le_bytes()[4] / 4;
        self.hear(at, Feedback::Report { ssrc, fraction_lost, last_report: 0, delay: 0 });
    }

    fn leave(&mut self, at: usize) {
        let new = self.subscribe(at);
        let old = std::mem::replace(&mut self.viewers[at], new);
        self.sums.add(&old);
    }

    /// Replaces the batch that lost GSO by one that has it.
    fn renew_batch(&mut self) {
        if self.batch.is_empty() && !self.batch.has_gso() {
            self.without_gso += 1;
            *self.batch = Batch::new();
        }
    }

    /// Gives up chunks, as when other streams need them.
    fn give_up(&mut self) {
        self.ring.give_group(self.chunks, self.now_us + HISTORY_US);
        if self.random.one_in(2) {
            let kept = self.random.below(4);
            while self.ring.chunks_held() > kept && self.ring.oldest_us(self.chunks).is_some() {
                self.ring.give_oldest(self.chunks);
            }
        }
    }

    fn event(&mut self) {
        let at = self.random.below(SUBSCRIPTIONS);
        match self.random.below(1000) {
            0..480 => {
                let count = 1 + self.random.below(2);
                self.publish(count);
            }
            480 => {
                let count = 200 + self.random.below(300);
                self.publish(count);
            }
            481..720 => self.serve_all(),
            720..800 => drop(self.batch.flush(&self.wire)),
            800..830 => self.wire.is_full.set(false),
            830..880 => self.nack(at),
            880..886 => self.report(at),
            886 => self.ring.idr_spoiled(),
            887 => self.give_up(),
            888 => {
                self.viewers[at].path = path(2000 + u16::from(self.random.next().to_le_bytes()[0]))
            }
            // The first viewer stays, so that its numbers wrap twice.
            889 if at > 0 && self.random.one_in(4) => self.leave(at),
            890 => self.renew_batch(),
            891 => self.hear(at, Feedback::KeyFrame { ssrc: self.viewers[at].seal.ssrc }),
            _ => self.now_us += self.random.below(2000) as u64,
        }
    }
}

impl Sums {
    fn add(&mut self, viewer: &Viewer) {
        self.resealed += viewer.seal.resealed.get();
        self.mappings += viewer.seal.mappings.get();
        self.skips += viewer.subscription.counters.skips.into_iter().map(u64::from).sum::<u64>();
        self.reports += viewer.seal.reports;
    }
}

#[test]
fn a_number_seals_one_packet_over_a_million_events() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut world = World::new(CHUNKS.take().unwrap());
    for _ in 0..EVENTS {
        world.event();
    }
    let first = &world.viewers[0].seal;
    let numbers = first.first..first.first + first.sealed.borrow().len() as u64;
    assert!(numbers.end > 3 << 16, "the sequence numbers wrapped: {numbers:?}");
    for viewer in &world.viewers {
        world.sums.add(viewer);
    }
    let counters = world.batch.counters;
    let (sums, wire) = (&world.sums, &world.wire);
    println!("{sums:?}, {counters:?}, {} without gso", world.without_gso);
    println!("{numbers:?}, {} left, {} again", wire.packets.get(), wire.resends.get());
    assert!(wire.packets.get() > 500_000 && wire.resends.get() > 10_000);
    assert!(sums.resealed > 10_000 && sums.mappings > 1_000);
    assert!(sums.overruns > 500 && sums.skips > sums.overruns);
    assert!(sums.keys > 50 && sums.reports > 100);
    assert!(wire.refused.get() > 100 && world.without_gso > 5);
    assert!(world.ring.chunks_held() <= RING_CHUNKS_MAX);
}
