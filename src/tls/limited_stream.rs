//! The socket under TLS. It bounds the bytes that rustls gathers before there is plaintext. In all
//! they are bounded because rustls would gather 64 KiB of a handshake message. More than one read's
//! worth is allowed to a bounded number of connections at once, because the buffer for a record of
//! 16 KiB grows to twice that.
//!
//! A connection that waits for a permit is not read, so that its bytes stay in the kernel. A
//! connection that holds a permit while others wait has 250 ms ([`TLS_PERMIT_MS`]). Then it is
//! ended, whether it sends no more, does not read its answer, or has a request that waits.
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

/// The semaphore for large records, and the address that asks for permits.
#[derive(Debug)]
pub(super) struct LargeRecordSlots {
    pub(super) semaphore: Rc<FairSemaphore>,
    pub(super) address: IpAddr,
}

/// A socket that counts the bytes read since the last plaintext.
pub(super) struct LimitedStream {
    stream: TcpStream,
    unread_bytes: usize,
    slots: LargeRecordSlots,
    slot: LargeRecordSlot,
}

/// The permit of a connection for a large record.
enum LargeRecordSlot {
    None,
    Wanted(Pin<Box<dyn Future<Output = FairPermit>>>),
    Held {
        _permit: FairPermit,
        /// Raises the budget of the connection's account.
        _raised: Raise,
        overdue: Pin<Box<dyn Future<Output = ()>>>,
        is_over: bool,
    },
}

impl LimitedStream {
    /// Wraps a socket. Its large records share the permits of `slots` with those of other
    /// connections, from the first byte on: a client may send its first request with the end of its
    /// handshake.
    pub(super) fn new(stream: TcpStream, slots: LargeRecordSlots) -> Self {
        Self { stream, unread_bytes: 0, slots, slot: LargeRecordSlot::None }
    }

    /// Called when plaintext was read: the bytes so far no longer count as unread.
    pub(super) fn was_read(&mut self) {
        self.unread_bytes = 0;
    }

    /// A reader without data, with which rustls frees its large buffer: HTTP reads again only when
    /// the request is answered, or its body is wanted.
    pub(super) fn look(&mut self) -> impl io::Read + '_ {
        Look(self)
    }

    /// Drops the permit when it is no longer needed. rustls frees its large buffer before a read
    /// with nothing left over: then it asks for one read's worth.
    fn give_up_slot(&mut self, asked_bytes: usize) {
        if self.unread_bytes == 0 && asked_bytes <= TLS_READ_BYTES {
            self.slot = LargeRecordSlot::None;
        }
    }

    /// An error if the permit is overdue and others wait for one.
    fn check_slot(&mut self, context: &mut Context<'_>) -> io::Result<()> {
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

    /// Waits for a permit if more than one read's worth is unread.
    fn poll_slot(&mut self, context: &mut Context<'_>, asked_bytes: usize) -> Poll<()> {
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

/// The reader of [`LimitedStream::look`].
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
        ready!(self.poll_slot(context, buffer.remaining()));
        // At most one read's worth, so that no more than that is left over in rustls' buffer.
        let piece_bytes = buffer.remaining().min(TLS_READ_BYTES);
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(piece_bytes));
        let read = self.as_mut().stream().poll_read(context, &mut piece);
        let bytes = piece.filled().len();
        if read.is_pending() {
            self.check_slot(context)?;
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
        self.check_slot(context)?;
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_slot(context)?;
        self.stream().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// HTTP flushes in each poll, also while a request waits and nothing is read or written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_slot(context)?;
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
