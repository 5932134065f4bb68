//! Reads the bits of an RBSP (ISO/IEC 14496-10 section 7.2) from a NAL unit, skipping its emulation
//! prevention bytes. Every read past the end returns `None`.

/// A position in the bits of a NAL unit.
#[derive(Debug, Clone)]
pub struct Bits<'n> {
    rest: &'n [u8],
    /// The number of zero bytes just before `rest`.
    zeros: u8,
    byte: u8,
    /// The number of bits in `byte` not read yet.
    left: u8,
}

impl<'n> Bits<'n> {
    /// Begins at the first bit of `nal`, which is passed without its header byte.
    pub fn new(nal: &'n [u8]) -> Self {
        Self { rest: nal, zeros: 0, byte: 0, left: 0 }
    }

    /// Reads one bit, as 0 or 1.
    pub fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    /// Reads one bit as a flag.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// Reads `count` bits, at most 32, the highest first.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// Reads an unsigned Exp-Golomb code, ue(v); `None` if it is above `max`.
    pub fn ue(&mut self, max: u32) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let value = (1 << zeros) - 1 + self.bits(zeros)?;
        (value <= max).then_some(value)
    }

    /// Reads a signed Exp-Golomb code, se(v).
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue(u32::MAX)?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if byte == 3 && self.zeros >= 2 {
            self.zeros = 0;
            return self.next_byte();
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        // 1 | 010 | 011 | 00100 | 00101 | 1 padding
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1100_0000]);
        for expected in [0, 1, 2, 3, 4] {
            assert_eq!(bits.ue(9), Some(expected));
        }
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1100_0000]);
        for expected in [0, 1, -1, 2, -2] {
            assert_eq!(bits.se(), Some(expected));
        }
        assert_eq!(Bits::new(&[0b0110_0000]).ue(1), None);
        assert_eq!(Bits::new(&[0; 9]).ue(u32::MAX), None);
    }

    #[test]
    fn emulation_prevention_is_stepped_over() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]);
        assert_eq!(bits.bits(24), Some(1));
        assert_eq!(bits.bits(32), Some(0));
        assert_eq!(bits.bit(), None);
    }
}
