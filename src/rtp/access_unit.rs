//! Which NAL units of a camera's access units are forwarded, and with which marker bits.
//!
//! Slices are forwarded. Parameter sets are kept and inserted before each IDR, which here stands
//! for any picture that decoding can begin with ([`NalRole::KeySlice`]). Delimiters, SEI, filler
//! and other NAL units that decoders do not need are dropped, and so are the pictures of H.265 that
//! not all viewers could decode ([`NalRole::SkippedSlice`]). Before the first IDR, and from a loss
//! to the next IDR, nothing is forwarded. An access unit begins with a new timestamp, or with a
//! picture's first slice (some cameras give two pictures one timestamp). The number of chunks that
//! one read may fill is bounded; beyond the bound the rest of the read counts as lost.

use crate::codec::Codec;
use crate::history::{Flags, Ring};

use super::cut::{Cutter, RingWriter};
use super::marker::MarkerHabit;
use super::nal::{NalHeader, NalRole, NalSink};
use super::parameter_sets::ParameterSets;
use super::timeline::Timeline;

/// The access units of one stream, in the order received.
#[derive(Debug)]
pub struct AccessUnits {
    /// The most bytes of an RTP payload.
    payload_bytes: usize,
    pub(super) codec: Codec,
    pub(super) sets: ParameterSets,
    pub(super) timeline: Timeline,
    pub(super) habit: MarkerHabit,
    cutter: Cutter,
    nal: Nal,
    unit: Unit,
    /// Nothing was lost since the last IDR.
    decodable: bool,
    /// The current packet contained part of a slice.
    slice_in_packet: bool,
    /// A slice was dropped because its read was full; cleared by [`Self::take_overflowed`].
    overflowed: bool,
    /// The number of access units received, forwarded or not.
    pub(super) count: u64,
    /// What is known of the IDRs that were forwarded.
    pub(super) idrs: Idrs,
}

/// Times of the last IDRs that were forwarded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idrs {
    /// When the last IDR began; 0 before the first.
    pub last_us: u64,
    /// The time between the last two IDRs, by their timestamps; 0 before there are two.
    pub apart_ms: u32,
    last_timestamp: u32,
}

/// The current NAL unit.
#[derive(Debug, Clone, Copy)]
#[repr(u8)] // the first is all zeros, so that the media thread's memory takes no room in the program
enum Nal {
    /// No NAL unit, or one that is not forwarded.
    Skipped,
    /// The first byte of an H.265 header has arrived.
    Half(u8),
    /// The header has arrived; the byte after it decides what happens to the NAL unit.
    Begun(NalHeader),
    ParameterSet,
    Slice {
        forward: bool,
    },
}

/// The access unit being received.
#[derive(Debug, Default)]
struct Unit {
    begun: bool,
    idr: bool,
    /// The camera's RTP timestamp.
    camera_timestamp: u32,
    /// The timestamp it is published with.
    timestamp: u32,
    /// The last packet with a part of its slices had the marker bit.
    marker: bool,
    /// Another slice followed a packet with the marker bit.
    odd: bool,
    /// Part of it was lost.
    torn: bool,
}

impl AccessUnits {
    /// The state before the first access unit.
    pub const fn new() -> Self {
        Self {
            payload_bytes: 0,
            codec: Codec::H264,
            sets: ParameterSets::new(),
            timeline: Timeline::new(),
            habit: MarkerHabit::new(),
            cutter: Cutter::new(),
            nal: Nal::Skipped,
            unit: Unit {
                begun: false,
                idr: false,
                camera_timestamp: 0,
                timestamp: 0,
                marker: false,
                odd: false,
                torn: false,
            },
            decodable: false,
            slice_in_packet: false,
            overflowed: false,
            count: 0,
            idrs: Idrs { last_us: 0, apart_ms: 0, last_timestamp: 0 },
        }
    }

