//! Fuzzes whole conversations, read in pieces of every size.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Mutex, PoisonError};

use super::super::auth::Auth;
use super::super::dialog::Dialog;
use super::super::error::DialogError;
use super::super::examine::scanned;
use super::super::framing::{Broken, Framer, Item};
use super::super::habits::{Habits, Keepalive};
use super::super::session::{Negotiated, RtpRoute, Session, Sink};
use super::super::step::DialogStep;
use super::super::testing::{carry_pool, reorder_pool};
use super::super::url::CameraUrl;
use super::{CHANNELS, check_requests, credentials};
use crate::fuzzing::SECRET;
use crate::limits::{PAYLOAD_BYTES_DEFAULT, RTSP_REQUEST_URL_BYTES_MAX, RTSP_TRANSMIT_BYTES_MAX};
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::sound::SoundCodec;
use crate::stream::Sound;

/// Up to this many bytes, every single split point is tried.
const SPLITS_MAX: usize = 200;

/// The pools of a session; they are all returned when a target ends.
type Pools = (Box<CarryPool>, Box<ReorderPool>);

static POOLS: Mutex<Option<Pools>> = Mutex::new(None);

/// Calls `target` with pools that are made once.
pub(super) fn with_pools(target: impl FnOnce(&mut CarryPool, &mut ReorderPool)) {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let (carry, reorder) = pools.get_or_insert_with(|| (carry_pool(), reorder_pool()));
    target(carry, reorder);
}

/// Interleaved framing: the same frames, messages and losses are found however the bytes are cut
/// into reads. Heads are not scanned over and over, and every carry slot is returned. A session
/// delivers the same RTP whatever else the camera sends, and never has more to write than its
/// buffer holds.
pub fn framing(data: &[u8]) {
    with_pools(|carry, reorder| frames(data, carry, reorder));
}

fn frames(data: &[u8], pool: &mut CarryPool, reorder: &mut ReorderPool) {
    let whole = items(data, &[], pool);
    if data.len() <= SPLITS_MAX {
        for cut in 1..data.len() {
            check_same(&items(data, &[cut], pool), &whole, cut);
        }
    }
    // Byte by byte would be too slow for a long conversation.
    for step in if data.len() <= 4 * SPLITS_MAX { [1, 2, 7] } else { [61, 300, 1448] } {
        let cuts: Vec<usize> = (1..data.len()).step_by(step).collect();
        check_same(&items(data, &cuts, pool), &whole, step);
    }
    let found = whole.iter().filter(|found| found.kind == "rtp").count();
    let mut heard = Heard::new();
    let has_ended = play(data, (pool, reorder), &mut heard);
    assert!(heard.packets == found || has_ended, "{} of {found} packets", heard.packets);
}

/// Checks for the same items. After garbage the framer may wait for up to nine bytes, so at the
/// very end one of them may have reported the loss and the other not yet.
fn check_same(cut: &[Found], whole: &[Found], at: usize) {
    let common = cut.len().min(whole.len());
    let pending = [&cut[common..], &whole[common..]].concat();
    let is_pending = pending.len() <= 1 && pending.iter().all(|found| found.kind == "broken");
    assert!(cut[..common] == whole[..common] && is_pending, "{at}: {cut:?} and not {whole:?}");
}

/// An item that a framer found, with a hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    kind: &'static str,
    bytes: usize,
    hash: u64,
}

fn items(stream: &[u8], cuts: &[usize], pool: &mut CarryPool) -> Vec<Found> {
    scanned::take();
    let mut framer = Framer::new(Some(CHANNELS));
    let mut found = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        let mut input = &stream[start..end];
        start = end;
        while let Some(item) = framer.next(&mut input, pool) {
            found.push(match item {
                Item::Rtp(bytes) => summary("rtp", bytes),
                Item::Rtcp(bytes) => summary("rtcp", bytes),
                Item::Sound(bytes) => summary("sound", bytes),
                Item::SoundReport(bytes) => summary("sound report", bytes),
                Item::Text(bytes) => summary("text", bytes),
                Item::Unwanted(why) => summary("unwanted", format!("{why:?}").as_bytes()),
                Item::Broken(why) => summary("broken", format!("{why:?}").as_bytes()),
            });
        }
    }
    framer.release(pool);
    assert_eq!(pool.in_use(), [0, 0, 0], "every slot is given back");
    // The end of a head is scanned again when it is found, and per read until its body is complete.
    let looked_at = scanned::take();
    assert!(looked_at <= 4 * stream.len() + cuts.len(), "{looked_at} for {} bytes", stream.len());
    found
}

fn summary(kind: &'static str, bytes: &[u8]) -> Found {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    Found { kind, bytes: bytes.len(), hash: hasher.finish() }
}

struct Heard {
    packets: usize,
    sound: Box<Sound>,
}

impl Heard {
    fn new() -> Self {
        let mut sound = Box::new(Sound::new());
        sound.configure(PAYLOAD_BYTES_DEFAULT);
        sound.connect(Some((8, SoundCodec::Pcma)));
        Self { packets: 0, sound }
    }
}

impl Sink for Heard {
    fn rtp(&mut self, packet: &[u8]) {
        assert!(packet.len() >= 12 && packet[0] >> 6 == 2);
        self.packets += 1;
        self.sound.picture_came(packet, 1);
    }

    fn report(&mut self, packet: &[u8]) {
        self.sound.picture_reported(packet);
    }

    /// What is kept of the sound is whole packets, each no longer than one to a browser.
    fn sound(&mut self, packet: &[u8]) {
        assert!(packet.len() >= 12 && packet[0] >> 6 == 2);
        self.sound.rtp(packet, 1);
        let ring = self.sound.ring();
        for index in ring.tail()..ring.head() {
            let bytes = ring.packet(index).expect("it is held").payload.len();
            assert!((1..=PAYLOAD_BYTES_DEFAULT).contains(&bytes), "{bytes}");
        }
        let _ = self.sound.last_timestamp();
    }

