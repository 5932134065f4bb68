//! A stream's parameter sets. They are not forwarded where the camera sent them, but published
//! before every IDR, in one STAP-A or AP, as Chromium needs them.
//!
//! Some cameras (`VStarcam`, some Axis) send them only in the SDP. Sets from the SDP or from before
//! a reconnect are *hearsay*: the first in-band set of a kind replaces all hearsay of that kind.
//! The bounds are [`VPS_MAX`], [`SPS_MAX`], [`PPS_MAX`], [`PARAMETER_SETS_MAX`] of all kinds, and
//! [`PARAMETER_SET_BYTES_MAX`]; a longer set is not kept.

use std::ops::Range;

use crate::codec::Codec;
use crate::history::Flags;
use crate::limits::{PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_MAX, PPS_MAX, SPS_MAX, VPS_MAX};

use super::bits::Bits;
use super::cut::RingWriter;
use super::nal::{NalHeader, NalRole, SetKind};
use super::{h264, h265, hevc_sps, sps};

/// The known parameter sets, and the one being received.
#[derive(Debug)]
pub struct ParameterSets {
    codec: Codec,
    /// The known sets, in the order in which they are published: see [`places`].
    sets: [ParameterSet; PARAMETER_SETS_MAX],
    /// The places written last, by kind.
    newest: [u8; 3],
    incoming: ParameterSet,
    /// The set being received is too long to keep.
    overlong: bool,
}

/// One parameter set; with length 0 the entry is free.
#[derive(Debug, Clone, Copy)]
struct ParameterSet {
    bytes: [u8; PARAMETER_SET_BYTES_MAX],
    len: u16,
    id: u8,
    hearsay: bool,
}

/// The places of a kind among all sets. H.264 has no VPS.
const fn places(codec: Codec, kind: SetKind) -> Range<usize> {
    const VPS_END: usize = VPS_MAX;
    const AFTER_VPS_END: usize = VPS_MAX + SPS_MAX;
    match (codec, kind) {
        (Codec::H264, SetKind::Vps) => 0..0,
        (Codec::H264, SetKind::Sps) => 0..SPS_MAX,
        (Codec::H264, SetKind::Pps) => SPS_MAX..SPS_MAX + PPS_MAX,
        (Codec::H265, SetKind::Vps) => 0..VPS_END,
        (Codec::H265, SetKind::Sps) => VPS_END..AFTER_VPS_END,
        (Codec::H265, SetKind::Pps) => AFTER_VPS_END..PARAMETER_SETS_MAX,
    }
}

impl ParameterSets {
    /// No parameter sets known.
    pub const fn new() -> Self {
        Self {
            codec: Codec::H264,
            sets: [ParameterSet::NONE; PARAMETER_SETS_MAX],
            newest: [0; 3],
            incoming: ParameterSet::NONE,
            overlong: false,
        }
    }

    /// The camera has connected or reconnected, with these sets in its SDP. They replace the known
    /// sets of their kind; sets that remain are hearsay too, since they may be outdated. Another
    /// codec needs [`Self::new`] sets.
    pub fn connect(&mut self, codec: Codec, sets: &[&[u8]]) {
        self.codec = codec;
        for kind in [SetKind::Vps, SetKind::Sps, SetKind::Pps] {
            let of_kind = || sets.iter().filter_map(|nal| ParameterSet::read(codec, nal, kind));
            if of_kind().next().is_some() {
                self.sets[places(codec, kind)].fill(ParameterSet::NONE);
            }
            of_kind().for_each(|set| self.keep(kind, set));
        }
        self.sets.iter_mut().for_each(|set| set.hearsay = true);
    }

    /// Begins a set that the camera sent in band.
    pub fn begin(&mut self, header: NalHeader) {
        self.incoming.len = 0;
        self.overlong = false;
        self.bytes(header.bytes());
    }

