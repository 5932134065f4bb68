//! A serial line, or a pty that behaves like one: raw bytes, 8 bits, no parity, no flow control.
//!
//! `serialport` opens it for this process alone and sets it up. It would wait inside its calls,
//! which would need a thread per line; so its descriptor does not block, and the reactor waits.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use rustix::termios::{self, InputModes, OptionalActions};
use serialport::TTYPort;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A device that is open and set up. No other process can open it until this is dropped, save one
/// that may do anything (`CAP_SYS_ADMIN`) and asks for no lock.
#[derive(Debug)]
pub struct SerialDevice(TTYPort);

/// A serial line that is read and written on the control thread.
#[derive(Debug)]
pub struct SerialLine(AsyncFd<SerialDevice>);

/// Opens a device and sets it to raw mode at `baud`.
///
/// # Errors
/// The device does not exist, is not a serial line, does not take the settings, is held by another
/// process, or may not be opened.
pub fn open(device: &Path, baud: u32) -> io::Result<SerialDevice> {
    let opened = SerialDevice(serialport::new(device.to_string_lossy(), baud).open_native()?);
    // A byte that came broken is not dropped: the console tells a wrong speed by them.
    let mut settings = termios::tcgetattr(&opened)?;
    settings.input_modes -= InputModes::IGNPAR;
    termios::tcsetattr(&opened, OptionalActions::Now, &settings)?;
    // `serialport` has made it blocking.
    rustix::io::ioctl_fionbio(&opened, true)?;
    Ok(opened)
}

impl AsRawFd for SerialDevice {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for SerialDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the port owns this descriptor and keeps it open for as long as it is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

impl SerialLine {
    /// Wraps a device from [`open`]. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The reactor cannot register the device.
    pub fn new(device: SerialDevice) -> io::Result<Self> {
        // SAFETY: a `SerialDevice` owns one descriptor, which stays open and the same until it is
        // dropped; it is inside the `AsyncFd`, and only ever borrowed from it.
        let line = unsafe { AsyncFd::register(device) };
        Ok(Self(line?))
    }

    /// Waits for bytes and reads them; returns how many, at least 1.
    ///
    /// # Errors
    /// The other end hung up (`UnexpectedEof`), or the device is gone.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = |device: &SerialDevice| Ok(rustix::io::read(device, &mut *bytes)?);
        match self.0.async_io(Interest::READABLE, read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// Waits until the line takes bytes; returns how many of `bytes` it took.
    ///
    /// # Errors
    /// The device is gone or failed.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = |device: &SerialDevice| Ok(rustix::io::write(device, bytes)?);
        self.0.async_io(Interest::WRITABLE, write).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
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
            let opened = open(&device, 1_500_000).expect("a device");
            let settings = termios::tcgetattr(&opened).expect("a line");
            assert_eq!((settings.input_speed(), settings.output_speed()), (1_500_000, 1_500_000));
            assert!(settings.input_modes.is_empty(), "{:?}", settings.input_modes);
            let line = SerialLine::new(opened).expect("a reactor");
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
    fn a_line_has_one_holder_at_a_time() {
        let (_near, device) = pty();
        // Any number of times: a pulled adapter is opened again.
        for _ in 0..3 {
            let first = open(&device, 115_200).expect("a device");
            let second = open(&device, 115_200).expect_err("it is taken").to_string();
            assert!(second.contains("lock") || second.contains("busy"), "{second}");
            drop(first);
        }
    }

    #[test]
    fn what_is_no_line_is_not_taken_for_one() {
        assert!(open(Path::new("/dev/null"), 115_200).is_err());
        assert!(open(Path::new("/dev/there-is-no-such-line"), 115_200).is_err());
    }
}
