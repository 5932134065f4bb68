//! The orderly end of an accepted TCP connection. After `close` the kernel continues to send what
//! was written, for minutes if the client does not read, and keeps the buffers; no connection table
//! would bound such closed connections. Therefore a second handle keeps a connection open until
//! everything was sent. If it is closed earlier, the unsent bytes are discarded.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use socket2::{SockRef, Socket};

/// A second handle on a connection, which stays open until this and the stream are dropped.
#[derive(Debug)]
pub(crate) struct Ending(Socket);

impl Ending {
    /// A second handle on `stream`, which another owner will drop.
    ///
    /// # Errors
    /// The process has no file descriptor left.
    pub(crate) fn of(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?.into()))
    }

    /// Shuts down the write side: the client gets an end of stream after what was written.
    pub(crate) fn shut_down(&self) {
        // An error means that it is shut down already, or that the client has gone.
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Whether the client has acknowledged everything written and the end of stream, or has gone.
    pub(crate) fn is_sent(&self) -> bool {
        unsent_bytes(self.0.as_fd()) == 0
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        forget_unsent(&self.0);
    }
}

/// Makes `close` discard unsent bytes, if there are any: the client then gets a reset.
pub(crate) fn forget_unsent(stream: &impl AsFd) {
    if unsent_bytes(stream.as_fd()) > 0 {
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// Bytes written and not acknowledged; the end of stream counts as one (tcp(7)). 0 for a connection
/// that was reset: the kernel holds nothing for it, although it still counts.
fn unsent_bytes(socket: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the call writes one number, which is ours, and the descriptor is open.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done != 0 || bytes <= 0 || is_closed(socket) {
        return 0;
    }
    usize::try_from(bytes).unwrap_or(0)
}

/// Whether the connection is closed on both sides.
fn is_closed(socket: BorrowedFd<'_>) -> bool {
    const TCP_CLOSE: u8 = 7;
    let mut state: u8 = 0;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, of which the first is the state; both
    // variables are ours.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    };
    done == 0 && state == TCP_CLOSE
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("ours");
        (client, listener.accept().expect("it came").0)
    }

    /// Waits up to 5 s; the kernel may take 40 ms to acknowledge.
    fn waits_until(done: impl Fn() -> bool) {
        let begin_us = clock::now_us();
        while !done() && clock::now_us() < begin_us + 5_000_000 {
            std::thread::yield_now();
        }
        assert!(done());
    }

    #[test]
    fn what_was_sent_is_followed_by_an_end() {
        let (mut client, mut server) = pair();
        let ending = Ending::of(&server).expect("a descriptor");
        server.write_all(b"all").expect("room");
        drop(server);
        ending.shut_down();
        let mut text = String::new();
        client.read_to_string(&mut text).expect("an end and no reset");
        assert_eq!(text, "all");
        waits_until(|| ending.is_sent());
    }

    #[test]
    fn a_reset_leaves_nothing_to_be_sent() {
        let (client, mut server) = pair();
        let ending = Ending::of(&server).expect("a descriptor");
        server.write_all(b"unread").expect("room");
        drop(client);
        ending.shut_down();
        waits_until(|| ending.is_sent());
    }

    #[test]
    fn what_is_unsent_goes_with_the_connection() {
        let (mut client, mut server) = pair();
        server.set_nonblocking(true).expect("ours");
        let ending = Ending::of(&server).expect("a descriptor");
        while server.write(&[0; 65_536]).is_ok() {}
        drop(server);
        ending.shut_down();
        assert!(!ending.is_sent());
        drop(ending);
        let reset = client.read_to_end(&mut Vec::new()).expect_err("a reset");
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    }
}
