//! Decides what the next bytes of a connection are: a `$` frame, a message, line ends, or garbage.
//!
//! The result for some bytes stays valid when more bytes follow, so a conversation means the same
//! however it is cut into reads. Nothing is consumed here. For an unfinished message head, the
//! caller keeps how far it was scanned ([`HeadScan`]).
//!
//! In sync, any `$` header is accepted, because cameras send channels that were never set up. After
//! garbage (cameras that mishandle a full TCP window repeat or skip bytes), only an anchor is: a
//! `$` frame on a channel of a track with RTP version 2 of its payload type or RTCP, or
//! `RTSP/1.0 `.

use super::message::Head;
use super::sdp::SoundTrack;
use crate::limits::{RTSP_BODY_BYTES_MAX, RTSP_HEAD_BYTES_MAX};

const _: () = assert!(RTSP_HEAD_BYTES_MAX <= u16::MAX as usize, "a scan is counted in a u16");

/// Bytes of a `$` header: `$`, channel, length.
const FRAME_HEADER_BYTES: usize = 4;
/// Bytes of a `$` header and of the payload's start, which tells RTP from RTCP and shows the type.
const FRAME_START_BYTES: usize = FRAME_HEADER_BYTES + 2;
/// Bytes of an RTP header. A shorter frame cannot hold RTP.
const RTP_HEADER_BYTES: usize = 12;
const RTCP_HEADER_BYTES: usize = 8;
/// The longest method name accepted; the longest in RFC 2326 and 7826 have 13 characters.
const METHOD_BYTES_MAX: usize = 24;
/// While the end of a head is missing, ask for this many bytes more, or for double if that is more.
const HEAD_STEP_BYTES_MIN: usize = 64;
const ANCHOR: &[u8] = b"RTSP/1.0 ";

/// The interleaved channels and the RTP payload type of the video track, and of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    pub rtp: u8,
    pub rtcp: u8,
    pub payload_type: u8,
    pub sound: Option<SoundChannels>,
}

/// The interleaved channels of the sound, and what comes on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SoundChannels {
    pub rtp: u8,
    pub rtcp: u8,
    pub track: SoundTrack,
}

/// What the next bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Examination {
    /// Undecided: needs `least` bytes in all, counted from here, and can use up to `most`.
    Need { least: usize, most: usize },
    /// This many line ends between messages, which mean nothing.
    Blank(usize),
    /// This many bytes of garbage: the connection is out of sync.
    Garbage(usize),
    /// A frame of `total` bytes to be skipped.
    Unwanted { total: usize, why: Unwanted },
    /// A frame of `total` bytes with an RTP packet of the video track.
    Rtp { total: usize },
    /// A frame of `total` bytes with an RTCP packet about the video track.
    Rtcp { total: usize },
    /// A frame of `total` bytes with an RTP packet of the sound.
    Sound { total: usize },
    /// A frame of `total` bytes with an RTCP packet about the sound.
    SoundReport { total: usize },
    /// A message with a complete head of `head` bytes; `total` includes its body.
    Text { head: usize, total: usize },
}

/// Why a frame is to be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Its channel was not set up.
    Channel,
    /// It is too short, or its payload type is not its track's.
    Content,
}

/// How far an unfinished head was scanned, so that a longer read need not scan it again. Reset it
/// to [`HeadScan::NONE`] unless the next bytes to examine are the same ones, possibly with more
/// after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadScan {
    bytes: u16,
    line_is_empty: bool,
}

impl HeadScan {
    /// No byte was scanned yet.
    pub(super) const NONE: Self = Self { bytes: 0, line_is_empty: false };
}

/// Examines `bytes`, which must not be empty. Without `channels`, every `$` frame is unwanted; with
/// `lost`, the connection is out of sync.
pub(super) fn examine(
    bytes: &[u8],
    channels: Option<Channels>,
    lost: bool,
    scan: &mut HeadScan,
) -> Examination {
    if lost {
        return examine_lost(bytes, channels, scan);
    }
    match bytes[0] {
        b'\r' | b'\n' => {
            let blank = |byte: &u8| !matches!(byte, b'\r' | b'\n');
            Examination::Blank(bytes.iter().position(blank).unwrap_or(bytes.len()))
        }
        b'$' => examine_frame(bytes, channels),
        b'A'..=b'Z' => examine_text(bytes, scan),
        _ => Examination::Garbage(1),
    }
}

