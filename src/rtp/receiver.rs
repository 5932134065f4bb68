//! The receive side of one stream: a camera's RTP packets in, a browser's into the ring.

use super::access_unit::{AccessUnits, Idrs};
use super::cut::RingWriter;
use super::h264::Depacketizer;
use super::header::{self, Malformed};
use super::sequence::{Sequence, Step};
use super::sps;
use crate::history::Ring;

/// One stream's receive side.
#[derive(Debug)]
pub struct Receiver {
    payload_type: u8,
    sequence: Sequence,
    depacketizer: Depacketizer,
    units: AccessUnits,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It was taken.
    Taken,
    /// It was taken, and packets before it are missing, or something of it is.
    Lossy,
    /// Not the payload type of this track: Geovision puts others between, with numbers of ours.
    OtherPayloadType(u8),
}

impl Receiver {
    /// Before the first connection.
    pub const fn new() -> Self {
        Self {
            payload_type: 0,
            sequence: Sequence::new(),
            depacketizer: Depacketizer::new(),
            units: AccessUnits::new(),
        }
    }

    /// Sets the size of the payloads cut, before the first packet.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.units.configure(payload_bytes);
    }

    /// A new connection: what the camera's SDP says of its video.
    pub fn connect(&mut self, payload_type: u8, sps: Option<&[u8]>, pps: &[&[u8]]) {
        self.payload_type = payload_type;
        self.sequence = Sequence::new();
        self.depacketizer = Depacketizer::new();
        self.units.connect(sps, pps);
    }

    /// What comes next is of another camera: nothing of this one is known any more, but when its
    /// last picture was.
    pub fn renew(&mut self) {
        self.sequence = Sequence::new();
        self.depacketizer = Depacketizer::new();
        self.units.renew();
    }

    /// Takes an RTP packet.
    ///
    /// # Errors
    /// [`Malformed`], when it is none.
    pub fn packet(&mut self, packet: &[u8], head: &mut RingWriter) -> Result<Received, Malformed> {
        let (header, payload) = header::parse(packet)?;
        if header.payload_type != self.payload_type {
            return Ok(Received::OtherPayloadType(header.payload_type));
        }
        let step = self.sequence.step(&header);
        if step != Step::Next {
            self.broken(head.ring);
        }
        let mut sink = self.units.sink(header.timestamp, head);
        let whole = self.depacketizer.payload(payload, &mut sink);
        drop(sink);
        if !whole {
            self.broken(head.ring);
        }
        self.units.packet_ends(header.marker, head);
        let whole = whole && !self.units.take_overflowed();
        Ok(if whole && step != Step::Loss { Received::Taken } else { Received::Lossy })
    }

    /// Something is lost: all is dropped until the next IDR.
    pub fn broken(&mut self, ring: &mut Ring) {
        self.depacketizer.broken();
        self.units.broken(ring);
    }

    /// Parameter sets are known and so is the marker habit.
    pub fn ready(&self) -> bool {
        self.units.sets.complete() && self.units.habit.latched()
    }

    /// The camera's markers are of no use, and the last packet of each access unit waits for the
    /// next.
    pub fn holds_back(&self) -> bool {
        self.units.habit.holds_back()
    }

    /// The camera sends B-frames.
    pub fn b_frames(&self) -> bool {
        self.units.timeline.b_frames()
    }

    /// Access units seen, forwarded or not.
    pub fn access_units(&self) -> u64 {
        self.units.count
    }

    /// The last IDRs forwarded.
    pub fn idrs(&self) -> Idrs {
        self.units.idrs
    }

    /// The last access unit's stamp, and when it began to arrive.
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        self.units.timeline.last()
    }

    /// Profile and picture of the newest SPS; the size is 0 when it makes no sense.
    pub fn picture(&self) -> Option<sps::Sps> {
        let nal = self.units.sets.newest_sps()?;
        sps::parse(nal).or_else(|| {
            Some(sps::Sps {
                id: sps::id(nal)?,
                profile_level_id: sps::profile_level_id(nal)?,
                width: 0,
                height: 0,
            })
        })
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}