    fn sound_report(&mut self, packet: &[u8]) {
        self.sound.reported(packet);
    }

    fn broken(&mut self, _: Broken) {}
}

/// Plays a session with a camera that does not read; returns whether a refused PLAY ended it.
fn play(
    data: &[u8],
    (pool, reorder): (&mut CarryPool, &mut ReorderPool),
    heard: &mut Heard,
) -> bool {
    const READ_US: u64 = 700_000;
    let mut session = Session::new(Negotiated {
        base: "rtsp://192.0.2.7/live".to_owned(),
        session_id: Some("7".to_owned()),
        timeout_s: Some(10),
        route: RtpRoute::Interleaved(CHANNELS),
        auth: Auth::new(Some(credentials()), false),
        cseq: 4,
        ssrc: 7,
        keepalive: Keepalive::Options,
        leftover: Vec::new(),
    });
    session.play(0);
    let (mut now_us, mut has_ended) = (0, false);
    for piece in data.chunks(100) {
        has_ended = session.receive(piece, pool, now_us, heard).is_err();
        if has_ended {
            break;
        }
        // The supervisor would end a silent session; here the bytes continue.
        let _ = session.timeout(now_us);
        session.request_key_frame(true, now_us);
        now_us += READ_US;
    }
    session.teardown();
    assert!(session.transmit().len() <= RTSP_TRANSMIT_BYTES_MAX);
    assert!(!format!("{session:?}").contains(SECRET));
    check_requests(&without_frames(session.transmit()));
    session.release(pool, reorder);
    assert_eq!(pool.in_use(), [0, 0, 0], "every slot is given back");
    has_ended
}

/// Removes weir's reports, which must be whole frames on one of the camera's RTCP channels.
fn without_frames(mut transmit: &[u8]) -> Vec<u8> {
    let mut requests = Vec::new();
    while let Some(&first) = transmit.first() {
        let bytes = if first == b'$' {
            let sound = CHANNELS.sound.map(|sound| sound.rtcp);
            assert!([Some(CHANNELS.rtcp), sound].contains(&Some(transmit[1])), "{}", transmit[1]);
            4 + usize::from(u16::from_be_bytes([transmit[2], transmit[3]]))
        } else {
            let end = transmit.windows(4).position(|four| four == b"\r\n\r\n");
            end.expect("an empty line") + 4
        };
        let (message, rest) = transmit.split_at(bytes);
        if first != b'$' {
            requests.extend(message);
        }
        transmit = rest;
    }
    requests
}

/// A dialog: requests and result are the same however the camera's bytes are cut into reads. The
/// requests are unambiguous, and the password appears only in Basic.
pub fn dialog(data: &[u8]) {
    if String::from_utf8_lossy(data).contains(SECRET) {
        return; // a camera that knows the password may be sent it
    }
    let whole = converse(data, data.len());
    for step in if data.len() <= 4 * SPLITS_MAX { [1, 7] } else { [61, 300] } {
        let pieces = converse(data, step);
        // A read of many messages may need more requests at once than the buffer holds.
        let overflows = |end: &End| matches!(end, End::Failed(DialogError::OverLimit { .. }));
        if overflows(&whole.1) || overflows(&pieces.1) {
            continue;
        }
        assert_eq!(pieces.1, whole.1, "{step} bytes a read");
        // The requests of a failed read are not sent.
        assert!(pieces.0.starts_with(&whole.0), "{step} bytes a read");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Waiting,
    Elsewhere(u16),
    Ready(String),
    Failed(DialogError),
}

/// The request lines of a conversation, and its result.
fn converse(data: &[u8], step: usize) -> (Vec<String>, End) {
    let text = format!("rtsp://viewer:{SECRET}@192.0.2.7:554/live?a=b");
    let url = CameraUrl::parse(&text).expect("a url");
    let peer = [192, 0, 2, 7].into();
    let mut dialog = Dialog::new(url, peer, None, &Habits::default(), true);
    let mut asked = Vec::new();
    let mut end = ask(&mut dialog, &mut asked);
    for piece in data.chunks(step.max(1)) {
        if end != End::Waiting {
            break;
        }
        end = match dialog.receive(piece) {
            Ok(()) => ask(&mut dialog, &mut asked),
            Err(error) => {
                let words = error.to_string();
                assert!(!words.contains(SECRET) && !words.contains(char::is_control), "{words}");
                End::Failed(error)
            }
        };
    }
    assert!(!format!("{dialog:?}").contains(SECRET));
    (asked, end)
}

/// Records the requests of a dialog.
fn ask(dialog: &mut Dialog, asked: &mut Vec<String>) -> End {
    loop {
        let step = dialog.poll();
        assert!(!format!("{step:?}").contains(SECRET));
        match step {
            DialogStep::Read => return End::Waiting,
            DialogStep::OpenPorts => {
                if let Err(error) = dialog.ports_opened(5000) {
                    return End::Failed(error);
                }
            }
            DialogStep::Connect(port) => return End::Elsewhere(port),
            DialogStep::Ready(ready) => return End::Ready(format!("{:?}", ready.video)),
            DialogStep::Send(bytes) => {
                check_requests(&bytes);
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(SECRET));
                let requests = text.lines().filter(|line| line.ends_with(" RTSP/1.0"));
                asked.extend(requests.map(str::to_owned));
                let longest = text.lines().map(str::len).max();
                assert!(longest.is_none_or(|bytes| bytes <= 3 * RTSP_REQUEST_URL_BYTES_MAX));
            }
        }
    }
}
