//! What the next bytes of a connection are: a `$` frame, a message, nothing, or garbage.
//!
//! A verdict over some bytes is the verdict over any more of them: that is why a conversation
//! means the same however it is cut into reads. Nothing is consumed here, and of an unfinished head
//! the caller keeps how far it was looked through ([`HeadScan`]).
//!
//! In sync, any `$` header is believed, since cameras send channels that nobody set up. After
//! garbage (cameras that mishandle a full TCP window repeat or skip bytes) only an anchor is: a
//! `$` of our channels that holds RTP version 2 of our payload type or RTCP, or `RTSP/1.0 `.

use super::message::Head;
use crate::limits::{RTSP_BODY_BYTES_MAX, RTSP_HEAD_BYTES_MAX};

const _: () = assert!(RTSP_HEAD_BYTES_MAX <= u16::MAX as usize, "a scan is counted in a u16");

/// A `$` header.
const FRAME_HEADER_BYTES: usize = 4;
/// A `$` header and what tells RTP from RTCP and one payload type from another.
const FRAME_START_BYTES: usize = FRAME_HEADER_BYTES + 2;
/// An RTP header; a frame that cannot hold one holds nothing for us.
const RTP_HEADER_BYTES: usize = 12;
const RTCP_HEADER_BYTES: usize = 8;
/// A method's name, at most; the longest of RFC 2326 and 7826 have 13.
const METHOD_BYTES_MAX: usize = 24;
/// Asked for at least while a head's end is not in sight; else as much again as there is.
const HEAD_STEP_BYTES_MIN: usize = 64;
const ANCHOR: &[u8] = b"RTSP/1.0 ";

/// What belongs to the video track on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    pub rtp: u8,
    pub rtcp: u8,
    pub payload_type: u8,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not to be told yet: at least and at most so many bytes in all, counted from here.
    Need { least: usize, most: usize },
    /// So many line ends between messages, meaning nothing.
    Blank(usize),
    /// So many bytes without meaning: the connection is out of step.
    Garbage(usize),
    /// A frame of `total` bytes that nobody wants.
    Unwanted { total: usize, why: Unwanted },
    /// A frame of `total` bytes with an RTP packet of the video track.
    Rtp { total: usize },
    /// A frame of `total` bytes with RTCP.
    Rtcp { total: usize },
    /// A message whose head is complete; `total` counts its body.
    Text { head: usize, total: usize },
}

/// Why a frame is unwanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Its channel was never set up.
    Channel,
    /// It is too short, or of a payload type the SDP did not announce.
    Content,
}

/// How far an unfinished head was looked through, so that more of it is not looked through anew. To
/// be begun anew wherever the bytes to be examined are others than those of before with more
/// behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadScan {
    bytes: u16,
    line_is_empty: bool,
}

impl HeadScan {
    /// Nothing was looked at.
    pub(super) const NONE: Self = Self { bytes: 0, line_is_empty: false };
}

/// Judges `bytes`, which are not empty. Without `channels` no `$` frame is wanted.
pub(super) fn examine(
    bytes: &[u8],
    channels: Option<Channels>,
    lost: bool,
    scan: &mut HeadScan,
) -> Verdict {
    if lost {
        return examine_lost(bytes, channels, scan);
    }
    match bytes[0] {
        b'\r' | b'\n' => {
            let blank = |byte: &u8| !matches!(byte, b'\r' | b'\n');
            Verdict::Blank(bytes.iter().position(blank).unwrap_or(bytes.len()))
        }
        b'$' => examine_frame(bytes, channels),
        b'A'..=b'Z' => examine_text(bytes, scan),
        _ => Verdict::Garbage(1),
    }
}

/// Looks for an anchor.
fn examine_lost(bytes: &[u8], channels: Option<Channels>, scan: &mut HeadScan) -> Verdict {
    let start = bytes.iter().position(|byte| matches!(byte, b'$' | b'R')).unwrap_or(bytes.len());
    if start > 0 {
        return Verdict::Garbage(start);
    }
    if bytes[0] == b'R' {
        let seen = bytes.len().min(ANCHOR.len());
        return match bytes[..seen] == ANCHOR[..seen] {
            false => Verdict::Garbage(1),
            true if seen < ANCHOR.len() => need(ANCHOR.len()),
            true => examine_text(bytes, scan),
        };
    }
    match (channels, bytes) {
        (None, _) => Verdict::Garbage(1),
        (Some(channels), [_, channel, ..]) if !channels.has(*channel) => Verdict::Garbage(1),
        _ if bytes.len() < FRAME_START_BYTES => need(FRAME_START_BYTES),
        _ => match examine_frame(bytes, channels) {
            Verdict::Unwanted { .. } => Verdict::Garbage(1),
            verdict => verdict,
        },
    }
}

