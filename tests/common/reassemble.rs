//! RTP packets back into NAL units and access units (RFC 6184, RFC 7798), as a strict judge: what
//! a decoder would forgive is an error here.

use weir::codec::Codec;

use super::reception::Packet;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const AP: u8 = 48;
const FU: u8 = 49;
const START: u8 = 0x80;
const END: u8 = 0x40;
const START_AND_END: u8 = START | END;

/// One picture's NAL units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Its NAL units, headers included, start codes not.
    pub nals: Vec<Vec<u8>>,
    /// The full sequence number of its last packet.
    pub last: u64,
}

impl AccessUnit {
    /// Whether it holds an IDR slice.
    pub fn is_idr(&self) -> bool {
        self.nals.iter().any(|nal| nal[0] & 0x1f == 5)
    }
}

/// What is wrong with a packet, each with the full sequence number it was found at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The packet after `after` is missing.
    Gap { after: u64, got: u64 },
    /// A payload that is empty or cut off.
    Short { at: u64 },
    /// A fragment that does not go on from a start.
    NoStart { at: u64 },
    /// A start, or another kind of packet, inside a fragmented NAL unit.
    NotEnded { at: u64 },
    /// S and E in one fragment (forbidden by RFC 6184 section 5.8 and RFC 7798 section 4.4.3).
    StartAndEnd { at: u64 },
    /// A fragment of another NAL unit header than its start.
    Header { at: u64 },
    /// The timestamp changed before the marker.
    NoMarker { at: u64 },
    /// The timestamp did not change after the marker.
    SameTimestamp { at: u64 },
    /// A payload's type that no sender of ours may use.
    Structure { at: u64, kind: u8 },
}

/// The access units of H.264 in `packets`, which must be in order and whole from the first on.
/// Packets behind the last marker are left out.
pub fn access_units(packets: &[Packet]) -> Result<Vec<AccessUnit>, Broken> {
    access_units_of(Codec::H264, packets)
}

/// The same of either codec.
pub fn access_units_of(codec: Codec, packets: &[Packet]) -> Result<Vec<AccessUnit>, Broken> {
    let mut reassembler = Reassembler::new(codec);
    for packet in packets {
        reassembler.push(packet)?;
    }
    Ok(reassembler.done)
}

/// NAL units as a byte stream that ffmpeg reads.
pub fn annex_b(units: &[AccessUnit]) -> Vec<u8> {
    let mut stream = Vec::new();
    for nal in units.iter().flat_map(|unit| &unit.nals) {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(nal);
    }
    stream
}

struct Reassembler {
    codec: Codec,
    done: Vec<AccessUnit>,
    nals: Vec<Vec<u8>>,
    fragments: Option<Vec<u8>>,
    /// Full sequence number, timestamp and marker of the packet before.
    before: Option<(u64, u32, bool)>,
}

impl Reassembler {
    fn new(codec: Codec) -> Self {
        Self { codec, done: Vec::new(), nals: Vec::new(), fragments: None, before: None }
    }

    fn push(&mut self, packet: &Packet) -> Result<(), Broken> {
        let at = packet.sequence;
        if let Some((after, timestamp, marker)) = self.before {
            if at != after + 1 {
                return Err(Broken::Gap { after, got: at });
            }
            match (marker, timestamp == packet.timestamp) {
                (false, false) => return Err(Broken::NoMarker { at }),
                (true, true) => return Err(Broken::SameTimestamp { at }),
                _ => {}
            }
        }
        self.before = Some((at, packet.timestamp, packet.marker));
        self.payload(at, &packet.payload)?;
        if packet.marker {
            if self.fragments.is_some() {
                return Err(Broken::NotEnded { at });
            }
            self.done.push(AccessUnit {
                timestamp: packet.timestamp,
                nals: std::mem::take(&mut self.nals),
                last: at,
            });
        }
        Ok(())
    }

    fn payload(&mut self, at: u64, payload: &[u8]) -> Result<(), Broken> {
        let Some(first) = payload.first() else {
            return Err(Broken::Short { at });
        };
        let kind = match self.codec {
            Codec::H264 => first & 0x1f,
            Codec::H265 => first >> 1 & 0x3f,
        };
        let is_fragment = (self.codec, kind) == (Codec::H264, FU_A) || kind == FU;
        if !is_fragment && self.fragments.is_some() {
            return Err(Broken::NotEnded { at });
        }
        match (self.codec, kind) {
            (Codec::H264, 1..=23) | (Codec::H265, 0..=47) => self.nals.push(payload.to_vec()),
            (Codec::H264, STAP_A) => self.aggregate(at, &payload[1..], 1)?,
            (Codec::H265, AP) => self.aggregate(at, payload.get(2..).unwrap_or_default(), 2)?,
            (Codec::H264, FU_A) | (Codec::H265, FU) => self.fragment(at, payload)?,
            (_, kind) => return Err(Broken::Structure { at, kind }),
        }
        Ok(())
    }

    fn aggregate(&mut self, at: u64, mut rest: &[u8], least: usize) -> Result<(), Broken> {
        let before = self.nals.len();
        while let Some((size, behind)) = rest.split_first_chunk::<2>() {
            let bytes = usize::from(u16::from_be_bytes(*size));
            match behind.split_at_checked(bytes) {
                Some((nal, behind)) if !nal.is_empty() => {
                    self.nals.push(nal.to_vec());
                    rest = behind;
                }
                _ => return Err(Broken::Short { at }),
            }
        }
        if !rest.is_empty() || self.nals.len() < before + least {
            return Err(Broken::Short { at });
        }
        Ok(())
    }

    fn fragment(&mut self, at: u64, payload: &[u8]) -> Result<(), Broken> {
        let (nal_header, header, piece) = match (self.codec, payload) {
            (Codec::H264, [indicator, header, piece @ ..]) => {
                (vec![indicator & 0xe0 | header & 0x1f], header, piece)
            }
            (Codec::H265, [first, second, header, piece @ ..]) => {
                (vec![first & 0x81 | (header & 0x3f) << 1, *second], header, piece)
            }
            _ => return Err(Broken::Short { at }),
        };
        match header & (START | END) {
            START_AND_END => return Err(Broken::StartAndEnd { at }),
            START if self.fragments.is_some() => return Err(Broken::NotEnded { at }),
            START => self.fragments = Some(nal_header.clone()),
            _ => {}
        }
        let Some(nal) = &mut self.fragments else {
            return Err(Broken::NoStart { at });
        };
        if !nal.starts_with(&nal_header) {
            return Err(Broken::Header { at });
        }
        nal.extend_from_slice(piece);
        if header & END != 0 {
            self.nals.extend(self.fragments.take());
        }
        Ok(())
    }
}
