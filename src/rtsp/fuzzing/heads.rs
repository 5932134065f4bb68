//! Fuzzes message heads.

use rtsp_types::Message;

use super::super::examine::{Examination, HeadScan, examine};
use super::super::message::{Head, MessageKind, answer};
use super::super::transmit::Transmit;
use super::super::tunnel::{Tunnel, TunnelStep};
use super::super::url::CameraUrl;
use super::CHANNELS;
use crate::demo;
use crate::limits::RTSP_HEAD_BYTES_MAX;

/// Up to this many bytes, every end is tried.
const ENDS_MAX: usize = 256;

/// Heads: the result for some bytes stays valid with more bytes; an independent parser that accepts
/// a head finds the same in it and accepts weir's answer to the camera's request. The demo camera
/// answers it, too.
pub fn head(data: &[u8]) {
    verdicts_hold(data);
    demo::fuzz(data);
    tunnel(data);
    let Some(head) = Head::parse(data) else { return };
    for (name, value) in head.headers() {
        assert_eq!((name, value), (name.trim_ascii(), value.trim_ascii()));
        assert!(!name.contains(&b':'));
    }
    let session = head.session();
    assert!(session.is_none_or(|(id, _)| !id.is_empty() && id == id.trim()));
    let mut out = Transmit::new();
    answer(&head, &mut out).expect("an answer fits an empty buffer");
    let is_request = matches!(head.kind, MessageKind::Request { .. });
    assert_eq!(is_request, !out.bytes().is_empty());
    if is_request {
        let read = Message::<Vec<u8>>::parse(out.bytes()).expect("our answer is rtsp");
        assert!(matches!(read, (Message::Response(_), bytes) if bytes == out.bytes().len()));
    }
    if let Examination::Text { head, total } = examine(data, None, false, &mut { HeadScan::NONE })
        && let Some(message) = data.get(..total)
    {
        agree(message, head);
    }
}

/// The head of a tunnel's answer ends at the same place however it is cut into reads.
fn tunnel(data: &[u8]) {
    let open = || {
        let url = CameraUrl::parse("rtsp+http://viewer:sesame@h/x").expect("a url");
        Tunnel::new(url, None, false)
    };
    let whole = open().receive(data);
    for split in 0..data.len().min(ENDS_MAX) {
        let mut tunnel = open();
        let (first, second) = data.split_at(split);
        let result = match tunnel.receive(first) {
            Ok((_, TunnelStep::Read)) => {
                tunnel.receive(second).map(|(bytes, step)| (split + bytes, step))
            }
            other => other,
        };
        assert_eq!(result, whole);
    }
    match whole {
        Ok((bytes, TunnelStep::Read)) => {
            assert!(bytes == data.len() && bytes < RTSP_HEAD_BYTES_MAX)
        }
        Ok((bytes, _)) => assert!(data[..bytes].ends_with(b"\n") && data.starts_with(b"HTTP/")),
        Err(error) => assert!(!error.to_string().contains("sesame")),
    }
}

fn verdicts_hold(data: &[u8]) {
    let data = &data[..data.len().min(ENDS_MAX)];
    for (channels, lost) in
        [(None, false), (None, true), (Some(CHANNELS), false), (Some(CHANNELS), true)]
    {
        if data.is_empty() {
            return;
        }
        let whole = examine(data, channels, lost, &mut { HeadScan::NONE });
        let mut scan = HeadScan::NONE;
        for end in 1..data.len() {
            let part = examine(&data[..end], channels, lost, &mut scan);
            let holds = match (part, whole) {
                (Examination::Need { .. }, _) => true,
                (Examination::Garbage(part), Examination::Garbage(whole))
                | (Examination::Blank(part), Examination::Blank(whole)) => part <= whole,
                (part, whole) => part == whole,
            };
            assert!(holds, "{end} bytes: {part:?}, then {whole:?}");
        }
    }
}

/// Compares with an independent parser, if that accepts the message and lines end as in the RFC.
/// The two cannot agree on a bare LF, which weir accepts as a line end.
fn agree(message: &[u8], head_bytes: usize) {
    let Ok((theirs, total)) = Message::<Vec<u8>>::parse(message) else { return };
    let text = String::from_utf8_lossy(&message[..head_bytes]);
    if text.replace("\r\n", "").contains(['\r', '\n']) {
        return;
    }
    assert_eq!(total, message.len(), "the message ends elsewhere");
    let ours = Head::parse(&message[..head_bytes]).expect("an independent reader takes it");
    let (kind, headers): (MessageKind<'_>, Vec<(&str, &str)>) = match &theirs {
        Message::Response(response) => (
            MessageKind::Response { status: u16::from(response.status()) },
            response.headers().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        ),
        Message::Request(request) => (
            MessageKind::Request { method: <&str>::from(request.method()).as_bytes() },
            request.headers().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        ),
        Message::Data(_) => panic!("a message is no frame"),
    };
    assert_eq!(ours.kind, kind);
    for (name, value) in headers {
        let mut all =
            ours.headers().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        // The parsers differ on repeated and on folded headers. The other one also takes some
        // headers with the same beginning for the same header, and joins their values.
        if let (Some((_, first)), None) = (all.next(), all.next())
            && !first.contains(&b'\n')
        {
            let joined = value.as_bytes().strip_prefix(first);
            let is_same = joined.is_some_and(|more| more.is_empty() || more.starts_with(b", "));
            assert!(is_same, "{name}: {} and {value}", first.escape_ascii());
        }
    }
}
