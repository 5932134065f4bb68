//! When a viewer has its first picture: the parameter sets, the whole key frame behind them, and
//! nothing of it missing.

use weir::codec::Codec;

/// The types of NAL units and of packets that tell it.
struct Types {
    /// The parameter set that comes first.
    first_set: u8,
    idr: u8,
    aggregate: u8,
    fragment: u8,
}

const OF_H264: Types = Types { first_set: 7, idr: 5, aggregate: 24, fragment: 28 };
/// What our cameras send: IDR_W_RADL.
const OF_H265: Types = Types { first_set: 32, idr: 19, aggregate: 48, fragment: 49 };

/// A viewer's wait for its first picture.
#[derive(Debug, Default)]
pub struct FirstPicture {
    /// H.264 until another is said.
    codec: Option<Codec>,
    /// Parameter sets came, and everything since.
    begun: bool,
    at_us: Option<u64>,
}

impl FirstPicture {
    /// The codec of what comes.
    pub fn set_codec(&mut self, codec: Codec) {
        self.codec = Some(codec);
    }

    /// When the key frame's last packet came, once it has.
    pub fn at_us(&self) -> Option<u64> {
        self.at_us
    }

    /// Takes the payloads in the order that they come in; `gap` says that one before this is
    /// missing.
    pub fn payload(&mut self, payload: &[u8], gap: bool, marker: bool, arrival_us: u64) {
        if self.at_us.is_some() {
            return;
        }
        let codec = self.codec.unwrap_or(Codec::H264);
        self.begun = !gap && self.begun || begins_with_parameter_sets(codec, payload);
        if marker {
            if self.begun && is_idr(codec, payload) {
                self.at_us = Some(arrival_us);
            }
            self.begun = false;
        }
    }
}

fn begins_with_parameter_sets(codec: Codec, payload: &[u8]) -> bool {
    let (types, header_bytes) = of(codec);
    let kind = |at: usize| payload.get(at).map(|header| kind_of(codec, *header));
    match kind(0) {
        // Behind the aggregate's header and a length.
        Some(kind_0) if kind_0 == types.aggregate => {
            kind(header_bytes + 2) == Some(types.first_set)
        }
        kind => kind == Some(types.first_set),
    }
}

/// Of a packet that is, or ends, a frame's last slice.
fn is_idr(codec: Codec, payload: &[u8]) -> bool {
    let (types, header_bytes) = of(codec);
    match payload.first().map(|header| kind_of(codec, *header)) {
        Some(kind) if kind == types.fragment => {
            let bits = if codec == Codec::H264 { 0x1f } else { 0x3f };
            payload.get(header_bytes).is_some_and(|header| header & bits == types.idr)
        }
        kind => kind == Some(types.idr),
    }
}

/// The types, and the bytes of a NAL unit's header.
fn of(codec: Codec) -> (Types, usize) {
    match codec {
        Codec::H264 => (OF_H264, 1),
        Codec::H265 => (OF_H265, 2),
    }
}

fn kind_of(codec: Codec, header: u8) -> u8 {
    match codec {
        Codec::H264 => header & 0x1f,
        Codec::H265 => header >> 1 & 0x3f,
    }
}
