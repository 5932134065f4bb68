//! What carries a bridged camera's RTSP: one connection with TLS, or the two of an HTTP tunnel as
//! one stream. In a tunnel all that comes is on the one, and what is written goes to the other in
//! base64. [`crate::rtsp::Tunnel`] has the requests that open it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::RTSP_TRANSMIT_BYTES_MAX;

/// Bytes of the longest request in base64.
const ENCODED_BYTES_MAX: usize = RTSP_TRANSMIT_BYTES_MAX.div_ceil(3) * 4;

/// A stream that only the control thread can read and write.
pub(super) trait Carrier: AsyncBufRead + AsyncWrite {}

impl<T: AsyncBufRead + AsyncWrite> Carrier for T {}

/// A tunnel with both of its connections open.
pub(super) struct TunnelStream {
    get: Pin<Box<dyn Carrier>>,
    post: Pin<Box<dyn Carrier>>,
    /// What the POST's connection has yet to take; never more than it began with room for.
    encoded: Vec<u8>,
}

impl TunnelStream {
    /// The GET's connection, behind the head of its answer, and the POST's behind its own head.
    pub(super) fn new(get: Pin<Box<dyn Carrier>>, post: Pin<Box<dyn Carrier>>) -> Self {
        Self { get, post, encoded: Vec::with_capacity(ENCODED_BYTES_MAX) }
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.encoded.is_empty() {
            let written = ready!(self.post.as_mut().poll_write(context, &self.encoded))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.encoded.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get.as_mut().poll_read(context, buffer)
    }
}

impl AsyncBufRead for TunnelStream {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().get.as_mut().poll_fill_buf(context)
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.get.as_mut().consume(bytes);
    }
}

impl AsyncWrite for TunnelStream {
    /// Takes one request at a time: each is a piece of base64 of its own, with its padding, as
    /// other clients write it.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        let piece = &bytes[..bytes.len().min(RTSP_TRANSMIT_BYTES_MAX)];
        self.encoded.resize(piece.len().div_ceil(3) * 4, 0);
        let encoded = STANDARD.encode_slice(piece, &mut self.encoded);
        encoded.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        match self.poll_drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        self.post.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        ready!(self.post.as_mut().poll_shutdown(context))?;
        self.get.as_mut().poll_shutdown(context)
    }
}