/// Judges what begins with `$`: channel, length (RFC 2326 section 10.12), payload.
fn examine_frame(bytes: &[u8], channels: Option<Channels>) -> Verdict {
    let [_, channel, high, low, payload @ ..] = bytes else {
        return need(FRAME_HEADER_BYTES);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let total = FRAME_HEADER_BYTES + len;
    let Some(channels) = channels.filter(|channels| channels.has(*channel)) else {
        let why = Unwanted::Channel;
        return Verdict::Unwanted { total, why };
    };
    let unwanted = Verdict::Unwanted { total, why: Unwanted::Content };
    if len < RTCP_HEADER_BYTES {
        return unwanted;
    }
    let [first, second, ..] = payload else {
        return need(FRAME_START_BYTES);
    };
    if first >> 6 != 2 {
        return Verdict::Garbage(1);
    }
    // Some cameras swap the channels, so the second byte decides (RFC 5761 section 4).
    match second {
        200..=204 => Verdict::Rtcp { total },
        _ if second & 0x7f == channels.payload_type && len >= RTP_HEADER_BYTES => {
            Verdict::Rtp { total }
        }
        _ => unwanted,
    }
}

/// Judges what begins like a message: `RTSP/` or a method.
fn examine_text(bytes: &[u8], scan: &mut HeadScan) -> Verdict {
    let word = bytes.iter().take(METHOD_BYTES_MAX + 1);
    let word = word.copied().position(|byte| !matches!(byte, b'A'..=b'Z' | b'_'));
    match word {
        Some(len) if &bytes[..len] == b"RTSP" && bytes[len] == b'/' => {}
        Some(3..=METHOD_BYTES_MAX) if bytes[word.unwrap_or(0)] == b' ' => {}
        None if bytes.len() <= METHOD_BYTES_MAX => return need(bytes.len() + 1),
        _ => return Verdict::Garbage(1),
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
                return Verdict::Garbage(head);
            }
            Verdict::Text { head, total: head + body }
        }
        // A `$` frame may have cut the message off up to a header's length before.
        HeadEnd::NoText(at) => Verdict::Garbage(at.saturating_sub(FRAME_HEADER_BYTES - 1).max(1)),
        HeadEnd::NotYet if bytes.len() >= RTSP_HEAD_BYTES_MAX => {
            Verdict::Garbage(RTSP_HEAD_BYTES_MAX - (FRAME_HEADER_BYTES - 1))
        }
        HeadEnd::NotYet => Verdict::Need {
            least: bytes.len() + 1,
            most: (2 * bytes.len()).max(bytes.len() + HEAD_STEP_BYTES_MIN).min(RTSP_HEAD_BYTES_MAX),
        },
    }
}

enum HeadEnd {
    /// The head has so many bytes, its blank line included.
    At(usize),
    /// The byte there cannot be part of a head.
    NoText(usize),
    NotYet,
}