    /// Sets the largest RTP payload to cut, in bytes. Called before the first packet.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.payload_bytes = payload_bytes;
    }

    /// The camera has connected or reconnected, with the codec and parameter sets of its SDP.
    pub fn connect(&mut self, codec: Codec, sets: &[&[u8]]) {
        if codec != self.codec {
            self.renew();
        }
        self.codec = codec;
        self.unit = Unit::default();
        self.sets.connect(codec, sets);
        self.timeline.reconnected();
    }

    /// Another camera takes over the slot; the timeline continues.
    pub fn renew(&mut self) {
        let payload_bytes = self.payload_bytes;
        let mut timeline = std::mem::take(&mut self.timeline);
        timeline.renewed();
        *self = Self { payload_bytes, timeline, ..Self::new() };
    }

    /// Packets were lost: drops what is incomplete, and everything until the next IDR.
    pub fn broken(&mut self, ring: &mut Ring) {
        let whole = self.unit.marker
            && !self.habit.holds_back()
            && !matches!(self.nal, Nal::Half(_) | Nal::Begun(_) | Nal::Slice { .. });
        if !whole && self.unit.idr && self.decodable {
            ring.idr_spoiled();
        }
        self.unit.torn |= !whole;
        self.nal = Nal::Skipped;
        self.cutter.drop_piece();
        self.decodable = false;
    }

    /// Whether part of a read was dropped since the last call because it filled as many chunks as a
    /// read may.
    pub fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// The sink for the NAL units of a packet with this timestamp.
    pub fn sink<'s, 'r>(
        &'s mut self,
        camera_timestamp: u32,
        head: &'s mut RingWriter<'r>,
    ) -> impl NalSink + use<'s, 'r> {
        Sink { units: self, camera_timestamp, head }
    }

    /// Ends a packet; `marker` is its marker bit.
    pub fn packet_ends(&mut self, marker: bool, head: &mut RingWriter) {
        if std::mem::take(&mut self.slice_in_packet) {
            self.unit.marker = marker;
        }
        if !self.habit.holds_back() {
            let flags = if marker { Flags::MARKER } else { Flags::NONE };
            self.cutter.release(flags, head);
        }
    }

    fn bytes(&mut self, mut bytes: &[u8], camera_timestamp: u32, head: &mut RingWriter) {
        if let (Nal::Half(first), [second, rest @ ..]) = (self.nal, bytes) {
            self.nal = Nal::Begun(NalHeader::H265([first, *second]));
            bytes = rest;
        }
        if let (Nal::Begun(header), Some(&first)) = (self.nal, bytes.first()) {
            self.nal = self.begin(header, first, camera_timestamp, head);
        }
        match self.nal {
            Nal::ParameterSet => self.sets.bytes(bytes),
            Nal::Slice { forward } => {
                self.slice_in_packet = true;
                self.unit.odd |= std::mem::take(&mut self.unit.marker);
                if forward {
                    self.cutter.bytes(bytes, self.payload_bytes, head);
                }
            }
            Nal::Skipped | Nal::Half(_) | Nal::Begun(_) => {}
        }
    }

    fn end(&mut self) {
        match self.nal {
            Nal::ParameterSet => self.sets.end(),
            Nal::Slice { forward } => {
                self.slice_in_packet = true;
                if forward {
                    self.cutter.end();
                }
            }
            Nal::Skipped | Nal::Half(_) | Nal::Begun(_) => {}
        }
        self.nal = Nal::Skipped;
    }

    /// Decides what happens to a NAL unit with this header and this byte after it.
    fn begin(
        &mut self,
        header: NalHeader,
        first: u8,
        camera_timestamp: u32,
        head: &mut RingWriter,
    ) -> Nal {
        let role = header.role();
        match role {
            NalRole::ParameterSet(_) => {
                self.sets.begin(header);
                return Nal::ParameterSet;
            }
            NalRole::Other => return Nal::Skipped,
            NalRole::KeySlice | NalRole::Slice | NalRole::SkippedSlice => {}
        }
        if head.ring.is_read_full() {
            self.cutter.release(Flags::NONE, head);
            self.overflowed |= self.decodable;
            self.broken(head.ring);
            return Nal::Skipped;
        }
        let picture = header.begins_picture(first);
        if !self.unit.begun || camera_timestamp != self.unit.camera_timestamp || picture {
            self.unit_begins(role, picture, camera_timestamp, head);
        } else {
            self.cutter.release(Flags::NONE, head);
        }
        let forward = self.decodable && role != NalRole::SkippedSlice;
        if forward {
            self.cutter.begin(header, self.unit.timestamp);
        }
        Nal::Slice { forward }
    }

    fn unit_begins(
        &mut self,
        role: NalRole,
        picture: bool,
        camera_timestamp: u32,
        head: &mut RingWriter,
    ) {
        // Parameter sets go before each IDR, but only once if a packet has many IDRs.
        let is_repeated = self.slice_in_packet && self.unit.idr && self.decodable;
        self.unit_ends(head);
        self.count += 1;
        self.unit = Unit {
            begun: true,
            idr: role == NalRole::KeySlice,
            camera_timestamp,
            timestamp: self.timeline.stamp(camera_timestamp, head.now_us),
            ..Unit::default()
        };
        if !self.unit.idr {
            return;
        }
        // After a loss, only an IDR with its first slice will do; without parameter sets, none.
        self.decodable = (self.decodable || picture) && self.sets.complete();
        if self.decodable && !is_repeated {
            let timestamp = self.unit.timestamp;
            let index = self.sets.publish(timestamp, self.payload_bytes, head);
            head.ring.idr_begins(index);
            self.idrs.note(timestamp, head.now_us);
        }
    }

    fn unit_ends(&mut self, head: &mut RingWriter) {
        self.cutter.release(Flags::MARKER, head);
        if self.unit.begun
            && !self.unit.torn
            && self.habit.observe(self.unit.marker && !self.unit.odd)
        {
            // The packets in the ring were published with the camera's unusable markers.
            head.ring.idr_spoiled();
        }
    }
}

impl Default for AccessUnits {
    fn default() -> Self {
        Self::new()
    }
}

impl Idrs {
    fn note(&mut self, timestamp: u32, now_us: u64) {
        if self.last_us > 0 {
            self.apart_ms = timestamp.wrapping_sub(self.last_timestamp) / 90;
        }
        self.last_us = now_us;
        self.last_timestamp = timestamp;
    }
}

struct Sink<'s, 'r> {
    units: &'s mut AccessUnits,
    camera_timestamp: u32,
    head: &'s mut RingWriter<'r>,
}

impl NalSink for Sink<'_, '_> {
    fn begin(&mut self, first: u8) {
        // The previous NAL unit has no end: the rest of this packet cannot repair it.
        if !matches!(self.units.nal, Nal::Skipped) {
            self.units.broken(self.head.ring);
        }
        self.units.nal = match self.units.codec {
            Codec::H264 => Nal::Begun(NalHeader::H264(first)),
            Codec::H265 => Nal::Half(first),
        };
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.units.bytes(bytes, self.camera_timestamp, self.head);
    }

    fn end(&mut self) {
        self.units.end();
    }
}