/// Searches for an anchor while out of sync.
fn examine_lost(bytes: &[u8], channels: Option<Channels>, scan: &mut HeadScan) -> Examination {
    let start = bytes.iter().position(|byte| matches!(byte, b'$' | b'R')).unwrap_or(bytes.len());
    if start > 0 {
        return Examination::Garbage(start);
    }
    if bytes[0] == b'R' {
        let seen = bytes.len().min(ANCHOR.len());
        return match bytes[..seen] == ANCHOR[..seen] {
            false => Examination::Garbage(1),
            true if seen < ANCHOR.len() => need(ANCHOR.len()),
            true => examine_text(bytes, scan),
        };
    }
    match (channels, bytes) {
        (None, _) => Examination::Garbage(1),
        (Some(channels), [_, channel, ..]) if !channels.has(*channel) => Examination::Garbage(1),
        _ if bytes.len() < FRAME_START_BYTES => need(FRAME_START_BYTES),
        _ => match examine_frame(bytes, channels) {
            Examination::Unwanted { .. } => Examination::Garbage(1),
            verdict => verdict,
        },
    }
}

/// Examines bytes that begin with `$`: channel, length (RFC 2326 section 10.12), payload.
fn examine_frame(bytes: &[u8], channels: Option<Channels>) -> Examination {
    let [_, channel, high, low, payload @ ..] = bytes else {
        return need(FRAME_HEADER_BYTES);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let total = FRAME_HEADER_BYTES + len;
    let Some(channels) = channels.filter(|channels| channels.has(*channel)) else {
        let why = Unwanted::Channel;
        return Examination::Unwanted { total, why };
    };
    let unwanted = Examination::Unwanted { total, why: Unwanted::Content };
    if len < RTCP_HEADER_BYTES {
        return unwanted;
    }
    let [first, second, ..] = payload else {
        return need(FRAME_START_BYTES);
    };
    if first >> 6 != 2 {
        return Examination::Garbage(1);
    }
    let sound = channels.sound.filter(|sound| sound.has(*channel));
    let payload_type = sound.map_or(channels.payload_type, |sound| sound.track.payload_type);
    // Some cameras swap the channels, so the second byte decides (RFC 5761 section 4).
    let is_rtp = second & 0x7f == payload_type && len >= RTP_HEADER_BYTES;
    match (second, sound) {
        (200..=204, None) => Examination::Rtcp { total },
        (200..=204, Some(_)) => Examination::SoundReport { total },
        (_, None) if is_rtp => Examination::Rtp { total },
        (_, Some(_)) if is_rtp => Examination::Sound { total },
        _ => unwanted,
    }
}

/// Examines bytes that begin like a message: with `RTSP/` or a method.
fn examine_text(bytes: &[u8], scan: &mut HeadScan) -> Examination {
    let word = bytes.iter().take(METHOD_BYTES_MAX + 1);
    let word = word.copied().position(|byte| !matches!(byte, b'A'..=b'Z' | b'_'));
    match word {
        Some(len) if &bytes[..len] == b"RTSP" && bytes[len] == b'/' => {}
        Some(3..=METHOD_BYTES_MAX) if bytes[word.unwrap_or(0)] == b' ' => {}
        None if bytes.len() <= METHOD_BYTES_MAX => return need(bytes.len() + 1),
        _ => return Examination::Garbage(1),
    }
    #[cfg(any(test, fuzzing))]
    let before = scan.bytes;
    let end = find_head_end(&bytes[..bytes.len().min(RTSP_HEAD_BYTES_MAX)], scan);
    #[cfg(any(test, fuzzing))]
    scanned::add(usize::from(scan.bytes - before) + 1);
    match end {
        HeadEnd::At(head) => {
            let body = Head::parse(&bytes[..head]).map_or(0, |parsed| parsed.content_length());
            if body > RTSP_BODY_BYTES_MAX {
                return Examination::Garbage(head);
            }
            Examination::Text { head, total: head + body }
        }
        // A `$` frame may have interrupted the message; its header begins up to 3 bytes before.
        HeadEnd::NoText(at) => {
            Examination::Garbage(at.saturating_sub(FRAME_HEADER_BYTES - 1).max(1))
        }
        HeadEnd::NotYet if bytes.len() >= RTSP_HEAD_BYTES_MAX => {
            Examination::Garbage(RTSP_HEAD_BYTES_MAX - (FRAME_HEADER_BYTES - 1))
        }
        HeadEnd::NotYet => Examination::Need {
            least: bytes.len() + 1,
            most: (2 * bytes.len()).max(bytes.len() + HEAD_STEP_BYTES_MIN).min(RTSP_HEAD_BYTES_MAX),
        },
    }
}

enum HeadEnd {
    /// The size of the head in bytes, including the blank line.
    At(usize),
    /// The index of a byte that cannot be part of a head.
    NoText(usize),
    NotYet,
}

fn find_head_end(bytes: &[u8], scan: &mut HeadScan) -> HeadEnd {
    for (at, byte) in bytes.iter().enumerate().skip(usize::from(scan.bytes)) {
        match byte {
            // Not counted as scanned: the end must be found again while the body arrives.
            b'\n' if scan.line_is_empty => return HeadEnd::At(at + 1),
            b'\n' => scan.line_is_empty = true,
            b'\r' => {}
            b'\t' | b' '..=b'~' | 0x80.. => scan.line_is_empty = false,
            _ => return HeadEnd::NoText(at),
        }
        scan.bytes += 1;
    }
    HeadEnd::NotYet
}

/// Counts the bytes of heads that were scanned, for the tests that bound this.
#[cfg(any(test, fuzzing))]
pub(super) mod scanned {
    use std::cell::Cell;

    thread_local!(static BYTES: Cell<usize> = const { Cell::new(0) });

    pub(super) fn add(bytes: usize) {
        BYTES.set(BYTES.get() + bytes);
    }

    /// Bytes scanned by this thread since the last call.
    pub(in crate::rtsp) fn take() -> usize {
        BYTES.take()
    }
}

fn need(bytes: usize) -> Examination {
    Examination::Need { least: bytes, most: bytes }
}

impl Channels {
    pub(super) fn has(self, channel: u8) -> bool {
        let is_sound = self.sound.is_some_and(|sound| sound.has(channel));
        channel == self.rtp || channel == self.rtcp || is_sound
    }
}

impl SoundChannels {
    fn has(self, channel: u8) -> bool {
        channel == self.rtp || channel == self.rtcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Option<Channels> =
        Some(Channels { rtp: 2, rtcp: 3, payload_type: 96, sound: None });

    fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).expect("fits").to_be_bytes();
        [&[b'$', channel, len[0], len[1]], payload].concat()
    }

    fn in_sync(bytes: &[u8]) -> Examination {
        examine(bytes, OURS, false, &mut { HeadScan::NONE })
    }

    fn lost(bytes: &[u8]) -> Examination {
        examine(bytes, OURS, true, &mut { HeadScan::NONE })
    }

    #[test]
    fn frames_are_known_by_their_second_byte_on_either_channel() {
        let rtp = [&[0x80, 0xe0][..], &[0; 20]].concat();
        let report = [&[0x80, 200][..], &[0; 26]].concat();
        for channel in [2, 3] {
            assert_eq!(in_sync(&frame(channel, &rtp)), Examination::Rtp { total: 26 });
            assert_eq!(in_sync(&frame(channel, &report)), Examination::Rtcp { total: 32 });
        }
        let other = frame(2, &[&[0x80, 50][..], &[0; 20]].concat());
        let why = Unwanted::Content;
        assert_eq!(in_sync(&other), Examination::Unwanted { total: 26, why });
        assert_eq!(in_sync(&frame(2, &[])), Examination::Unwanted { total: 4, why });
        let why = Unwanted::Channel;
        assert_eq!(in_sync(&frame(0, &rtp)), Examination::Unwanted { total: 26, why });
    }

    #[test]
    fn after_garbage_only_an_anchor_counts() {
        let rtp = [&[0x80, 0xe0][..], &[0; 20]].concat();
        assert_eq!(lost(b"abc$"), Examination::Garbage(3));
        assert_eq!(lost(&frame(0, &rtp)), Examination::Garbage(1));
        assert_eq!(lost(&frame(2, &[0x80, 50, 0, 0, 0, 0, 0, 0])), Examination::Garbage(1));
        assert_eq!(lost(&frame(2, &rtp)), Examination::Rtp { total: 26 });
        assert_eq!(lost(b"RTP"), Examination::Garbage(1));
        assert_eq!(lost(b"RTSP/1"), need(9));
        assert!(matches!(lost(b"RTSP/1.0 200 OK\r\n\r\n"), Examination::Text { total: 19, .. }));
        assert_eq!(lost(b"OPTIONS * RTSP/1.0\r\n\r\n"), Examination::Garbage(10));
    }

    #[test]
    fn messages_end_at_a_blank_line_of_any_kind() {
        let head = |text: &[u8]| match in_sync(text) {
            Examination::Text { head, total } => (head, total),
            verdict => panic!("{verdict:?}"),
        };
        assert_eq!(head(b"RTSP/1.0 200 OK\r\n\r\n$"), (19, 19));
        assert_eq!(head(b"RTSP/1.0 200 OK\n\nx"), (17, 17));
        assert_eq!(head(b"OPTIONS * RTSP/1.0\r\nContent-length: 5\r\n\r\n"), (41, 46));
        assert_eq!(in_sync(b"OPTI"), need(5));
        assert_eq!(in_sync(b"OP "), Examination::Garbage(1));
    }

    #[test]
    fn messages_over_their_bounds_are_garbage() {
        let body = |bytes: usize| {
            let text = format!("RTSP/1.0 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            in_sync(text.as_bytes())
        };
        assert!(matches!(body(RTSP_BODY_BYTES_MAX), Examination::Text { .. }));
        assert!(matches!(body(RTSP_BODY_BYTES_MAX + 1), Examination::Garbage(_)));
        let head = |bytes: usize| {
            let text = format!("RTSP/1.0 200 {}\r\n\r\n", "x".repeat(bytes - 17));
            in_sync(text.as_bytes())
        };
        assert!(matches!(head(RTSP_HEAD_BYTES_MAX), Examination::Text { .. }));
        assert!(matches!(head(RTSP_HEAD_BYTES_MAX + 1), Examination::Garbage(_)));
        assert_eq!(in_sync(b"RTSP/1.0 200 OK\r\nCSe$\x02\x00\x05"), Examination::Garbage(18));
    }

    #[test]
    fn a_verdict_does_not_change_with_more_bytes() {
        let rtp = frame(2, &[&[0x80, 0x60][..], &[7; 20]].concat());
        let stream = [
            b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc\r\n".to_vec(),
            rtp.clone(),
            b"xR$\x02\x00RTSP/1.0 4\0".to_vec(),
            rtp,
        ]
        .concat();
        for is_lost in [false, true] {
            for start in 0..stream.len() {
                let whole = examine(&stream[start..], OURS, is_lost, &mut { HeadScan::NONE });
                // Once from the start, and once with the scan of the shorter parts.
                let mut scan = HeadScan::NONE;
                for end in start + 1..=stream.len() {
                    let part = examine(&stream[start..end], OURS, is_lost, &mut scan);
                    let again = &mut { HeadScan::NONE };
                    assert_eq!(examine(&stream[start..end], OURS, is_lost, again), part);
                    let same = part == whole
                        || matches!(part, Examination::Need { .. })
                        || matches!((part, whole), (Examination::Garbage(a), Examination::Garbage(b)) if a <= b)
                        || matches!((part, whole), (Examination::Blank(a), Examination::Blank(b)) if a <= b);
                    assert!(same, "{start}..{end}: {part:?}, then {whole:?}");
                }
            }
        }
    }
}
