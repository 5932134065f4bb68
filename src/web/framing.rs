//! Where each request ends, read a second time beside hyper. This finds requests that two readers
//! of one connection (weir and a proxy in front of it) could take for two different requests (RFC
//! 9112 section 6.3).
//!
//! hyper drops `Content-Length` where there is `Transfer-Encoding`, and takes two equal lengths for
//! one, so that no service can see them. [`Watched`] sees them in the bytes themselves and tells
//! the service, which refuses the request and closes the connection. It keeps the first
//! [`LINE_BYTES`] of a line, and changes nothing that hyper reads. After a body in chunks it reads
//! no further: the service closes the connection after such a request.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes of a header line are kept: enough for `Transfer-Encoding:` and for any length.
const LINE_BYTES: usize = 48;

/// The framing fault of a connection's requests. Once set, it stays until the connection ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Rc<Cell<Option<&'static str>>>);

impl Fault {
    /// What is wrong, for the reply to the client; `None` while nothing is.
    pub(super) fn words(&self) -> Option<&'static str> {
        self.0.get()
    }
}

/// A connection whose incoming bytes are scanned for framing faults.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    scanner: Scanner,
    fault: Fault,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, scanner: Scanner::default(), fault: Fault::default() }
    }

    /// A handle to the fault, for the service that answers the connection's requests.
    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }
}

/// How far the incoming bytes have been scanned.
#[derive(Debug)]
struct Scanner {
    place: Place,
    line: [u8; LINE_BYTES],
    /// Bytes of the line so far, kept or not.
    line_bytes: usize,
    /// The request line has been scanned.
    has_begun: bool,
    lengths: u8,
    encodings: u8,
    length: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    /// This many bytes of a body are still to come.
    Body(u64),
    /// Nothing more is scanned: there was a fault, or a body in chunks.
    Past,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            place: Place::Head,
            line: [0; LINE_BYTES],
            line_bytes: 0,
            has_begun: false,
            lengths: 0,
            encodings: 0,
            length: None,
        }
    }
}

impl Scanner {
    /// Scans the next bytes of the connection; returns the fault that they complete.
    fn read(&mut self, mut bytes: &[u8]) -> Option<&'static str> {
        while !bytes.is_empty() {
            match self.place {
                Place::Past => return None,
                Place::Body(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[skipped..];
                    let left = left - skipped as u64;
                    self.place = if left > 0 { Place::Body(left) } else { Place::Head };
                }
                Place::Head => {
                    let (&byte, rest) = bytes.split_first()?;
                    bytes = rest;
                    if byte != b'\n' {
                        if let Some(kept) = self.line.get_mut(self.line_bytes) {
                            *kept = byte;
                        }
                        self.line_bytes += 1;
                    } else if let Some(fault) = self.end_line() {
                        self.place = Place::Past;
                        return Some(fault);
                    }
                }
            }
        }
        None
    }

    fn end_line(&mut self) -> Option<&'static str> {
        let is_whole = self.line_bytes <= LINE_BYTES;
        let kept = self.line;
        let line = &kept[..self.line_bytes.min(LINE_BYTES)];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line_bytes = 0;
        if line.is_empty() {
            // Empty lines before a request are not part of it (RFC 9112 section 2.2).
            return if self.has_begun { self.end_head() } else { None };
        }
        if !self.has_begun {
            self.has_begun = true;
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings = self.encodings.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths = self.lengths.saturating_add(1);
            let digits = std::str::from_utf8(value).ok().filter(|_| is_whole);
            self.length = digits.and_then(|digits| digits.parse().ok());
            if self.length.is_none() {
                return Some("Content-Length is not a number");
            }
        }
        None
    }

    fn end_head(&mut self) -> Option<&'static str> {
        let Self { lengths, encodings, length, .. } = std::mem::take(self);
        match (lengths, encodings) {
            (0, 0) => {}
            (1, 0) => {
                self.place = length.filter(|bytes| *bytes > 0).map_or(Place::Head, Place::Body)
            }
            (0, 1) => self.place = Place::Past,
            (0, _) => return Some("there is more than one Transfer-Encoding"),
            (_, 0) => return Some("there is more than one Content-Length"),
            _ => return Some("there is Content-Length beside Transfer-Encoding"),
        }
        None
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(fault) = self.scanner.read(&buffer.filled()[before..]) {
            self.fault.0.set(Some(fault));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_two_readers_could_frame_in_two_ways_are_found_wherever_they_are_cut() {
        let post = "POST / HTTP/1.1\r\nHost: a\r\n";
        for (rest, expected) in [
            ("\r\n", None),
            ("Content-Length: 3\r\n\r\nabc", None),
            ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None),
            ("content-length: 3\r\nTRANSFER-ENCODING: chunked\r\n\r\n", Some("beside")),
            ("Transfer-Encoding: chunked\ncontent-length:3\n\n", Some("beside")),
            ("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Some("more than one Content")),
            ("Transfer-Encoding: a\r\nTransfer-Encoding: chunked\r\n\r\n", Some("more than one T")),
            ("Content-Length: 3, 3\r\n\r\n", Some("not a number")),
            ("Content-Length: -3\r\n\r\n", Some("not a number")),
            (
                "X: \r\nContent-Length:                                           3\r\n\r\n",
                Some("not"),
            ),
        ] {
            let text = format!("\r\n{post}{rest}");
            for cut in 0..text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                let mut scanner = Scanner::default();
                let found = scanner.read(first).or_else(|| scanner.read(second));
                let is_right = found.map_or(expected.is_none(), |found| {
                    expected.is_some_and(|expected| found.contains(expected))
                });
                assert!(is_right, "{found:?} for {rest:?}");
            }
            // After a body whose content looks like a head.
            let body = format!("{post}Transfer-Encoding: b\r\nContent-Length: 1\r\n\r\n");
            let before = format!("{post}Content-Length: {}\r\n\r\n{body}", body.len());
            let found = Scanner::default().read((before + &text).as_bytes());
            assert_eq!(found.is_some(), expected.is_some(), "{rest:?} as the second");
        }
    }
}
