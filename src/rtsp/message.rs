//! RTSP messages: heads are parsed in place, without a copy; requests are written field by field.
//!
//! Parsing is lenient: LF alone ends a line, the reason phrase may be missing, any version is
//! accepted, blanks may precede a colon, bytes may have any encoding, and a line that is no header
//! is skipped. A value is bytes, because a Digest realm must be hashed as received. `examine` has
//! already found the head's end and bounded its size. Nothing here allocates.

use super::auth::Auth;
use super::transmit::{Transmit, TransmitFull};

/// weir's name. Short and constant, because some cameras answer 401 or 400 to anything else.
const USER_AGENT: &str = "weir";

/// A parsed message head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    /// The contents of its first line.
    pub kind: MessageKind<'a>,
    lines: &'a [u8],
}

/// The kind of a message, from its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageKind<'a> {
    Response { status: u16 },
    Request { method: &'a [u8] },
}

impl<'a> Head<'a> {
    /// The head that `bytes` begin with; `None` when the first line is not RTSP.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::parse_as(bytes, b"RTSP/")
    }

    /// The same of HTTP; its answers differ in the name alone.
    pub(super) fn parse_http(bytes: &'a [u8]) -> Option<Self> {
        bytes.starts_with(b"HTTP/").then(|| Self::parse_as(bytes, b"HTTP/")).flatten()
    }

    fn parse_as(bytes: &'a [u8], protocol: &[u8]) -> Option<Self> {
        let (first, lines) = split_line(bytes);
        let kind = if first.starts_with(protocol) {
            let status = first.iter().position(|byte| *byte == b' ')?;
            let digits = first[status..].trim_ascii_start().get(..3)?;
            MessageKind::Response { status: std::str::from_utf8(digits).ok()?.parse().ok()? }
        } else {
            let end = first.iter().position(|byte| *byte == b' ')?;
            MessageKind::Request { method: &first[..end] }
        };
        Some(Self { kind, lines })
    }

    /// All headers in order, trimmed. A folded value keeps its line breaks, which count as blanks.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (len, after) = folded_line(rest);
                let line = &rest[..len];
                rest = after;
                if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                    return Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()));
                }
            }
            None
        })
    }

    /// Every value of the headers with this name.
    pub(super) fn values(
        &self,
        name: &'static str,
    ) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.headers()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The first value of a header, if it is UTF-8.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        std::str::from_utf8(value?.1).ok()
    }

    /// The CSeq number, if there is a valid one.
    pub(super) fn cseq(&self) -> Option<u32> {
        self.text("CSeq")?.parse().ok()
    }

    /// The size of the body in bytes; 0 when the header is missing or invalid.
    pub(super) fn content_length(&self) -> usize {
        self.text("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The session ID, and its timeout in seconds if given. Hikvision and GW Security put blanks
    /// around both.
    pub(super) fn session(&self) -> Option<(&'a str, Option<u32>)> {
        let mut parts = self.text("Session")?.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty())?;
        let timeout = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let seconds = || value.trim().trim_matches('"').parse().ok();
            if name.trim().eq_ignore_ascii_case("timeout") { seconds() } else { None }
        });
        Some((id, timeout))
    }
}

/// The first line without its line end, and the bytes after it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (bytes[..end].trim_ascii_end(), &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// The length of the first line with its continuation lines, and the bytes after them.
fn folded_line(bytes: &[u8]) -> (usize, &[u8]) {
    let mut len = 0;
    loop {
        let (_, after) = split_line(&bytes[len..]);
        len = bytes.len() - after.len();
        if !matches!(after.first(), Some(b' ' | b'\t')) {
            return (len, after);
        }
    }
}

/// A request to be written. The URI is sent unchanged.
#[derive(Debug)]
pub(super) struct RtspRequest<'a> {
    pub method: &'static str,
    pub uri: &'a str,
    pub cseq: u32,
    pub session: Option<&'a str>,
    /// One more complete header, without its line end.
    pub extra: Option<&'a str>,
}

impl RtspRequest<'_> {
    /// Writes the request, signed if the camera sent a challenge; all of it or nothing.
    pub(super) fn write(&self, auth: &mut Auth, out: &mut Transmit) -> Result<(), TransmitFull> {
        out.whole(|out| {
            write!(out, "{} {} RTSP/1.0\r\nCSeq: {}\r\n", self.method, self.uri, self.cseq)?;
            write!(out, "User-Agent: {USER_AGENT}\r\n")?;
            if let Some(session) = self.session {
                write!(out, "Session: {session}\r\n")?;
            }
            if let Some(extra) = self.extra {
                write!(out, "{extra}\r\n")?;
            }
            auth.sign(self.method, self.uri, out)?;
            out.push(b"\r\n")
        })
    }
}

