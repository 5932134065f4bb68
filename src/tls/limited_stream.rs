//! The socket under TLS. It bounds what rustls gathers before it has plaintext: in all, where it
//! would take 64 KiB of a handshake message; and in how many connections do so at once with more
//! than a read's worth, because the buffer for a record of 16 KiB grows to twice that.
//!
//! A connection that has to wait for such a place is not read, so that its bytes stay in the
//! kernel. One that holds a place while others wait has 250 ms ([`TLS_PERMIT_MS`]), and is ended
//! then, whether it sends no more, does not read what it is answered, or has a request that waits.
//!
//! [`TLS_PERMIT_MS`]: crate::limits::TLS_PERMIT_MS

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fair_semaphore::{FairPermit, FairSemaphore};
use crate::limits::{PROFILE, TLS_READ_BYTES, TLS_UNREAD_BYTES_MAX};
use crate::mem::accounts::{self, Raise};

/// Whose semaphore at large records there are, and who asks.
#[derive(Debug)]
pub(super) struct LargeRecordSlots {
    pub(super) semaphore: Rc<FairSemaphore>,
    pub(super) address: IpAddr,
}

/// A socket that counts what was read and not yet of use.
pub(super) struct LimitedStream {
    stream: TcpStream,
    unread_bytes: usize,
    slots: LargeRecordSlots,
    slot: LargeRecordSlot,
}

/// A place for a large record.
enum LargeRecordSlot {
    None,
    Wanted(Pin<Box<dyn Future<Output = FairPermit>>>),
    Held {
        _permit: FairPermit,
        /// Of the connection's account.
        _raised: Raise,
        overdue: Pin<Box<dyn Future<Output = ()>>>,
        is_over: bool,
    },
}

impl LimitedStream {
    /// Its large records share `places` with those of others, from the first byte on: a client may
    /// send its first request with the end of its handshake.
    pub(super) fn new(stream: TcpStream, slots: LargeRecordSlots) -> Self {
        Self { stream, unread_bytes: 0, slots, slot: LargeRecordSlot::None }
    }

    /// What came was of use.
    pub(super) fn was_read(&mut self) {
        self.unread_bytes = 0;
    }

    /// A read that finds nothing, so that rustls gives its large buffer back: HTTP reads again only
    /// once the request is answered, or its body is wanted.
    pub(super) fn look(&mut self) -> impl io::Read + '_ {
        Look(self)
    }

    /// Gives a place up that is not needed any more. rustls gives its large buffer back before a
    /// read with nothing left over: then it asks for one read's worth.
    fn give_up_slot(&mut self, asked_bytes: usize) {
        if self.unread_bytes == 0 && asked_bytes <= TLS_READ_BYTES {
            self.slot = LargeRecordSlot::None;
        }
    }

    /// Whether the connection may go on: not when its place took long and others wait for one.
    fn check_place(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let LargeRecordSlot::Held { overdue, is_over, .. } = &mut self.slot else { return Ok(()) };
        *is_over = *is_over || overdue.as_mut().poll(context).is_ready();
        if *is_over {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "others wait for a large record"));
        }
        Ok(())
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// Waits for a place if there is more unread than a read's worth.
    fn poll_place(&mut self, context: &mut Context<'_>, asked_bytes: usize) -> Poll<()> {
        self.give_up_slot(asked_bytes);
        let LargeRecordSlots { semaphore, address } = &self.slots;
        if self.unread_bytes >= TLS_READ_BYTES && matches!(self.slot, LargeRecordSlot::None) {
            let (semaphore, address) = (Rc::clone(semaphore), *address);
            self.slot =
                LargeRecordSlot::Wanted(Box::pin(async move { semaphore.take(address).await }));
        }
        if let LargeRecordSlot::Wanted(permit) = &mut self.slot {
            let permit = ready!(permit.as_mut().poll(context));
            let overdue = Box::pin(permit.overdue());
            let _raised = accounts::raise(PROFILE.tls_large_record_heap_bytes);
            self.slot = LargeRecordSlot::Held { _permit: permit, _raised, overdue, is_over: false };
        }
        Poll::Ready(())
    }
}

/// See [`LimitedStream::look`].
struct Look<'m>(&'m mut LimitedStream);

impl io::Read for Look<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.give_up_slot(buffer.len());
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl std::fmt::Debug for LimitedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitedStream")
            .field("unread_bytes", &self.unread_bytes)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_place(context, buffer.remaining()));
        // Never more than a read's worth, so that no more is left over of what was not asked for.
        let piece_bytes = buffer.remaining().min(TLS_READ_BYTES);
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(piece_bytes));
        let read = self.as_mut().stream().poll_read(context, &mut piece);
        let bytes = piece.filled().len();
        if read.is_pending() {
            self.check_place(context)?;
        }
        ready!(read)?;
        buffer.advance(bytes);
        self.unread_bytes += bytes;
        if self.unread_bytes > TLS_UNREAD_BYTES_MAX {
            let message = format!("{TLS_UNREAD_BYTES_MAX} bytes of TLS without plaintext");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_place(context)?;
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_place(context)?;
        self.stream().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// HTTP flushes in each turn, also while a request waits and nothing is read or written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_place(context)?;
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
