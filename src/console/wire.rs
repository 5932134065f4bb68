//! What a terminal is reached by: a serial device, or the socket in the state folder. Neither is
//! ever waited for by anything but its own console.
//!
//! The device is opened and set by `rustix`: the crate `serialport` takes `O_NONBLOCK` off again
//! and waits inside its calls, which needs a thread a port. A pty is a device like any other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::termios::{self, ControlModes, OptionalActions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// One of the two.
#[derive(Debug)]
pub(super) enum Wire {
    Cable(AsyncFd<File>),
    Local(UnixStream),
}

/// Opens a serial device: raw, 8 bits, no parity, no flow control, whoever is at the other end.
///
/// # Errors
/// It is not there, is nothing of the kind, or may not be opened.
pub(super) fn open(device: &Path, baud: u32) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(device)?;
    let mut settings = termios::tcgetattr(&file)?;
    settings.make_raw();
    // A cable of three wires carries neither modem nor flow control.
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes &= !(ControlModes::CRTSCTS | ControlModes::CSTOPB);
    settings.set_speed(baud)?;
    termios::tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file)
}

impl Wire {
    /// A device that [`open`] opened.
    pub(super) fn cable(file: File) -> io::Result<Self> {
        AsyncFd::new(file).map(Self::Cable)
    }

    /// Reads what there is, and waits for something; 0 at the end of a socket.
    pub(super) async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Cable(cable) => {
                let read = cable.async_io(Interest::READABLE, |mut file| file.read(bytes)).await?;
                // A line that has no more to say was hung up.
                if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
            }
            Self::Local(socket) => {
                socket.async_io(Interest::READABLE, || socket.try_read(bytes)).await
            }
        }
    }

    /// Writes what it takes, and waits until it takes something.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Cable(cable) => {
                cable.async_io(Interest::WRITABLE, |mut file| file.write(bytes)).await
            }
            Self::Local(socket) => {
                socket.async_io(Interest::WRITABLE, || socket.try_write(bytes)).await
            }
        }
    }
}
