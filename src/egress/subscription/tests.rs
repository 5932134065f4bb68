//! Subscriptions with a test's ring to read from, and a wire that keeps the datagrams sent.

mod joining;
mod nonce;
mod pauses;
mod resends;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::egress::batch::{Batch, Path};
use crate::egress::rtcp::Feedback;
use crate::egress::srtp::{SRTCP_OVERHEAD_BYTES, SealKeys};
use crate::history::Flags;
use crate::limits::{PROFILE, RING_CHUNKS_MAX};
use crate::net::udp::Message;

const PAYLOAD_BYTES: usize = 1200;
/// The seed of the first number, and thus the first sequence number.
const RANDOM: u16 = 500;
const WIRING: RtpParams = RtpParams {
    ssrc: 0x1234_5678,
    payload_type: 102,
    playout_delay: Some(PlayoutDelay { id: 6, waits_for_sound: false }),
    timestamp_offset: 77_000,
    is_resending: true,
};

fn path(port: u16) -> Path {
    Path { to: SocketAddr::from(([192, 0, 2, 1], port)), from: IpAddr::from([192, 0, 2, 9]) }
}

fn keys() -> SealKeys {
    SealKeys::derive(&[7; 32], &[9; 12]).expect("a key of 32 bytes")
}

/// A wire that follows its script and then takes everything, unless it is full; it keeps the
/// datagrams.
#[derive(Default)]
struct Script {
    results: RefCell<VecDeque<Result<usize, i32>>>,
    is_full: Cell<bool>,
    datagrams: RefCell<Vec<Vec<u8>>>,
}

impl Wire for Script {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        let count = match self.results.borrow_mut().pop_front() {
            Some(Err(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Ok(count)) => count.min(messages.len()),
            None if self.is_full.get() => return Err(io::ErrorKind::WouldBlock.into()),
            None => messages.len(),
        };
        for message in &messages[..count] {
            let run = &scratch[message.offset..message.offset + message.bytes];
            let segments = run.chunks(usize::from(message.segment_bytes));
            self.datagrams.borrow_mut().extend(segments.map(<[u8]>::to_vec));
        }
        Ok(count)
    }
}

/// One subscription to one stream, with its ring and wire.
struct Scene {
    ring: Ring,
    chunks: &'static mut Chunks,
    subscription: Subscription,
    seal: SealKeys,
    batch: Box<Batch>,
    wire: Script,
    now_us: u64,
    bits_per_s: u64,
    skips: SkipFigures,
}

impl Scene {
    fn new(chunks: &'static mut Chunks, rtp_params: RtpParams) -> Self {
        Self {
            ring: Ring::new(),
            chunks,
            subscription: Subscription::new(rtp_params, RANDOM),
            seal: keys(),
            batch: Box::new(Batch::new()),
            wire: Script::default(),
            now_us: 10_000_000,
            bits_per_s: 0,
            skips: SkipFigures::default(),
        }
    }

    /// How often the subscription skipped, by reasons, as the camera counts it too.
    fn skips(&self) -> [u32; SkipReason::NAMES.len()] {
        let counted = self.skips.each_ref().map(|skips| skips.load(Relaxed));
        assert_eq!(counted, self.subscription.counters.skips);
        counted
    }

    /// Publishes `count` packets; returns the index of the first.
    fn publish(&mut self, count: usize) -> u64 {
        let first = self.ring.head();
        for index in (first..).take(count) {
            let room = self.ring.reserve(self.chunks, PAYLOAD_BYTES, self.now_us);
            room[..PAYLOAD_BYTES].fill(index.to_le_bytes()[0]);
            room[..8].copy_from_slice(&index.to_be_bytes());
            let timestamp = 90_000 + 3_600 * u32::try_from(index).expect("few");
            self.ring.publish(self.chunks, 0..PAYLOAD_BYTES, timestamp, Flags::NONE);
        }
        first
    }

    /// Like [`Self::publish`], but the first packet begins an IDR.
    fn publish_idr(&mut self, count: usize) -> u64 {
        let first = self.publish(1);
        self.ring.idr_begins(first);
        self.publish(count - 1);
        first
    }

    /// Publishes as much as a ring holds, so that no earlier packet is left.
    fn lap(&mut self) {
        self.publish(RING_CHUNKS_MAX * (PROFILE.ring_chunk_bytes / PAYLOAD_BYTES) + 1);
    }

    fn act<R>(
        &mut self,
        act: impl FnOnce(&mut Subscription, StreamView<'_>, &mut SendContext<'_, SealKeys, Script>) -> R,
    ) -> R {
        let (ring, bits_per_s, skips) = (&self.ring, self.bits_per_s, &self.skips);
        let view = StreamView { ring, chunks: self.chunks, timestamp: None, bits_per_s, skips };
        let mut context = SendContext {
            seal: &mut self.seal,
            path: path(5000),
            batch: &mut self.batch,
            wire: &self.wire,
            now_us: self.now_us,
            ntp: 0,
        };
        act(&mut self.subscription, view, &mut context)
    }

    fn serve(&mut self) -> Served {
        self.act(|subscription, view, context| subscription.serve(view, context))
    }

    fn hear(&mut self, feedback: Feedback) -> bool {
        self.act(|subscription, view, context| subscription.feedback(feedback, view, context))
    }

    fn report(&mut self, percent: u8) {
        self.hear(Feedback::Report {
            ssrc: WIRING.ssrc,
            fraction_lost: u8::try_from(u32::from(percent) * 256 / 100).expect("below 100"),
            last_report: 0,
            delay: 0,
        });
    }

    fn nack(&mut self, first: u16, following: u16) {
        self.hear(Feedback::Nack { ssrc: WIRING.ssrc, first, following });
    }

    /// Flushes the batch; returns the datagrams sent since the last call.
    fn flush(&mut self) -> Vec<Vec<u8>> {
        self.batch.flush(&self.wire);
        self.wire.datagrams.take()
    }

    /// Serves until the subscription is up to date, however long its pace takes.
    fn serve_all(&mut self) {
        while matches!(self.serve(), Served::Behind | Served::CatchingUp) {
            self.now_us += 1_000;
        }
    }

    /// Serves and flushes; returns the sequence numbers sent.
    fn sequences(&mut self) -> Vec<u16> {
        self.serve_all();
        self.flush().iter().map(|datagram| sequence(datagram)).collect()
    }
}

/// One skip, for this reason.
fn once(why: SkipReason) -> [u32; SkipReason::NAMES.len()] {
    let mut skips = [0; SkipReason::NAMES.len()];
    skips[why as usize] = 1;
    skips
}

fn timestamp(datagram: &[u8]) -> u32 {
    u32::from_be_bytes(*datagram[4..].first_chunk().expect("a header"))
}

fn sequence(datagram: &[u8]) -> u16 {
    u16::from_be_bytes([datagram[2], datagram[3]])
}