    /// Takes more bytes of that set.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.overlong |= !self.incoming.push(bytes);
    }

    /// Ends that set, and keeps it if it is valid and not too long.
    pub fn end(&mut self) {
        let nal = self.incoming.nal();
        let role = NalHeader::read(self.codec, nal).map(|(header, _)| header.role());
        let Some(NalRole::ParameterSet(kind)) = role.filter(|_| !self.overlong) else { return };
        let Some(set) = ParameterSet::read(self.codec, nal, kind) else { return };
        for known in self.sets[places(self.codec, kind)].iter_mut().filter(|set| set.hearsay) {
            *known = ParameterSet::NONE;
        }
        self.keep(kind, set);
    }

    /// Whether one set of each kind is known, so that a decoder could start.
    pub fn complete(&self) -> bool {
        [SetKind::Vps, SetKind::Sps, SetKind::Pps].into_iter().all(|kind| {
            let sets = &self.sets[places(self.codec, kind)];
            sets.is_empty() || sets.iter().any(|set| set.len > 0)
        })
    }

    /// The SPS that was received last, header included.
    pub fn newest_sps(&self) -> Option<&[u8]> {
        let sets = &self.sets[places(self.codec, SetKind::Sps)];
        let newest = &sets[usize::from(self.newest[SetKind::Sps as usize])];
        (newest.len > 0).then(|| newest.nal())
    }

    /// Publishes all sets as one STAP-A (RFC 6184 section 5.7.1) or AP (RFC 7798 section 4.4.2), or
    /// as few as hold them. Returns the index of the first packet.
    pub fn publish(&self, timestamp: u32, payload_bytes: usize, head: &mut RingWriter) -> u64 {
        let mut aggregate = Aggregate {
            codec: self.codec,
            filled: 0,
            count: 0,
            timestamp,
            first: head.ring.head(),
        };
        for set in self.sets.iter().filter(|set| set.len > 0) {
            if aggregate.filled + 2 + set.nal().len() > payload_bytes {
                aggregate.publish(head);
            }
            aggregate.add(set, head.reserve(payload_bytes));
        }
        aggregate.publish(head);
        aggregate.first
    }

    /// Keeps `set` in the entry with its ID, else in a free one, else in the one after the newest.
    fn keep(&mut self, kind: SetKind, set: ParameterSet) {
        let newest = &mut self.newest[kind as usize];
        let sets = &mut self.sets[places(self.codec, kind)];
        let same = sets.iter().position(|known| known.len > 0 && known.id == set.id);
        let free = || sets.iter().position(|known| known.len == 0);
        let place = same.or_else(free).unwrap_or((usize::from(*newest) + 1) % sets.len());
        sets[place] = set;
        *newest = u8::try_from(place).unwrap_or(0);
    }
}

/// An aggregate that is being written into the ring's room. With one set in it, it is published as
/// that NAL unit alone, as an AP has two at least.
struct Aggregate {
    codec: Codec,
    /// Bytes written, 0 before the first set.
    filled: usize,
    /// Sets in it.
    count: usize,
    timestamp: u32,
    /// The index of the first packet.
    first: u64,
}

impl Aggregate {
    fn add(&mut self, set: &ParameterSet, room: &mut [u8]) {
        let nal = set.nal();
        match self.codec {
            Codec::H264 => {
                // NRI is the highest of the sets in it (section 5.7).
                let former = if self.count > 0 { room[0] } else { 0 };
                room[0] = former.max(nal[0] & h264::IMPORTANCE | h264::STAP_A);
            }
            Codec::H265 => {
                room[..2].copy_from_slice(&h265::AP_HEADER);
            }
        }
        let size = self.filled.max(self.header_bytes());
        let body = size + 2;
        room[size..body].copy_from_slice(&set.len.to_be_bytes());
        room[body..body + nal.len()].copy_from_slice(nal);
        self.filled = body + nal.len();
        self.count += 1;
    }

    fn publish(&mut self, head: &mut RingWriter) {
        let flags = if head.ring.head() == self.first { Flags::IDR_BEGINS } else { Flags::NONE };
        let start = if self.count == 1 { self.header_bytes() + 2 } else { 0 };
        head.publish(start..self.filled, self.timestamp, flags);
        (self.filled, self.count) = (0, 0);
    }

    fn header_bytes(&self) -> usize {
        match self.codec {
            Codec::H264 => 1,
            Codec::H265 => h265::AP_HEADER.len(),
        }
    }
}

impl Default for ParameterSets {
    fn default() -> Self {
        Self::new()
    }
}

impl ParameterSet {
    const NONE: Self = Self { bytes: [0; PARAMETER_SET_BYTES_MAX], len: 0, id: 0, hearsay: false };

    /// A copy of `nal`, if it is of this kind, fits and has a valid ID.
    fn read(codec: Codec, nal: &[u8], kind: SetKind) -> Option<Self> {
        let (header, body) = NalHeader::read(codec, nal)?;
        if header.role() != NalRole::ParameterSet(kind) {
            return None;
        }
        let id = match (codec, kind) {
            (_, SetKind::Vps) => body.first()? >> 4,
            (Codec::H264, SetKind::Sps) => sps::id(nal)?,
            (Codec::H265, SetKind::Sps) => hevc_sps::id(nal)?,
            (_, SetKind::Pps) => u8::try_from(Bits::new(body).ue(255)?).ok()?,
        };
        let mut set = Self { id, ..Self::NONE };
        set.push(nal).then_some(set)
    }

    fn nal(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends `bytes`; returns false if there is no room for them.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(room) = self.bytes.get_mut(start..start + bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.len = u16::try_from(start + bytes.len()).unwrap_or(self.len);
        true
    }
}
