//! Test helpers: a seeded random generator, a camera's packetizer, and a browser's reassembly.

use crate::codec::Codec;
use crate::history::Chunks;
use crate::rtp::depacketizer::Depacketizer;
use crate::rtp::nal::{NalHeader, NalSink};
use crate::rtp::payload::{FU_END, FU_START, Payload};
use crate::rtp::{h264, h265};
use crate::stream::Stream;

/// An SPS for 1920x1080 High profile, as x264 writes it.
pub(crate) const SPS_1080: [u8; 26] = [
    0x67, 0x64, 0, 0x28, 0xAC, 0xD9, 0x40, 0x78, 2, 0x27, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3,
    0, 0xC8, 0x3C, 0x60, 0xC6,
];
pub(crate) const PPS: [u8; 4] = [0x68, 0xEB, 0xE3, 0xCB];
/// A VPS, an SPS for 1920x1080 Main profile and a PPS, as x265 writes them.
pub(crate) const HEVC_SETS: [&[u8]; 3] = [&HEVC_VPS, &HEVC_SPS_1080, &HEVC_PPS];
pub(crate) const HEVC_VPS: [u8; 24] = [
    0x40, 0x01, 0x0C, 0x01, 0xFF, 0xFF, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x03, 0x00, 0x78, 0x95, 0x98, 0x09,
];
pub(crate) const HEVC_SPS_1080: [u8; 42] = [
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x78, 0xA0, 0x03, 0xC0, 0x80, 0x10, 0xE5, 0x96, 0x56, 0x69, 0x24, 0xCA, 0xF0, 0x16, 0x80,
    0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x0C, 0x84,
];
pub(crate) const HEVC_PPS: [u8; 7] = [0x44, 0x01, 0xC1, 0x72, 0xB4, 0x62, 0x40];
pub(crate) const PAYLOAD_TYPE: u8 = 96;

/// A seeded xorshift generator.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// A NAL unit of H.264 with `len` bytes, at least 2. `begins_picture` applies if it is a slice.
    pub(crate) fn nal(&mut self, header: u8, len: usize, begins_picture: bool) -> Vec<u8> {
        self.nal_of(NalHeader::H264(header), len, begins_picture)
    }

    /// The same of either codec, with at least one byte more than the header.
    pub(crate) fn nal_of(
        &mut self,
        header: NalHeader,
        len: usize,
        begins_picture: bool,
    ) -> Vec<u8> {
        let mut nal = self.bytes(len);
        let at = header.bytes().len();
        nal[..at].copy_from_slice(header.bytes());
        nal[len - 1] |= 1;
        nal[at] = nal[at] & 0x7F | if begins_picture { 0x80 } else { 0x01 };
        nal
    }
}

/// Collects whole NAL units.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    open: Option<Vec<u8>>,
    pub(crate) nals: Vec<Vec<u8>>,
}

impl NalSink for Collected {
    fn begin(&mut self, header: u8) {
        self.open = Some(vec![header]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.open.as_mut().expect("bytes follow begin").extend(bytes);
    }

    fn end(&mut self) {
        self.nals.push(self.open.take().expect("end follows begin"));
    }
}

/// A camera that packetizes NAL units as the test asks.
#[derive(Debug)]
pub(crate) struct Camera {
    codec: Codec,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Camera {
    /// A camera of H.264.
    pub(crate) fn new() -> Self {
        Self::of(Codec::H264)
    }

    pub(crate) fn of(codec: Codec) -> Self {
        let (sequence, timestamp) = (65_000, 0xFFFF_0000);
        Self { codec, sequence, timestamp, ssrc: 7, packets: Vec::new() }
    }

    pub(crate) fn packet(&mut self, payload: &[u8], marker: bool) {
        let mut packet = vec![0x80, PAYLOAD_TYPE | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets.push(packet);
    }

    /// Sends NAL units as one STAP-A or AP.
    pub(crate) fn stap(&mut self, nals: &[&[u8]], marker: bool) {
        let mut payload = match self.codec {
            Codec::H264 => vec![0x78],
            Codec::H265 => h265::AP_HEADER.to_vec(),
        };
        for nal in nals {
            payload.extend(u16::try_from(nal.len()).unwrap().to_be_bytes());
            payload.extend(*nal);
        }
        self.packet(&payload, marker);
    }

    /// Sends a NAL unit as FU-A or FU fragments of at most `part_bytes` body bytes.
    pub(crate) fn fragments(&mut self, nal: &[u8], part_bytes: usize, marker: bool) {
        let (header, body) = NalHeader::read(self.codec, nal).expect("a NAL unit has a header");
        let parts = body.chunks(part_bytes);
        let last = parts.len() - 1;
        for (n, part) in parts.enumerate() {
            let start = if n == 0 { FU_START } else { 0 };
            let end = if n == last { FU_END } else { 0 };
            let mut payload = fragment_prefix(header, start | end);
            payload.extend(part);
            self.packet(&payload, marker && n == last);
        }
    }

    pub(crate) fn next_frame(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(3600);
    }

    /// Sends parameter sets and an IDR of one slice, then frames of one slice, in single packets.
    pub(crate) fn gop(&mut self, random: &mut Random, frames: usize) -> Vec<Vec<u8>> {
        self.stap(&[&SPS_1080, &PPS], false);
        (0..frames)
            .map(|n| {
                let slice = random.nal(if n == 0 { 0x65 } else { 0x41 }, 900, true);
                self.packet(&slice, true);
                self.next_frame();
                slice
            })
            .collect()
    }
}

fn fragment_prefix(header: NalHeader, position: u8) -> Vec<u8> {
    match header {
        NalHeader::H264(header) => h264::fragment_prefix(header, position).to_vec(),
        NalHeader::H265(header) => h265::fragment_prefix(header, position).to_vec(),
    }
}

/// A packet read from the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) payload: Vec<u8>,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) idr_begins: bool,
}

/// A reassembled NAL unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) nal: Vec<u8>,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
}

/// A stream, and a viewer that reads every packet as it is published.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) codec: Codec,
    pub(crate) stream: Stream,
    pub(crate) chunks: &'static mut Chunks,
    pub(crate) now_us: u64,
    pub(crate) out: Vec<Out>,
    pub(crate) payload_bytes: usize,
}

