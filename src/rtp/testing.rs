//! Test helpers: a seeded random generator, a camera's packetizer, and a browser's reassembly.

use crate::history::Chunks;
use crate::rtp::nal::{self, NalSink};
use crate::stream::Stream;

/// An SPS for 1920x1080 High profile, as x264 writes it.
pub(crate) const SPS_1080: [u8; 26] = [
    0x67, 0x64, 0, 0x28, 0xAC, 0xD9, 0x40, 0x78, 2, 0x27, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3,
    0, 0xC8, 0x3C, 0x60, 0xC6,
];
pub(crate) const PPS: [u8; 4] = [0x68, 0xEB, 0xE3, 0xCB];
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

    /// A NAL unit of `len` bytes, at least 2. `begins_picture` applies if it is a slice.
    pub(crate) fn nal(&mut self, header: u8, len: usize, begins_picture: bool) -> Vec<u8> {
        let mut nal = self.bytes(len);
        nal[0] = header;
        nal[len - 1] |= 1;
        nal[1] = nal[1] & 0x7F | if begins_picture { 0x80 } else { 0x01 };
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
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Camera {
    pub(crate) fn new() -> Self {
        Self { sequence: 65_000, timestamp: 0xFFFF_0000, ssrc: 7, packets: Vec::new() }
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

    pub(crate) fn stap(&mut self, nals: &[&[u8]], marker: bool) {
        let mut payload = vec![0x78];
        for nal in nals {
            payload.extend(u16::try_from(nal.len()).unwrap().to_be_bytes());
            payload.extend(*nal);
        }
        self.packet(&payload, marker);
    }

    /// Sends a NAL unit as FU-A fragments of at most `part_bytes` body bytes.
    pub(crate) fn fragments(&mut self, nal: &[u8], part_bytes: usize, marker: bool) {
        let parts = nal[1..].chunks(part_bytes);
        let last = parts.len() - 1;
        for (n, part) in parts.enumerate() {
            let start = if n == 0 { nal::FU_START } else { 0 };
            let end = if n == last { nal::FU_END } else { 0 };
            let mut payload = vec![nal[0] & 0xE0 | nal::FU_A, start | end | nal::kind(nal[0])];
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
    pub(crate) stream: Stream,
    pub(crate) chunks: &'static mut Chunks,
    pub(crate) now_us: u64,
    pub(crate) out: Vec<Out>,
    pub(crate) payload_bytes: usize,
}

impl Viewer {
    pub(crate) fn new(chunks: &'static mut Chunks, payload_bytes: usize) -> Self {
        let mut stream = Stream::new();
        stream.configure(payload_bytes);
        stream.connect(PAYLOAD_TYPE, None, &[]);
        Self { stream, chunks, now_us: 1_000_000, out: Vec::new(), payload_bytes }
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

    /// All NAL units read, including those of a STAP-A. Incomplete ones are left out.
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
            match nal::kind(payload[0]) {
                nal::FU_A => {
                    let last = payload[1] & nal::FU_END != 0;
                    assert!(last || payload.len() == self.payload_bytes, "full pieces, then one");
                    assert!(last || !out.marker, "the marker is on a last piece");
                    if payload[1] & nal::FU_START != 0 {
                        assert!(!last && payload.len() > 2);
                        let header = payload[0] & 0xE0 | nal::kind(payload[1]);
                        open = Some((vec![header], out.timestamp));
                    }
                    let (nal, timestamp) = open.as_mut().expect("S comes first");
                    assert_eq!(*timestamp, out.timestamp);
                    nal.extend(&payload[2..]);
                    if last {
                        add(open.take().expect("it is open").0, out.marker);
                    }
                }
                nal::STAP_A => {
                    open = None;
                    assert!(!out.marker);
                    let mut sink = Collected::default();
                    crate::rtp::h264::Depacketizer::new().payload(payload, &mut sink);
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
        let nals = self.nals().into_iter();
        nals.filter(|whole| nal::is_vcl(nal::kind(whole.nal[0]))).map(|whole| whole.nal).collect()
    }
}
