//! What a terminal is reached by: a serial line, or the socket in the state folder. Neither is ever
//! waited for by anything but its own console.

use std::io;

use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::net::serial::Line;

/// One of the two.
#[derive(Debug)]
pub(super) enum Wire {
    Cable(Line),
    Local(UnixStream),
}

impl Wire {
    /// Reads what there is, and waits for something; 0 at the end of a socket.
    pub(super) async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Cable(line) => line.read(bytes).await,
            Self::Local(socket) => {
                socket.async_io(Interest::READABLE, || socket.try_read(bytes)).await
            }
        }
    }

    /// Writes what it takes, and waits until it takes something.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Cable(line) => line.write(bytes).await,
            Self::Local(socket) => {
                socket.async_io(Interest::WRITABLE, || socket.try_write(bytes)).await
            }
        }
    }
}
