//! Finds where NAL units really begin and end.
//!
//! RTP delimits NAL units, but some cameras add Annex B syntax to it: zeros after a NAL unit (GW),
//! start codes, and whole access units `SPS 00000001 PPS 00000001 IDR` packed as one SPS (V380).
//! Trailing zeros are always removed, because a NAL unit never ends in a zero. Start codes are
//! searched for in parameter sets and, once one was found, in everything. A well-formed NAL unit
//! contains none, so searching costs only time.
//!
//! Zeros at the end of a part are held until it is known whether other bytes follow. A NAL unit
//! that continues after more than [`NAL_ZEROS_MAX`] zeros is treated as torn, and its rest is
//! skipped. Thus a part yields at most its own size plus that bound.

use super::nal::{self, NalSink};
use crate::codec::Codec;
use crate::limits::NAL_ZEROS_MAX;

/// Held zeros are passed on from here when they turn out to belong to the NAL unit.
const ZEROS: [u8; 64] = [0; 64];

/// Removes Annex B syntax; keeps state between two parts of a NAL unit.
#[derive(Debug)]
pub struct Splitter {
    codec: Codec,
    place: Place,
    /// Zeros received and not passed on: they belong to the NAL unit only if another byte follows.
    /// [`NAL_ZEROS_MAX`] + 1 stands for any larger number.
    zeros: usize,
    /// A NAL unit continued after too many zeros; cleared by [`Self::take_torn`].
    torn: bool,
    /// Search the current NAL unit for start codes.
    scanning: bool,
    /// A start code was found, so this camera sends them.
    latched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first start code, or between NAL units.
    Outside,
    /// The next byte is a NAL header.
    Header,
    Inside,
}

impl Splitter {
    /// A splitter between NAL units, for a new connection.
    pub const fn new(codec: Codec) -> Self {
        let place = Place::Outside;
        Self { codec, place, zeros: 0, torn: false, scanning: false, latched: false }
    }

    /// Begins a NAL unit with this first byte, as RTP delimits it.
    pub fn begin(&mut self, first: u8, sink: &mut impl NalSink) {
        self.scanning = self.latched || nal::is_parameter_set(self.codec, first);
        self.zeros = 0;
        self.place = Place::Inside;
        sink.begin(first);
    }

    /// Begins a payload that is expected to start with a start code.
    pub fn begin_annexb(&mut self) {
        self.scanning = true;
        self.zeros = 0;
        self.place = Place::Outside;
    }

    /// Takes more bytes of the payload.
    pub fn bytes(&mut self, bytes: &[u8], sink: &mut impl NalSink) {
        if self.scanning {
            return self.scan(bytes, sink);
        }
        let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else {
            return self.hold(bytes.len());
        };
        self.give(&bytes[..=last], sink);
        self.zeros = 0;
        self.hold(bytes.len() - 1 - last);
    }

    /// Whether a NAL unit was torn by too many zeros since the last call.
    pub fn take_torn(&mut self) -> bool {
        std::mem::take(&mut self.torn)
    }

    /// Ends a NAL unit, as RTP delimits it.
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
            self.hold(zeros);
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
            self.give(&rest[..run], sink);
            self.zeros = 0;
            rest = &rest[run..];
        }
    }

    fn hold(&mut self, zeros: usize) {
        self.zeros = (self.zeros + zeros).min(NAL_ZEROS_MAX + 1);
    }

    /// Passes on the held zeros and `bytes`, which do not end in a zero, while inside a NAL unit.
    fn give(&mut self, bytes: &[u8], sink: &mut impl NalSink) {
        if self.place != Place::Inside {
            return;
        }
        if self.zeros > NAL_ZEROS_MAX {
            self.place = Place::Outside;
            self.torn = true;
            return;
        }
        while self.zeros > 0 {
            let some = self.zeros.min(ZEROS.len());
            sink.bytes(&ZEROS[..some]);
            self.zeros -= some;
        }
        sink.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Collected;

    fn split(parts: &[&[u8]], latched: bool) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(Codec::H264);
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

    /// Counts the bytes and NAL units that it gets.
    #[derive(Default)]
    struct Given {
        bytes: usize,
        ends: usize,
    }

    impl NalSink for Given {
        fn begin(&mut self, _: u8) {}

        fn bytes(&mut self, bytes: &[u8]) {
            self.bytes += bytes.len();
        }

        fn end(&mut self) {
            self.ends += 1;
        }
    }

    #[test]
    fn as_many_zeros_as_one_likes_are_held_and_none_of_them_given() {
        for latched in [false, true] {
            let mut splitter = Splitter { latched, ..Splitter::new(Codec::H264) };
            let mut given = Given::default();
            splitter.begin(0x41, &mut given);
            splitter.bytes(&[9], &mut given);
            splitter.bytes(&[0; 1400], &mut given);
            let held = format!("{splitter:?}");
            for _ in 0..1000 {
                splitter.bytes(&[0; 1400], &mut given);
                // If no packet changes the state, gigabytes of them do not either.
                assert_eq!(format!("{splitter:?}"), held);
            }
            splitter.bytes(&[7; 100], &mut given);
            splitter.end(&mut given);
            assert_eq!((given.bytes, given.ends), (1, 0), "nothing behind the zeros");
            assert!(splitter.take_torn() && !splitter.take_torn());
            splitter.begin(0x41, &mut given);
            splitter.bytes(&[9, 9], &mut given);
            splitter.end(&mut given);
            assert_eq!((given.bytes, given.ends), (3, 1), "the next one is whole");
            assert!(!splitter.take_torn());
        }
    }

    #[test]
    fn the_most_zeros_are_kept_and_one_more_tears_the_nal_unit() {
        for (zeros, given, torn) in [(NAL_ZEROS_MAX, true, false), (NAL_ZEROS_MAX + 1, false, true)]
        {
            for latched in [false, true] {
                let mut splitter = Splitter { latched, ..Splitter::new(Codec::H264) };
                let mut sink = Collected::default();
                splitter.begin(0x41, &mut sink);
                for part in [&[5][..], &vec![0; zeros], &[5]] {
                    splitter.bytes(part, &mut sink);
                }
                splitter.end(&mut sink);
                assert_eq!(splitter.take_torn(), torn);
                assert_eq!(sink.nals.iter().any(|nal| nal.len() == zeros + 3), given);
            }
        }
    }

    #[test]
    fn a_start_code_behind_any_number_of_zeros_is_one() {
        let mut bytes = vec![0x67, 66];
        bytes.extend([0; 5000]);
        bytes.extend([1, 0x68, 0xCE]);
        assert_eq!(split(&[&bytes], false), [&[0x67, 66][..], &[0x68, 0xCE]]);
    }
}
