//! An input read as instructions: bytes, numbers and records, until it is used up. Past its end
//! everything is zero or empty, so that every input is valid.

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tape<'d>(&'d [u8]);

impl<'d> Tape<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, big endian.
    pub(crate) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next `count` bytes, or what is left.
    pub(crate) fn bytes(&mut self, count: usize) -> &'d [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A length of two bytes, then so many bytes.
    pub(crate) fn record(&mut self) -> &'d [u8] {
        let bytes = self.number();
        self.bytes(usize::from(bytes))
    }

    pub(crate) fn rest(&mut self) -> &'d [u8] {
        self.bytes(self.0.len())
    }

    /// `genuine` as an attacker might change it: the tape says how many bytes, then where and by
    /// what.
    pub(crate) fn edited(&mut self, genuine: &[u8]) -> Vec<u8> {
        let mut edited = genuine.to_vec();
        for _ in 0..self.byte() % 8 {
            let (at, change) = (usize::from(self.number()), self.byte());
            match (at % (edited.len() + 1), change) {
                (at, _) if at == edited.len() => edited.push(change),
                (at, 0) => edited.truncate(at),
                (at, change) => edited[at] ^= change,
            }
        }
        edited
    }
}