impl Viewer {
    /// A viewer of H.264.
    pub(crate) fn new(chunks: &'static mut Chunks, payload_bytes: usize) -> Self {
        Self::of(Codec::H264, chunks, payload_bytes)
    }

    pub(crate) fn of(codec: Codec, chunks: &'static mut Chunks, payload_bytes: usize) -> Self {
        let mut stream = Stream::new();
        stream.configure(payload_bytes);
        stream.connect(codec, PAYLOAD_TYPE, &[]);
        Self { codec, stream, chunks, now_us: 1_000_000, out: Vec::new(), payload_bytes }
    }

    pub(crate) fn feed(&mut self, packets: &[Vec<u8>]) {
        for packet in packets {
            let from = self.stream.ring().head();
            self.now_us += 1_000;
            self.stream.begin_read();
            self.stream.rtp(self.chunks, packet, self.now_us);
            let ring = self.stream.ring();
            let new = ring.packets_from(self.chunks, from.max(ring.tail()));
            self.out.extend(new.map(|packet| Out {
                payload: packet.payload.to_vec(),
                timestamp: packet.timestamp,
                marker: packet.flags.marker(),
                idr_begins: packet.flags.contains(crate::history::Flags::IDR_BEGINS),
            }));
        }
    }

    /// How often the stream had to wait for its next IDR, for each reason.
    #[cfg(test)]
    pub(crate) fn breaks(&mut self) -> [u32; crate::status::BreakReason::NAMES.len()] {
        let stats = crate::status::CameraStats::new();
        self.stream.report(self.chunks, &stats, self.now_us);
        stats.breaks.each_ref().map(|breaks| breaks.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// All NAL units read, including those of an aggregate. Incomplete ones are left out.
    pub(crate) fn nals(&self) -> Vec<Whole> {
        let mut whole = Vec::new();
        let mut open: Option<(Vec<u8>, u32)> = None;
        for out in &self.out {
            let payload = &out.payload;
            assert!((2..=self.payload_bytes).contains(&payload.len()), "{}", payload.len());
            let mut add = |nal: Vec<u8>, marker| {
                let timestamp = out.timestamp;
                whole.push(Whole { nal, timestamp, marker });
            };
            let read = match self.codec {
                Codec::H264 => h264::read(payload),
                Codec::H265 => h265::read(payload),
            };
            match read {
                Payload::Fragment(fragment) => {
                    let last = fragment.is_last;
                    assert!(last || payload.len() == self.payload_bytes, "full pieces, then one");
                    assert!(last || !out.marker, "the marker is on a last piece");
                    if fragment.is_first {
                        assert!(!last && !fragment.body.is_empty());
                        open = Some((fragment.header.bytes().to_vec(), out.timestamp));
                    }
                    let (nal, timestamp) = open.as_mut().expect("S comes first");
                    assert_eq!(*timestamp, out.timestamp);
                    nal.extend(fragment.body);
                    if last {
                        add(open.take().expect("it is open").0, out.marker);
                    }
                }
                Payload::Aggregate(_) => {
                    open = None;
                    assert!(!out.marker);
                    let mut sink = Collected::default();
                    Depacketizer::new(self.codec).payload(payload, &mut sink);
                    assert!(sink.nals.len() >= 2, "one alone needs no aggregate");
                    sink.nals.into_iter().for_each(|nal| add(nal, false));
                }
                _ => {
                    open = None;
                    add(payload.clone(), out.marker);
                }
            }
        }
        whole
    }

    /// The slices among [`Self::nals`].
    pub(crate) fn slices(&self) -> Vec<Vec<u8>> {
        let is_slice = |whole: &Whole| {
            let header = NalHeader::read(self.codec, &whole.nal);
            header.is_some_and(|(header, _)| header.role().is_slice())
        };
        self.nals().into_iter().filter(is_slice).map(|whole| whole.nal).collect()
    }
}
