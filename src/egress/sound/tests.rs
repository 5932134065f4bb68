//! Sound subscriptions over a wire that may be full, and the nonce rule for picture and sound under
//! one key.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::egress::batch::{Batch, Path};
use crate::egress::rtcp::Feedback;
use crate::egress::srtp::{SRTCP_OVERHEAD_BYTES, TAG_BYTES};
use crate::egress::subscription::{PlayoutDelay, RtpParams, StreamView, Subscription};
use crate::history::{Chunks, Flags, Ring};
use crate::limits::{SENDER_REPORT_INTERVAL_US, SOUND_RING_PACKETS};
use crate::mem::arena::Arena;
use crate::net::udp::Message;
use crate::rtp::testing::Random;
use crate::status::SkipFigures;

const PICTURE: RtpParams = RtpParams {
    ssrc: 1,
    payload_type: 102,
    playout_delay: Some(PlayoutDelay { id: 5, waits_for_sound: true }),
    timestamp_offset: 77,
    is_resending: true,
};
const SOUND: SoundParams =
    SoundParams { ssrc: 2, payload_type: 8, codec: SoundCodec::Pcma, timestamp_offset: 5_000 };

/// Keeps what was sealed under each SSRC and number, and panics when one seals something else.
#[derive(Default)]
struct Recorder {
    sealed: RefCell<HashMap<(u32, u64), u64>>,
    again: Cell<u64>,
    reports: u32,
}

impl Seal for Recorder {
    fn seal(&self, ssrc: u32, number: u64, header: &[u8], payload: &mut [u8]) -> [u8; TAG_BYTES] {
        assert_eq!(header[8..12], ssrc.to_be_bytes());
        assert_eq!(header[2..4], number.to_be_bytes()[6..]);
        let mut hasher = DefaultHasher::new();
        hasher.write(header);
        hasher.write(payload);
        let plain = hasher.finish();
        let before = self.sealed.borrow_mut().insert((ssrc, number), plain);
        if let Some(before) = before {
            assert_eq!(before, plain, "ssrc {ssrc}, number {number} seals another packet");
            assert_eq!(ssrc, PICTURE.ssrc, "sound is sent once");
            self.again.set(self.again.get() + 1);
        }
        [0; TAG_BYTES]
    }

    fn seal_rtcp(&mut self, _: &mut [u8], length: usize) -> Option<usize> {
        self.reports += 1;
        Some(length + SRTCP_OVERHEAD_BYTES)
    }
}

/// A wire that may be full, and keeps what it takes.
#[derive(Default)]
struct Slow {
    is_full: Cell<bool>,
    datagrams: RefCell<Vec<Vec<u8>>>,
}

impl Wire for Slow {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        if self.is_full.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for message in messages {
            let run = &scratch[message.offset..message.offset + message.bytes];
            let segments = run.chunks(usize::from(message.segment_bytes));
            self.datagrams.borrow_mut().extend(segments.map(<[u8]>::to_vec));
        }
        Ok(messages.len())
    }
}

struct Scene {
    ring: Box<SoundRing>,
    codec: Option<SoundCodec>,
    subscription: SoundSubscription,
    seal: Recorder,
    batch: Box<Batch>,
    wire: Slow,
    now_us: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            ring: Box::default(),
            codec: Some(SoundCodec::Pcma),
            subscription: SoundSubscription::new(SOUND, 100),
            seal: Recorder::default(),
            batch: Box::default(),
            wire: Slow::default(),
            now_us: 10_000_000,
        }
    }

    fn publish(&mut self, count: u64) {
        for _ in 0..count {
            let index = self.ring.head();
            let flags = if index == 0 { Flags::MARKER } else { Flags::NONE };
            let timestamp = u32::try_from(160 * index).expect("few");
            self.ring.publish(&[index.to_le_bytes()[0]; 160], timestamp, flags);
        }
    }

    fn with<R>(
        &mut self,
        act: impl FnOnce(
            &mut SoundSubscription,
            SoundView<'_>,
            &mut SendContext<'_, Recorder, Slow>,
        ) -> R,
    ) -> R {
        let view = SoundView { ring: &self.ring, codec: self.codec, timestamp: Some(9) };
        let path =
            Path { to: SocketAddr::from(([192, 0, 2, 1], 5)), from: IpAddr::from([192, 0, 2, 9]) };
        let mut context = SendContext {
            seal: &mut self.seal,
            path,
            batch: &mut self.batch,
            wire: &self.wire,
            now_us: self.now_us,
            ntp: 7,
        };
        act(&mut self.subscription, view, &mut context)
    }

    fn serve(&mut self) -> Served {
        self.with(|subscription, view, context| subscription.serve(view, context))
    }

    /// Serves and flushes; the sequence numbers and timestamps of what left, and the reports.
    fn sent(&mut self) -> (Vec<(u16, u32)>, usize) {
        self.serve();
        self.batch.flush(&self.wire);
        let datagrams = self.wire.datagrams.take();
        let (reports, packets): (Vec<_>, Vec<_>) =
            datagrams.iter().partition(|datagram| datagram[1] == 200);
        let packets = packets.iter().map(|packet| {
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            (sequence, u32::from_be_bytes(*packet[4..].first_chunk().expect("a header")))
        });
        (packets.collect(), reports.len())
    }
}

