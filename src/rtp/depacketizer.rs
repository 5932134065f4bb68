//! Extracts NAL units from RTP payloads, with the deviations that cameras show.
//!
//! [`h264`] and [`h265`] tell the forms of a payload apart. Fragments are normalised: the type is
//! that of the first fragment (Tiandy changes it), S and E together mean a whole NAL unit
//! (`CostarHD`), empty fragments add nothing, and the start of the next NAL unit makes up for a
//! missing E.

use super::annexb::Splitter;
use super::nal::{NalHeader, NalSink};
use super::payload::{NalFragment, Payload};
use super::{h264, h265};
use crate::codec::Codec;

/// Extracts NAL units; keeps state between two packets.
#[derive(Debug)]
pub struct Depacketizer {
    codec: Codec,
    splitter: Splitter,
    /// A NAL unit's first fragment has arrived and its last has not.
    fragmented: bool,
}

impl Depacketizer {
    /// A depacketizer between NAL units, for a new connection.
    pub const fn new(codec: Codec) -> Self {
        Self { codec, splitter: Splitter::new(codec), fragmented: false }
    }

    /// A packet was lost: fragments are dropped until the next NAL unit begins. The caller must
    /// make the sink drop its unfinished NAL unit.
    pub fn broken(&mut self) {
        self.fragmented = false;
    }

    /// Passes the NAL units of a payload to `sink`. Returns false if a slice in it was cut short or
    /// torn, or if its form is unknown, which counts as a loss.
    pub fn payload(&mut self, payload: &[u8], sink: &mut impl NalSink) -> bool {
        let is_whole = self.take(payload, sink);
        is_whole && !self.splitter.take_torn()
    }

    fn take(&mut self, payload: &[u8], sink: &mut impl NalSink) -> bool {
        let payload = match self.codec {
            Codec::H264 => h264::read(payload),
            Codec::H265 => h265::read(payload),
        };
        if !matches!(payload, Payload::Empty | Payload::Fragment(_)) {
            self.finish(sink);
        }
        match payload {
            Payload::Empty => {}
            Payload::Single(nal) => self.whole(nal, sink),
            Payload::Aggregate(nals) => return self.aggregate(nals, sink),
            Payload::Fragment(fragment) => self.fragment(fragment, sink),
            Payload::AnnexB(bytes) => {
                self.splitter.begin_annexb();
                self.splitter.bytes(bytes, sink);
                self.splitter.end(sink);
            }
            Payload::Unknown => return false,
        }
        true
    }

    fn whole(&mut self, nal: &[u8], sink: &mut impl NalSink) {
        if let Some((&first, body)) = nal.split_first() {
            self.splitter.begin(first, sink);
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

    /// Takes NAL units with their sizes. Padding zeros end them, and so does a NAL unit that is
    /// longer than the rest; returns false if the latter is a slice.
    fn aggregate(&mut self, mut rest: &[u8], sink: &mut impl NalSink) -> bool {
        while let Some((size, after)) = rest.split_first_chunk::<2>() {
            let bytes = usize::from(u16::from_be_bytes(*size));
            if bytes == 0 || bytes > after.len() {
                let header = NalHeader::read(self.codec, after).map(|(header, _)| header);
                let cut_short = header.is_some_and(|header| header.role().is_slice());
                return bytes == 0 || !cut_short;
            }
            let (nal, next) = after.split_at(bytes);
            self.whole(nal, sink);
            rest = next;
        }
        true
    }

    fn fragment(&mut self, fragment: NalFragment, sink: &mut impl NalSink) {
        if fragment.is_first {
            self.finish(sink);
            self.fragmented = true;
            if let [first, more @ ..] = fragment.header.bytes() {
                self.splitter.begin(*first, sink);
                self.splitter.bytes(more, sink);
            }
        }
        if !self.fragmented {
            return;
        }
        self.splitter.bytes(fragment.body, sink);
        if fragment.is_last {
            self.finish(sink);
        }
    }
}
