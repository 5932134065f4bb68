//! The connection to a terminal: a serial line, or the Unix socket in the state folder. Only its
//! own console waits for it.

use std::io;

use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::net::serial::SerialLine;

/// A serial line or a Unix socket.
#[derive(Debug)]
pub(super) enum ConsoleWire {
    Cable(SerialLine),
    Local(UnixStream),
}

impl ConsoleWire {
    /// Waits for bytes and reads what there is; 0 at the end of a socket.
    pub(super) async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Cable(line) => line.read(bytes).await,
            Self::Local(socket) => {
                socket.async_io(Interest::READABLE, || socket.try_read(bytes)).await
            }
        }
    }

    /// Waits until bytes can be written, and returns how many were.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Cable(line) => line.write(bytes).await,
            Self::Local(socket) => {
                socket.async_io(Interest::WRITABLE, || socket.try_write(bytes)).await
            }
        }
    }
}
