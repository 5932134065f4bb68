//! A serial cable with a person at its other end: a pty, whose far side weir opens as its device.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::server::wait_for;

const PATIENCE_US: u64 = 20_000_000;

/// The cable, and what has come over it.
pub struct Cable {
    near: File,
    /// The device that weir is told of.
    pub device: PathBuf,
    /// Everything so far.
    pub shown: String,
    /// How much of it was looked at.
    seen: usize,
}

impl Cable {
    /// A new one.
    pub fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let near: OwnedFd = openpt(flags).expect("ptys");
        grantpt(&near).expect("a pty");
        unlockpt(&near).expect("a pty");
        let name = ptsname(&near, Vec::new()).expect("a name");
        let device = PathBuf::from(name.into_string().expect("a path"));
        let near = File::from(near);
        rustix::io::ioctl_fionbio(&near, true).expect("ours");
        Self { near, device, shown: String::new(), seen: 0 }
    }

    /// Types bytes.
    pub fn sends(&mut self, mut bytes: &[u8]) {
        let sent = wait_for(PATIENCE_US, || {
            self.read();
            match self.near.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            bytes.is_empty()
        });
        assert!(sent, "nobody reads the cable:\n{}", self.shown);
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.sends(format!("{line}\r").as_bytes());
    }

    /// Waits until `text` comes, behind what was waited for before; what came up to its end.
    pub fn sees(&mut self, text: &str) -> String {
        let mut end = None;
        wait_for(PATIENCE_US, || {
            self.read();
            end = self.shown[self.seen..].find(text).map(|at| self.seen + at + text.len());
            end.is_some()
        });
        let end = end.unwrap_or_else(|| panic!("no {text:?} in\n{}", &self.shown[self.seen..]));
        let came = self.shown[self.seen..end].to_owned();
        self.seen = end;
        came
    }

    /// Types a command; its answer up to the next prompt.
    pub fn asks(&mut self, command: &str) -> String {
        self.types(command);
        self.sees("\r\n");
        self.sees("weir> ")
    }

    /// Takes what has come.
    pub fn read(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            match self.near.read(&mut bytes) {
                Ok(count) => self.shown += &String::from_utf8_lossy(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Nobody has the far side open.
                Err(_) => return,
            }
        }
    }
}

impl Default for Cable {
    fn default() -> Self {
        Self::new()
    }
}