#[test]
fn a_viewer_begins_at_the_next_packet_and_gets_each_once() {
    let mut scene = Scene::new();
    scene.publish(9);
    assert_eq!(scene.sent(), (vec![], 0), "what was before it came is past");
    scene.publish(2);
    assert_eq!(scene.sent(), (vec![(100, 9 * 160 + 5_000), (101, 10 * 160 + 5_000)], 1));
    assert_eq!(scene.sent(), (vec![], 0));
    scene.publish(1);
    assert_eq!(scene.sent().1, 0, "the next report is not due");
    scene.now_us += SENDER_REPORT_INTERVAL_US;
    scene.publish(1);
    assert_eq!(scene.sent().1, 1);
    assert_eq!(scene.subscription.counters.packets, 4);
    assert_eq!(scene.subscription.counters.bytes, 4 * 160);
}

#[test]
fn an_overrun_goes_on_at_what_is_left_and_numbers_have_no_gap() {
    let mut scene = Scene::new();
    scene.serve();
    scene.publish(1_000);
    let (sent, _) = scene.sent();
    assert!((20..=SOUND_RING_PACKETS).contains(&sent.len()), "{} are left", sent.len());
    let sequences: Vec<u16> = sent.iter().map(|(sequence, _)| *sequence).collect();
    let expected: Vec<u16> = (100..).take(sent.len()).collect();
    assert_eq!(sequences, expected);
    assert_eq!(sent.last().map(|(_, timestamp)| *timestamp), Some(999 * 160 + 5_000));
}

#[test]
fn nothing_is_sent_under_the_payload_type_of_another_codec() {
    let mut scene = Scene::new();
    scene.serve();
    for codec in [None, Some(SoundCodec::Pcmu), Some(SoundCodec::Opus)] {
        scene.codec = codec;
        scene.publish(3);
        assert_eq!(scene.sent(), (vec![], 0), "{codec:?}");
    }
    scene.codec = Some(SoundCodec::Pcma);
    scene.serve();
    scene.publish(1);
    assert_eq!(scene.sent().0, [(100, 9 * 160 + 5_000)]);
}

#[test]
fn a_full_socket_stops_it_and_no_packet_is_lost_or_sealed_twice() {
    let mut scene = Scene::new();
    scene.serve();
    scene.wire.is_full.set(true);
    let mut served = Served::UpToDate;
    for _ in 0..10_000 {
        scene.publish(1);
        served = scene.serve();
        if served == Served::Blocked {
            break;
        }
    }
    assert_eq!(served, Served::Blocked);
    scene.wire.is_full.set(false);
    let (sent, _) = scene.sent();
    let expected: Vec<u16> = (100..).take(sent.len()).collect();
    assert_eq!(sent.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), expected);
    assert_eq!(sent.len() as u64, scene.ring.head(), "each of them");
}

#[test]
fn picture_and_sound_share_a_key_and_never_a_nonce() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let chunks = CHUNKS.take().expect("once");
    let (mut ring, mut random) = (Ring::new(), Random(0x50d));
    let skips = SkipFigures::default();
    let mut picture = Subscription::new(PICTURE, 0x7ff0);
    let mut scene = Scene::new();
    scene.subscription = SoundSubscription::new(SOUND, 0x7ff0);
    for _ in 0..400_000 {
        scene.now_us += random.below(500) as u64;
        match random.below(100) {
            0..30 => {
                let is_idr = random.one_in(40);
                let room = ring.reserve(chunks, 1_200, scene.now_us);
                let bytes = 9 + random.below(1_000);
                room[..bytes].fill(random.next().to_le_bytes()[0]);
                let timestamp = u32::try_from(scene.now_us * 9 / 100 % (1 << 32)).expect("wrapped");
                let index = ring.publish(chunks, 0..bytes, timestamp, Flags::NONE);
                if is_idr {
                    ring.idr_begins(index);
                }
            }
            30..60 => {
                let bytes = 1 + random.below(400);
                let byte = random.next().to_le_bytes()[0];
                let timestamp = random.next().to_le_bytes()[1].into();
                scene.ring.publish(&vec![byte; bytes], timestamp, Flags::NONE);
            }
            60..90 => {
                scene.serve();
                scene.with(|_, _, context| {
                    let (ring, timestamp) = (&ring, Some(9));
                    let view = StreamView { ring, chunks, timestamp, bits_per_s: 0, skips: &skips };
                    picture.serve(view, context);
                });
            }
            90 => scene.wire.is_full.set(random.one_in(2)),
            91 => scene.publish(SOUND_RING_PACKETS as u64 * 2),
            92 => scene.codec = [Some(SoundCodec::Pcma), None][random.below(2)],
            93 => scene.ring.forget(),
            94..97 => {
                let first = u16::from_le_bytes([random.next().to_le_bytes()[0], 0x80]);
                let nack = Feedback::Nack { ssrc: PICTURE.ssrc, first, following: 0xffff };
                scene.with(|_, _, context| {
                    let (ring, timestamp) = (&ring, Some(9));
                    let view = StreamView { ring, chunks, timestamp, bits_per_s: 0, skips: &skips };
                    picture.feedback(nack, view, context);
                });
            }
            _ => {
                scene.batch.flush(&scene.wire);
                scene.wire.datagrams.take();
            }
        }
    }
    let sealed = scene.seal.sealed.borrow();
    for ssrc in [PICTURE.ssrc, SOUND.ssrc] {
        let numbers: Vec<u64> =
            sealed.keys().filter(|(of, _)| *of == ssrc).map(|(_, number)| *number).collect();
        let (least, most) = (numbers.iter().min().copied(), numbers.iter().max().copied());
        assert_eq!(least, Some(0x7ff0));
        assert_eq!(most.map(|most| most - 0x7ff0 + 1), Some(numbers.len() as u64), "no gap");
        assert!(numbers.len() > 40_000, "{} of ssrc {ssrc}: they wrapped", numbers.len());
    }
    assert!(scene.seal.reports > 10, "{} reports", scene.seal.reports);
}
