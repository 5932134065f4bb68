//! The bridge between an encrypted or tunnelled camera and the media thread.
//!
//! The media thread knows a stream socket and nothing else, and does no public-key operation. So
//! the control thread keeps such a camera's connection, and a task copies between it and one end of
//! a socket pair, whose other end is the media thread's. The camera is slowed down as a plain one
//! is: what the media thread does not read fills the pair, then the camera is not read, and TCP
//! makes it wait. A bridge has no queue of its own but for one request to the camera.

use std::future::poll_fn;
use std::io;
use std::os::unix::net;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::link::BridgedLink;
use crate::limits::{
    BRIDGE_GOODBYE_MS_MAX, BRIDGE_TO_CAMERA_BYTES, BRIDGE_TO_MEDIA_BYTES, RTSP_TRANSMIT_BYTES_MAX,
};

/// The task of one bridge. It ends when either side does.
pub(super) struct Bridge(JoinHandle<Option<String>>);

impl Bridge {
    /// Starts a bridge to `link`, and returns the socket for the media thread.
    pub(super) fn start(link: BridgedLink) -> io::Result<(Socket, Self)> {
        let (here, there) = net::UnixStream::pair()?;
        for (end, bytes) in [(&here, BRIDGE_TO_MEDIA_BYTES), (&there, BRIDGE_TO_CAMERA_BYTES)] {
            end.set_nonblocking(true)?;
            SockRef::from(end).set_send_buffer_size(bytes)?;
        }
        let media = UnixStream::from_std(here)?;
        let request = link.account().enter(|| Vec::with_capacity(RTSP_TRANSMIT_BYTES_MAX));
        let mut pipe = Pipe { link, media, request, is_ending: false };
        let task = async move {
            let ended = poll_fn(|context| pipe.poll(context)).await;
            // An end without a farewell is an end; cameras seldom send one.
            let error = ended.err().filter(|error| error.kind() != io::ErrorKind::UnexpectedEof)?;
            Some(format!("the camera's connection broke: {error}"))
        };
        Ok((there.into(), Self(spawn_local(task))))
    }

    /// Waits until the bridge has ended, since the media thread has let the camera go. Returns what
    /// broke the camera's connection, if something did. A camera that takes nothing any more has
    /// [`BRIDGE_GOODBYE_MS_MAX`].
    pub(super) async fn end(mut self) -> Option<String> {
        let patience = Duration::from_millis(BRIDGE_GOODBYE_MS_MAX);
        match timeout(patience, &mut self.0).await {
            Ok(ended) => ended.ok().flatten(),
            Err(_) => {
                self.0.abort();
                // Its memory is free once this is told.
                let _ = self.0.await;
                None
            }
        }
    }
}

/// The two streams, and what is on its way to the camera.
struct Pipe {
    link: BridgedLink,
    media: UnixStream,
    /// What the media thread wrote and the camera has yet to take.
    request: Vec<u8>,
    /// The media thread has let the camera go.
    is_ending: bool,
}

impl Pipe {
    /// Copies what can be copied now. Ready when one side has ended; an error is the camera's.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(ended) = self.poll_to_camera(context) {
            return Poll::Ready(ended);
        }
        self.poll_to_media(context)
    }

    fn poll_to_media(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let came = ready!(self.link.poll_fill(context))?;
            if came.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.media).poll_write(context, came)) {
                Ok(bytes) => self.link.consume(bytes),
                // The media thread has let the camera go, and is not told of what follows.
                Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_to_camera(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.request.is_empty() {
                let link = Pin::new(&mut self.link);
                let bytes = ready!(link.poll_write(context, &self.request))?;
                self.request.drain(..bytes);
            }
            ready!(Pin::new(&mut self.link).poll_flush(context))?;
            if self.is_ending {
                // That it is told of the end is a courtesy.
                let _ = ready!(Pin::new(&mut self.link).poll_shutdown(context));
                return Poll::Ready(Ok(()));
            }
            let mut room = [0; RTSP_TRANSMIT_BYTES_MAX];
            let mut room = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut self.media).poll_read(context, &mut room));
            self.is_ending = read.is_err() || room.filled().is_empty();
            self.request.extend_from_slice(room.filled());
        }
    }
}