fn find_head_end(bytes: &[u8], scan: &mut HeadScan) -> HeadEnd {
    for (at, byte) in bytes.iter().enumerate().skip(usize::from(scan.bytes)) {
        match byte {
            // The scan stays before it: the head is found again while its body comes.
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

/// How many bytes of heads were looked at, for the tests that bound it.
#[cfg(any(test, fuzzing))]
pub(super) mod scanned {
    use std::cell::Cell;

    thread_local!(static BYTES: Cell<usize> = const { Cell::new(0) });

    pub(super) fn add(bytes: usize) {
        BYTES.set(BYTES.get() + bytes);
    }

    /// By this thread, since it was asked last.
    pub(in crate::rtsp) fn take() -> usize {
        BYTES.take()
    }
}

fn need(bytes: usize) -> Verdict {
    Verdict::Need { least: bytes, most: bytes }
}

impl Channels {
    fn has(self, channel: u8) -> bool {
        channel == self.rtp || channel == self.rtcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Option<Channels> = Some(Channels { rtp: 2, rtcp: 3, payload_type: 96 });

    fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).expect("fits").to_be_bytes();
        [&[b'$', channel, len[0], len[1]], payload].concat()
    }

    fn in_sync(bytes: &[u8]) -> Verdict {
        examine(bytes, OURS, false, &mut { HeadScan::NONE })
    }

    fn lost(bytes: &[u8]) -> Verdict {
        examine(bytes, OURS, true, &mut { HeadScan::NONE })
    }

    #[test]
    fn frames_are_known_by_their_second_byte_on_either_channel() {
        let rtp = [&[0x80, 0xe0][..], &[0; 20]].concat();
        let report = [&[0x80, 200][..], &[0; 26]].concat();
        for channel in [2, 3] {
            assert_eq!(in_sync(&frame(channel, &rtp)), Verdict::Rtp { total: 26 });
            assert_eq!(in_sync(&frame(channel, &report)), Verdict::Rtcp { total: 32 });
        }
        let other = frame(2, &[&[0x80, 50][..], &[0; 20]].concat());
        let why = Unwanted::Content;
        assert_eq!(in_sync(&other), Verdict::Unwanted { total: 26, why });
        assert_eq!(in_sync(&frame(2, &[])), Verdict::Unwanted { total: 4, why });
        let why = Unwanted::Channel;
        assert_eq!(in_sync(&frame(0, &rtp)), Verdict::Unwanted { total: 26, why });
    }

    #[test]
    fn after_garbage_only_an_anchor_counts() {
        let rtp = [&[0x80, 0xe0][..], &[0; 20]].concat();
        assert_eq!(lost(b"abc$"), Verdict::Garbage(3));
        assert_eq!(lost(&frame(0, &rtp)), Verdict::Garbage(1));
        assert_eq!(lost(&frame(2, &[0x80, 50, 0, 0, 0, 0, 0, 0])), Verdict::Garbage(1));
        assert_eq!(lost(&frame(2, &rtp)), Verdict::Rtp { total: 26 });
        assert_eq!(lost(b"RTP"), Verdict::Garbage(1));
        assert_eq!(lost(b"RTSP/1"), need(9));
        assert!(matches!(lost(b"RTSP/1.0 200 OK\r\n\r\n"), Verdict::Text { total: 19, .. }));
        assert_eq!(lost(b"OPTIONS * RTSP/1.0\r\n\r\n"), Verdict::Garbage(10));
    }

    #[test]
    fn messages_end_at_a_blank_line_of_any_kind() {
        let head = |text: &[u8]| match in_sync(text) {
            Verdict::Text { head, total } => (head, total),
            verdict => panic!("{verdict:?}"),
        };
        assert_eq!(head(b"RTSP/1.0 200 OK\r\n\r\n$"), (19, 19));
        assert_eq!(head(b"RTSP/1.0 200 OK\n\nx"), (17, 17));
        assert_eq!(head(b"OPTIONS * RTSP/1.0\r\nContent-length: 5\r\n\r\n"), (41, 46));
        assert_eq!(in_sync(b"OPTI"), need(5));
        assert_eq!(in_sync(b"OP "), Verdict::Garbage(1));
    }

    #[test]
    fn messages_over_their_bounds_are_garbage() {
        let body = |bytes: usize| {
            let text = format!("RTSP/1.0 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            in_sync(text.as_bytes())
        };
        assert!(matches!(body(RTSP_BODY_BYTES_MAX), Verdict::Text { .. }));
        assert!(matches!(body(RTSP_BODY_BYTES_MAX + 1), Verdict::Garbage(_)));
        let head = |bytes: usize| {
            let text = format!("RTSP/1.0 200 {}\r\n\r\n", "x".repeat(bytes - 17));
            in_sync(text.as_bytes())
        };
        assert!(matches!(head(RTSP_HEAD_BYTES_MAX), Verdict::Text { .. }));
        assert!(matches!(head(RTSP_HEAD_BYTES_MAX + 1), Verdict::Garbage(_)));
        assert_eq!(in_sync(b"RTSP/1.0 200 OK\r\nCSe$\x02\x00\x05"), Verdict::Garbage(18));
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
                // Once anew and once with what the parts before it have shown.
                let mut scan = HeadScan::NONE;
                for end in start + 1..=stream.len() {
                    let part = examine(&stream[start..end], OURS, is_lost, &mut scan);
                    let anew = &mut { HeadScan::NONE };
                    assert_eq!(examine(&stream[start..end], OURS, is_lost, anew), part);
                    let same = part == whole
                        || matches!(part, Verdict::Need { .. })
                        || matches!((part, whole), (Verdict::Garbage(a), Verdict::Garbage(b)) if a <= b)
                        || matches!((part, whole), (Verdict::Blank(a), Verdict::Blank(b)) if a <= b);
                    assert!(same, "{start}..{end}: {part:?}, then {whole:?}");
                }
            }
        }
    }
}
