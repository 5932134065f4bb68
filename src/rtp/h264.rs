//! Extracts NAL units from RTP payloads (RFC 6184), with the deviations that cameras show.
//!
//! It takes single NAL units, STAP-A and FU-A, also a type that `packetization-mode` does not
//! allow. Fragments are normalised: the type is that of the first fragment (Tiandy changes it), the
//! reserved bit is ignored (`HeroSpeed`), S and E together mean a whole NAL unit (`CostarHD`),
//! empty fragments add nothing, and the start of the next NAL unit makes up for a missing E.

use super::annexb::Splitter;
use super::nal::{self, NalSink};

/// Extracts NAL units; keeps state between two packets.
#[derive(Debug)]
pub struct Depacketizer {
    splitter: Splitter,
    /// A NAL unit's first fragment has arrived and its last has not.
    fragmented: bool,
}

impl Depacketizer {
    /// A depacketizer between NAL units, for a new connection.
    pub const fn new() -> Self {
        Self { splitter: Splitter::new(), fragmented: false }
    }

    /// A packet was lost: fragments are dropped until the next NAL unit begins. The caller must
    /// make the sink drop its unfinished NAL unit.
    pub fn broken(&mut self) {
        self.fragmented = false;
    }

    /// Passes the NAL units of a payload to `sink`. Returns false if a slice in it was cut short or
    /// torn, which counts as a loss.
    pub fn payload(&mut self, payload: &[u8], sink: &mut impl NalSink) -> bool {
        let is_whole = self.take(payload, sink);
        is_whole && !self.splitter.take_torn()
    }

    fn take(&mut self, payload: &[u8], sink: &mut impl NalSink) -> bool {
        let Some(&first) = payload.first() else {
            return true;
        };
        match nal::kind(first) {
            nal::FU_A => self.fragment(payload, sink),
            nal::STAP_A => {
                self.finish(sink);
                return self.aggregate(&payload[1..], sink);
            }
            0 if first == 0 => {
                self.finish(sink);
                self.splitter.begin_annexb();
                self.splitter.bytes(payload, sink);
                self.splitter.end(sink);
            }
            _ => {
                self.finish(sink);
                self.whole(payload, sink);
            }
        }
        true
    }

    fn whole(&mut self, nal: &[u8], sink: &mut impl NalSink) {
        if let Some((&header, body)) = nal.split_first() {
            self.splitter.begin(header, sink);
            self.splitter.bytes(body, sink);
            self.splitter.end(sink);
        }
    }

    /// Ends a fragmented NAL unit whose last fragment had no E bit.
    fn finish(&mut self, sink: &mut impl NalSink) {
        if std::mem::take(&mut self.fragmented) {
            self.splitter.end(sink);
        }
    }

    /// Takes a STAP-A without its header byte. Padding zeros end it, and so does a NAL unit that is
    /// longer than the rest; returns false if the latter is a slice.
    fn aggregate(&mut self, mut rest: &[u8], sink: &mut impl NalSink) -> bool {
        while let Some((size, after)) = rest.split_first_chunk::<2>() {
            let bytes = usize::from(u16::from_be_bytes(*size));
            if bytes == 0 || bytes > after.len() {
                let cut_short = after.first().is_some_and(|&header| nal::is_vcl(nal::kind(header)));
                return bytes == 0 || !cut_short;
            }
            let (nal, next) = after.split_at(bytes);
            self.whole(nal, sink);
            rest = next;
        }
        true
    }

    fn fragment(&mut self, payload: &[u8], sink: &mut impl NalSink) {
        let [indicator, header, ref body @ ..] = *payload else {
            return;
        };
        if header & nal::FU_START != 0 {
            self.finish(sink);
            self.splitter.begin((indicator & nal::IMPORTANCE) | nal::kind(header), sink);
            self.fragmented = true;
        }
        if !self.fragmented {
            return;
        }
        self.splitter.bytes(body, sink);
        if header & nal::FU_END != 0 {
            self.finish(sink);
        }
    }
}

impl Default for Depacketizer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Collected;

    fn nals(payloads: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut depacketizer = Depacketizer::new();
        let mut sink = Collected::default();
        for payload in payloads {
            depacketizer.payload(payload, &mut sink);
        }
        sink.nals
    }

    #[test]
    fn a_padded_or_truncated_aggregate_gives_what_is_whole() {
        let padded: &[u8] = &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 0, 0, 0, 0];
        assert_eq!(nals(&[padded]), [&[0x67, 1][..], &[0x68]]);
        for (header, sound) in [(0x68, true), (0x65, false)] {
            let truncated: &[u8] = &[0x78, 0, 2, 0x67, 1, 0, 9, header, 2];
            assert_eq!(nals(&[truncated]), [[0x67, 1]]);
            let sink = &mut Collected::default();
            assert_eq!(Depacketizer::new().payload(truncated, sink), sound);
        }
    }

    #[test]
    fn fragments_are_normalised() {
        // Reserved bit, another type in the middle, an empty fragment, and an empty one that ends.
        let parts: [&[u8]; 5] =
            [&[0x7C, 0xA5, 1, 2], &[0x7C, 0x01, 3], &[0x7C, 0x05], &[0x7C, 0x05, 4], &[0x7C, 0x45]];
        assert_eq!(nals(&parts), [[0x65, 1, 2, 3, 4]]);
        assert_eq!(nals(&[&[0x7C, 0xC5, 1, 2]]), [[0x65, 1, 2]]);
    }

    #[test]
    fn a_missing_end_is_made_good_and_a_missing_start_is_not() {
        let no_end: [&[u8]; 3] = [&[0x7C, 0x85, 1], &[0x7C, 0x05, 2], &[0x41, 3]];
        assert_eq!(nals(&no_end), [&[0x65, 1, 2][..], &[0x41, 3]]);
        let no_start: [&[u8]; 3] = [&[0x7C, 0x05, 1], &[0x7C, 0x45, 2], &[0x41, 3]];
        assert_eq!(nals(&no_start), [[0x41, 3]]);
        let mut depacketizer = Depacketizer::new();
        let mut sink = Collected::default();
        depacketizer.payload(&[0x7C, 0x85, 1], &mut sink);
        depacketizer.broken();
        depacketizer.payload(&[0x7C, 0x45, 2], &mut sink);
        assert!(sink.nals.is_empty());
    }

    #[test]
    fn a_leading_start_code_is_taken_off() {
        let annexb: &[u8] = &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 0];
        assert_eq!(nals(&[annexb, &[0x41, 9]]), [&[0x67, 1][..], &[0x65, 2], &[0x41, 9]]);
        assert!(nals(&[&[0, 0, 0, 0]]).is_empty());
    }
}
