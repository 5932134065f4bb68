//! The receive side of one stream: takes a camera's RTP packets, writes packets for browsers.

use super::access_unit::{AccessUnits, Idrs};
use super::cut::RingWriter;
use super::depacketizer::Depacketizer;
use super::header::{self, Malformed};
use super::picture::Picture;
use super::sequence::{Sequence, SequenceStep};
use super::source::SourceFilter;
use crate::codec::Codec;
use crate::history::Ring;
use crate::status::BreakReason;

/// The receive side of one stream.
#[derive(Debug)]
pub struct Receiver {
    payload_type: u8,
    sources: SourceFilter,
    sequence: Sequence,
    depacketizer: Depacketizer,
    units: AccessUnits,
    losses: ReceiverLosses,
}

/// What was missing by the numbers of the packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiverLosses {
    /// Gaps in the numbers; a restart of the numbers is none.
    pub gaps: u32,
    /// The packets missing in them.
    pub packets: u64,
}

/// The result of receiving a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The packet was accepted, and nothing is missing before it.
    Taken,
    /// The packet was accepted, but packets before it or parts of it are missing.
    Lossy(BreakReason),
    /// Ignored: not this track's payload type. Geovision sends such packets in between, with the
    /// sequence number of the packet before.
    OtherPayloadType(u8),
    /// Ignored: a packet of another session of the camera, see [`SourceFilter`].
    OtherSource,
}

impl Receiver {
    /// The state before the first connection.
    pub const fn new() -> Self {
        Self {
            payload_type: 0,
            sources: SourceFilter::new(),
            sequence: Sequence::new(),
            depacketizer: Depacketizer::new(Codec::H264),
            units: AccessUnits::new(),
            losses: ReceiverLosses { gaps: 0, packets: 0 },
        }
    }

    /// Sets the largest RTP payload to cut, in bytes. Called before the first packet.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.units.configure(payload_bytes);
    }

    /// The camera has connected or reconnected; the arguments come from its SDP.
    pub fn connect(&mut self, codec: Codec, payload_type: u8, sets: &[&[u8]]) {
        self.payload_type = payload_type;
        self.sources = SourceFilter::new();
        self.sequence = Sequence::new();
        self.depacketizer = Depacketizer::new(codec);
        self.units.connect(codec, sets);
    }

    /// The codec of the last connection; H.264 before the first.
    pub fn codec(&self) -> Codec {
        self.units.codec
    }

    /// Another camera takes over the slot. Everything known of the old one is dropped, except when
    /// its last picture was.
    pub fn renew(&mut self) {
        self.sequence = Sequence::new();
        self.losses = ReceiverLosses::default();
        self.units.renew();
    }

    /// Handles one RTP packet.
    ///
    /// # Errors
    /// See [`Malformed`]: the packet is not valid RTP. It is ignored.
    pub fn packet(&mut self, packet: &[u8], head: &mut RingWriter) -> Result<Received, Malformed> {
        let (header, payload) = header::parse(packet)?;
        if header.payload_type != self.payload_type {
            return Ok(Received::OtherPayloadType(header.payload_type));
        }
        if !self.sources.takes(&header, head.now_us) {
            return Ok(Received::OtherSource);
        }
        let step = self.sequence.step(&header);
        if step != SequenceStep::Next {
            self.broken(head.ring);
        }
        let mut sink = self.units.sink(header.timestamp, head);
        let whole = self.depacketizer.payload(payload, &mut sink);
        drop(sink);
        if !whole {
            self.broken(head.ring);
        }
        self.units.packet_ends(header.marker, head);
        let overflowed = self.units.take_overflowed();
        Ok(if let SequenceStep::Loss { missing } = step {
            self.losses.gaps += u32::from(missing > 0);
            self.losses.packets += u64::from(missing);
            Received::Lossy(BreakReason::Gap)
        } else if overflowed {
            Received::Lossy(BreakReason::Overflow)
        } else if whole {
            Received::Taken
        } else {
            Received::Lossy(BreakReason::Torn)
        })
    }

    /// Packets were lost: drops everything until the next IDR.
    pub fn broken(&mut self, ring: &mut Ring) {
        self.depacketizer.broken();
        self.units.broken(ring);
    }

    /// Whether parameter sets are known and the marker probe is complete.
    pub fn ready(&self) -> bool {
        self.units.sets.complete() && self.units.habit.latched()
    }

    /// Whether the camera's markers are unusable, so that the last packet of each access unit is
    /// held until the next one begins.
    pub fn holds_back(&self) -> bool {
        self.units.habit.holds_back()
    }

    /// What was missing by the numbers of the packets, since the slot got its camera.
    pub fn losses(&self) -> ReceiverLosses {
        self.losses
    }

    /// How often the camera's timestamps jumped; see [`Timeline::jump_count`].
    ///
    /// [`Timeline::jump_count`]: super::timeline::Timeline::jump_count
    pub fn clock_jumps(&self) -> u32 {
        self.units.timeline.jump_count()
    }

    /// The camera's last timestamp that was believed, and when its access unit came (µs).
    pub fn camera_clock(&self) -> Option<(u32, u64)> {
        self.units.timeline.camera_clock()
    }

    /// Whether the camera was seen to send B-frames.
    pub fn b_frames(&self) -> bool {
        self.units.timeline.b_frames()
    }

    /// The number of access units received, forwarded or not.
    pub fn access_units(&self) -> u64 {
        self.units.count
    }

    /// Times of the last IDRs that were forwarded.
    pub fn idrs(&self) -> Idrs {
        self.units.idrs
    }

    /// The last access unit's timestamp as published, and when it began to arrive (µs).
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        self.units.timeline.last()
    }

    /// Profile and picture size of the newest SPS; the size is 0 if it cannot be parsed.
    pub fn picture(&self) -> Option<Picture> {
        Picture::read(self.units.codec, self.units.sets.newest_sps()?)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}
