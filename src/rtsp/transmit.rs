//! Bytes to be written to a camera, in a buffer that never grows.
//!
//! A message is added whole or not at all. One that does not fit is dropped; keepalives and reports
//! come again.

use std::fmt;

use crate::limits::RTSP_TRANSMIT_BYTES_MAX;

/// The buffer. Its `Debug` shows no bytes, because Basic puts the password among them.
pub(super) struct Transmit(heapless::Vec<u8, RTSP_TRANSMIT_BYTES_MAX>);

/// A message does not fit into [`RTSP_TRANSMIT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransmitFull;

impl Transmit {
    pub(super) const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Removes the first `bytes` bytes, which were written.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = bytes.min(self.0.len());
        self.0.copy_within(bytes.., 0);
        self.0.truncate(self.0.len() - bytes);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TransmitFull> {
        self.0.extend_from_slice(bytes).map_err(|_| TransmitFull)
    }

    /// Appends formatted text; makes `write!` work.
    pub(super) fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<(), TransmitFull> {
        fmt::Write::write_fmt(&mut Pen(self), arguments).map_err(|_| TransmitFull)
    }

    /// Runs `message`, and removes what it wrote if not all of it fits.
    pub(super) fn whole(
        &mut self,
        message: impl FnOnce(&mut Self) -> Result<(), TransmitFull>,
    ) -> Result<(), TransmitFull> {
        let before = self.0.len();
        let written = message(self);
        if written.is_err() {
            self.0.truncate(before);
        }
        written
    }
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transmit({} bytes)", self.0.len())
    }
}

struct Pen<'a>(&'a mut Transmit);

impl fmt::Write for Pen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_in_whole_or_not_at_all() {
        let mut out = Transmit::new();
        out.push(&[b'a'; RTSP_TRANSMIT_BYTES_MAX - 3]).expect("fits");
        let four = out.whole(|out| {
            write!(out, "{}", 12)?;
            out.push(b"34")
        });
        assert_eq!(four, Err(TransmitFull));
        assert_eq!(out.bytes().len(), RTSP_TRANSMIT_BYTES_MAX - 3);
        out.sent(RTSP_TRANSMIT_BYTES_MAX - 4);
        out.whole(|out| out.push(b"1234")).expect("room again");
        assert_eq!(out.bytes(), b"a1234");
    }
}