/// Answers a request that a camera sent. weir performs none of them, but OPTIONS and GET_PARAMETER
/// get 200, because a camera uses them to check that its client is alive.
pub(super) fn answer(head: &Head<'_>, out: &mut Transmit) -> Result<(), TransmitFull> {
    let MessageKind::Request { method } = head.kind else {
        return Ok(());
    };
    let status = match method {
        b"OPTIONS" | b"GET_PARAMETER" => "200 OK",
        _ => "501 Not Implemented",
    };
    out.whole(|out| {
        write!(out, "RTSP/1.0 {status}\r\n")?;
        if let Some(cseq) = head.cseq() {
            write!(out, "CSeq: {cseq}\r\n")?;
        }
        out.push(b"\r\n")
    })
}

#[cfg(test)]
mod tests {
    use super::super::auth::Auth;
    use super::*;

    #[test]
    fn heads_that_strict_parsers_refuse_are_read() {
        let head = Head::parse(b"RTSP/1.0 200\ncseq : 7\nSession:\t 9a; timeout=60\nx\n\n");
        let head = head.expect("parses");
        assert_eq!(head.kind, MessageKind::Response { status: 200 });
        assert_eq!((head.cseq(), head.session()), (Some(7), Some(("9a", Some(60)))));
        let latin = b"RTSP/1.1 401 N\xe3o\r\nWWW-Authenticate: Basic realm=\"C\xe2mera\"\r\n\r\n";
        let head = Head::parse(latin).expect("parses");
        assert_eq!(head.kind, MessageKind::Response { status: 401 });
        let values: Vec<_> = head.values("www-authenticate").collect();
        assert_eq!(values, [b"Basic realm=\"C\xe2mera\""]);
        assert!(Head::parse(b"RTSP/1.0\r\n\r\n").is_none());
        assert!(Head::parse(b"RTSP/1.0 abc\r\n\r\n").is_none());
    }

    #[test]
    fn a_folded_value_is_one_value() {
        let head = Head::parse(b"RTSP/1.0 401 U\r\nA: b,\r\n\tc\r\nD: e\r\n\r\n").expect("parses");
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(headers, [(&b"A"[..], &b"b,\r\n\tc"[..]), (b"D", b"e")]);
    }

    #[test]
    fn a_session_header_is_read_in_all_its_forms() {
        let session = |value: &str| {
            let text = format!("RTSP/1.0 200 OK\r\nSession: {value}\r\n\r\n");
            Head::parse(text.as_bytes())
                .expect("parses")
                .session()
                .map(|(id, s)| (id.to_owned(), s))
        };
        let some = |id: &str, timeout| Some((id.to_owned(), timeout));
        assert_eq!(session("9a90de54; timeout=60"), some("9a90de54", Some(60)));
        assert_eq!(session("       708345999;timeout=60"), some("708345999", Some(60)));
        assert_eq!(session("1 ; Timeout = 30 ;x"), some("1", Some(30)));
        assert_eq!(session("1;timeout=soon"), some("1", None));
        assert_eq!(session("1"), some("1", None));
        assert_eq!(session(";timeout=5"), None);
    }

    #[test]
    fn well_formed_heads_read_as_rtsp_types_reads_them() {
        let text = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Base: rtsp://h/x/\r\n\
            Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 12;timeout=60\r\n\r\n";
        let (theirs, _) = rtsp_types::Message::<Vec<u8>>::parse(text).expect("parses");
        let rtsp_types::Message::Response(theirs) = theirs else {
            panic!("a response");
        };
        let ours = Head::parse(text).expect("parses");
        assert_eq!(ours.kind, MessageKind::Response { status: u16::from(theirs.status()) });
        for (name, value) in theirs.headers() {
            assert_eq!(ours.text(name.as_str()), Some(value.as_str()));
        }
        assert_eq!(ours.headers().count(), theirs.headers().count());
    }

    #[test]
    fn a_request_carries_its_uri_to_the_byte() {
        let mut out = Transmit::new();
        let request = RtspRequest {
            method: "OPTIONS",
            uri: "rtsp://Cam:554/a?b=%20",
            cseq: 9,
            session: Some("12"),
            extra: None,
        };
        request.write(&mut Auth::new(None, false), &mut out).expect("fits");
        let text = std::str::from_utf8(out.bytes()).expect("ascii");
        let expected = "OPTIONS rtsp://Cam:554/a?b=%20 RTSP/1.0\r\nCSeq: 9\r\n\
            User-Agent: weir\r\nSession: 12\r\n\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_camera_that_asks_gets_an_answer() {
        let answered = |text: &[u8]| {
            let mut out = Transmit::new();
            answer(&Head::parse(text).expect("parses"), &mut out).expect("fits");
            String::from_utf8(out.bytes().to_vec()).expect("ascii")
        };
        let options = answered(b"OPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n");
        assert_eq!(options, "RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n");
        let announce = answered(b"ANNOUNCE rtsp://h/ RTSP/1.0\r\nCSeq: 6\r\n\r\n");
        assert_eq!(announce, "RTSP/1.0 501 Not Implemented\r\nCSeq: 6\r\n\r\n");
    }
}
