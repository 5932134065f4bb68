//! A serial line, or a pty that behaves like one: raw bytes, 8 bits, no parity, no flow control.
//!
//! `rustix` sets it up. The crate `serialport` clears `O_NONBLOCK` and blocks inside its calls,
//! which would need a thread per line. Here only the reactor waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::termios::{self, ControlModes, OptionalActions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A serial line that is read and written on the control thread.
#[derive(Debug)]
pub struct SerialLine(AsyncFd<File>);

/// Opens a device and sets it to raw mode at `baud`.
///
/// # Errors
/// The device does not exist, is not a serial line, does not support the baud rate, or may not be
/// opened.
pub fn open(device: &Path, baud: u32) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(device)?;
    let mut settings = termios::tcgetattr(&file)?;
    settings.make_raw();
    // A three-wire cable has neither modem control nor flow control lines.
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes &= !(ControlModes::CRTSCTS | ControlModes::CSTOPB);
    settings.set_speed(baud)?;
    termios::tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file)
}

impl SerialLine {
    /// Wraps a file from [`open`]. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The reactor cannot register the file.
    pub fn new(file: File) -> io::Result<Self> {
        // SAFETY: a `File` owns one descriptor, which stays open and the same until it is dropped;
        // it is inside the `AsyncFd`, and only ever borrowed from it.
        let line = unsafe { AsyncFd::register(file) };
        Ok(Self(line?))
    }

    /// Waits for bytes and reads them; returns how many, at least 1.
    ///
    /// # Errors
    /// The other end hung up (`UnexpectedEof`), or the device is gone.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.0.async_io(Interest::READABLE, |mut file| file.read(bytes)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// Waits until the line takes bytes; returns how many of `bytes` it took.
    ///
    /// # Errors
    /// The device is gone or failed.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.async_io(Interest::WRITABLE, |mut file| file.write(bytes)).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use tokio::runtime::Builder;

    use super::*;

    fn pty() -> (File, PathBuf) {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("ptys");
        grantpt(&near).expect("ours");
        unlockpt(&near).expect("ours");
        let name = ptsname(&near, Vec::new()).expect("a name").into_string().expect("a path");
        (File::from(near), PathBuf::from(name))
    }

    #[test]
    fn bytes_go_both_ways_as_they_are_and_a_hang_up_is_one() {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (mut near, device) = pty();
        runtime.block_on(async {
            let file = open(&device, 1_500_000).expect("a device");
            let settings = termios::tcgetattr(&file).expect("a line");
            assert_eq!((settings.input_speed(), settings.output_speed()), (1_500_000, 1_500_000));
            let line = SerialLine::new(file).expect("a reactor");
            near.write_all(b"\x03\r\xff").expect("room");
            let mut bytes = [0; 16];
            let count = line.read(&mut bytes).await.expect("something came");
            assert_eq!(&bytes[..count], b"\x03\r\xff", "nothing is turned into something else");
            assert_eq!(line.write(b"\n\x00").await.expect("room"), 2);
            let count = near.read(&mut bytes).expect("something came");
            assert_eq!(&bytes[..count], b"\n\x00");
            drop(near);
            assert!(line.read(&mut bytes).await.is_err());
        });
    }

    #[test]
    fn a_line_that_nobody_reads_takes_no_more_and_keeps_nobody() {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (near, device) = pty();
        runtime.block_on(async {
            let line =
                SerialLine::new(open(&device, 115_200).expect("a device")).expect("a reactor");
            let full = async { while line.write(&[b'x'; 1024]).await.is_ok() {} };
            let limit = std::time::Duration::from_millis(200);
            assert!(tokio::time::timeout(limit, full).await.is_err(), "it waits, and is left");
        });
        drop(near);
    }

    #[test]
    fn what_is_no_line_is_not_taken_for_one() {
        assert!(open(Path::new("/dev/null"), 115_200).is_err());
        assert!(open(Path::new("/dev/there-is-no-such-line"), 115_200).is_err());
    }
}
