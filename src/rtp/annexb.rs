//! Finds where NAL units really begin and end.
//!
//! RTP delimits NAL units by itself, but some cameras add Annex B's ways to it: zeros after a NAL
//! unit (GW), start codes, and whole access units `SPS 00000001 PPS 00000001 IDR` that claim to
//! be one SPS (V380). Trailing zeros are always taken off: a NAL unit never ends in one. Start
//! codes are looked for in parameter sets; once one was found, in everything. In a well-formed
//! NAL unit they do not occur, so looking is a matter of time only.

use super::nal::{self, NalSink};

/// Zeros given when held ones turn out to belong to the NAL unit.
const ZEROS: [u8; 64] = [0; 64];

/// The state between two parts of a NAL unit.
#[derive(Debug)]
pub struct Splitter {
    place: Place,
    /// Zeros seen and not given: they are the NAL unit's only if something else follows.
    zeros: usize,
    /// Look for start codes in the present NAL unit.
    scanning: bool,
    /// This camera has start codes.
    latched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a first start code, or between NAL units.
    Outside,
    /// The next byte is a NAL header.
    Header,
    Inside,
}

impl Splitter {
    /// Between NAL units.
    pub const fn new() -> Self {
        Self { place: Place::Outside, zeros: 0, scanning: false, latched: false }
    }

    /// A NAL unit begins, as RTP has it.
    pub fn begin(&mut self, header: u8, sink: &mut impl NalSink) {
        self.scanning = self.latched || matches!(nal::kind(header), nal::SPS | nal::PPS);
        self.zeros = 0;
        self.place = Place::Inside;
        sink.begin(header);
    }

    /// Bytes follow that should begin with a start code.
    pub fn begin_annexb(&mut self) {
        self.scanning = true;
        self.zeros = 0;
        self.place = Place::Outside;
    }

    /// More bytes.
    pub fn bytes(&mut self, bytes: &[u8], sink: &mut impl NalSink) {
        if self.scanning {
            return self.scan(bytes, sink);
        }
        let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else {
            self.zeros += bytes.len();
            return;
        };
        self.give_zeros(sink);
        sink.bytes(&bytes[..=last]);
        self.zeros = bytes.len() - 1 - last;
    }

    /// The NAL unit ends, as RTP has it.
    pub fn end(&mut self, sink: &mut impl NalSink) {
        if self.place == Place::Inside {
            sink.end();
        }
        self.place = Place::Outside;
    }

    fn scan(&mut self, bytes: &[u8], sink: &mut impl NalSink) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if self.place == Place::Header {
                self.place = Place::Inside;
                sink.begin(first);
                rest = &rest[1..];
                continue;
            }
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            self.zeros += zeros;
            rest = &rest[zeros..];
            let Some(&byte) = rest.first() else { return };
            if byte == 1 && self.zeros >= 2 {
                self.end(sink);
                self.place = Place::Header;
                self.latched = true;
                self.zeros = 0;
                rest = &rest[1..];
                continue;
            }
            let run = rest.iter().take_while(|&&byte| byte != 0).count();
            if self.place == Place::Inside {
                self.give_zeros(sink);
                sink.bytes(&rest[..run]);
            }
            self.zeros = 0;
            rest = &rest[run..];
        }
    }

    fn give_zeros(&mut self, sink: &mut impl NalSink) {
        while self.zeros > 0 {
            let some = self.zeros.min(ZEROS.len());
            sink.bytes(&ZEROS[..some]);
            self.zeros -= some;
        }
    }
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Collected;

    fn split(parts: &[&[u8]], latched: bool) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new();
        splitter.latched = latched;
        let mut sink = Collected::default();
        splitter.begin(parts[0][0], &mut sink);
        splitter.bytes(&parts[0][1..], &mut sink);
        for part in &parts[1..] {
            splitter.bytes(part, &mut sink);
        }
        splitter.end(&mut sink);
        sink.nals
    }

    #[test]
    fn an_access_unit_that_claims_to_be_an_sps_is_split_wherever_it_is_cut() {
        let bytes =
            [0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 0xCE, 0, 0, 1, 0x65, 0x88, 0, 0, 3, 0, 9, 0, 0];
        let expected: [&[u8]; 3] =
            [&[0x67, 66, 0, 30], &[0x68, 0xCE], &[0x65, 0x88, 0, 0, 3, 0, 9]];
        for first in 1..bytes.len() {
            for second in first..bytes.len() {
                let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(split(&parts, false), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn a_slice_is_scanned_only_once_latched() {
        let bytes: &[u8] = &[0x41, 0x9A, 0, 0, 1, 0x41, 7, 0];
        assert_eq!(split(&[bytes], false), [&bytes[..7]]);
        assert_eq!(split(&[bytes], true), [&[0x41, 0x9A][..], &[0x41, 7]]);
    }

    #[test]
    fn zeros_between_bytes_are_kept_and_zeros_at_the_end_are_not() {
        let mut bytes = vec![0x41];
        bytes.extend([0; 200]);
        bytes.push(5);
        let whole = bytes.clone();
        bytes.extend([0; 100]);
        for at in 1..bytes.len() {
            assert_eq!(split(&[&bytes[..at], &bytes[at..]], false), [&whole[..]], "{at}");
        }
    }
}
