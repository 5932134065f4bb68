//! A stream's parameter sets. They are not forwarded where the camera sent them, but published
//! before every IDR, in one STAP-A, as Chromium needs them.
//!
//! Some cameras (`VStarcam`, some Axis) send them only in the SDP. Sets from the SDP or from before
//! a reconnect are *hearsay*: the first in-band set of a kind replaces all hearsay of that kind.
//! The bounds are [`SPS_MAX`], [`PPS_MAX`] and [`PARAMETER_SET_BYTES_MAX`]; a longer set is not
//! kept.

use crate::history::Flags;
use crate::limits::{PARAMETER_SET_BYTES_MAX, PPS_MAX, SPS_MAX};

use super::bits::Bits;
use super::cut::RingWriter;
use super::{nal, sps};

/// The known parameter sets, and the one being received.
#[derive(Debug)]
pub struct ParameterSets {
    sps: Kind<SPS_MAX>,
    pps: Kind<PPS_MAX>,
    incoming: ParameterSet,
    /// The set being received is too long to keep.
    overlong: bool,
}

/// The known sets of one kind, SPS or PPS.
#[derive(Debug)]
struct Kind<const N: usize> {
    sets: [ParameterSet; N],
    /// The index of the set written last.
    newest: u8,
}

/// One parameter set; with length 0 the entry is free.
#[derive(Debug, Clone, Copy)]
struct ParameterSet {
    bytes: [u8; PARAMETER_SET_BYTES_MAX],
    len: u16,
    id: u8,
    hearsay: bool,
}

impl ParameterSets {
    /// No parameter sets known.
    pub const fn new() -> Self {
        Self { sps: Kind::new(), pps: Kind::new(), incoming: ParameterSet::NONE, overlong: false }
    }

    /// The camera has connected or reconnected, with these sets in its SDP. They replace the known
    /// sets of their kind; sets that remain are hearsay too, since they may be outdated.
    pub fn connect(&mut self, sps: Option<&[u8]>, pps: &[&[u8]]) {
        self.sps.seed(sps.and_then(|nal| ParameterSet::read(nal, nal::SPS)));
        self.pps.seed(pps.iter().filter_map(|nal| ParameterSet::read(nal, nal::PPS)));
    }

    /// Begins a set that the camera sent in band.
    pub fn begin(&mut self, header: u8) {
        self.incoming.len = 0;
        self.overlong = false;
        self.bytes(&[header]);
    }

    /// Takes more bytes of that set.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.overlong |= !self.incoming.push(bytes);
    }

    /// Ends that set, and keeps it if it is valid and not too long.
    pub fn end(&mut self) {
        let nal = &self.incoming.bytes[..usize::from(self.incoming.len)];
        let kind = nal.first().map_or(0, |&header| nal::kind(header));
        let Some(set) = ParameterSet::read(nal, kind).filter(|_| !self.overlong) else {
            return;
        };
        if kind == nal::SPS {
            self.sps.forget_hearsay();
            self.sps.keep(set);
        } else {
            self.pps.forget_hearsay();
            self.pps.keep(set);
        }
    }

    /// Whether at least one SPS and one PPS are known, so that a decoder could start.
    pub fn complete(&self) -> bool {
        self.sps.known().next().is_some() && self.pps.known().next().is_some()
    }

    /// The SPS that was received last, header byte included.
    pub fn newest_sps(&self) -> Option<&[u8]> {
        let newest = &self.sps.sets[usize::from(self.sps.newest)];
        (newest.len > 0).then(|| newest.nal())
    }

    /// Publishes all sets as one STAP-A (RFC 6184 section 5.7.1), or as few as hold them. Returns
    /// the index of the first.
    pub fn publish(&self, timestamp: u32, payload_bytes: usize, head: &mut RingWriter) -> u64 {
        let first = head.ring.head();
        let mut filled = 0;
        for set in self.sps.known().chain(self.pps.known()) {
            let nal = set.nal();
            if filled + 2 + nal.len() > payload_bytes {
                publish_aggregate(filled, timestamp, first, head);
                filled = 0;
            }
            let room = head.reserve(payload_bytes);
            if filled == 0 {
                room[0] = nal::STAP_A;
                filled = 1;
            }
            // NRI is the highest of the sets in it (section 5.7).
            room[0] = room[0].max((nal[0] & nal::IMPORTANCE) | nal::STAP_A);
            room[filled..filled + 2].copy_from_slice(&set.len.to_be_bytes());
            room[filled + 2..filled + 2 + nal.len()].copy_from_slice(nal);
            filled += 2 + nal.len();
        }
        publish_aggregate(filled, timestamp, first, head);
        first
    }
}

/// Publishes the STAP-A that was written into the ring's room.
fn publish_aggregate(bytes: usize, timestamp: u32, first: u64, head: &mut RingWriter) {
    let flags = if head.ring.head() == first { Flags::IDR_BEGINS } else { Flags::NONE };
    head.publish(0..bytes, timestamp, flags);
}

impl Default for ParameterSets {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Kind<N> {
    const fn new() -> Self {
        Self { sets: [ParameterSet::NONE; N], newest: 0 }
    }

    fn known(&self) -> impl Iterator<Item = &ParameterSet> {
        self.sets.iter().filter(|set| set.len > 0)
    }

    /// Keeps `sets` as hearsay. If there are any, they replace the known sets.
    fn seed(&mut self, sets: impl IntoIterator<Item = ParameterSet>) {
        let mut sets = sets.into_iter().peekable();
        if sets.peek().is_some() {
            self.sets.fill(ParameterSet::NONE);
        }
        sets.for_each(|set| self.keep(set));
        self.sets.iter_mut().for_each(|set| set.hearsay = true);
    }

    fn forget_hearsay(&mut self) {
        for set in self.sets.iter_mut().filter(|set| set.hearsay) {
            *set = ParameterSet::NONE;
        }
    }

    /// Keeps `set` in the entry with its ID, else in a free one, else in the one after the newest.
    fn keep(&mut self, set: ParameterSet) {
        let same = self.sets.iter().position(|known| known.len > 0 && known.id == set.id);
        let free = || self.sets.iter().position(|known| known.len == 0);
        let place = same.or_else(free).unwrap_or((usize::from(self.newest) + 1) % N);
        self.sets[place] = set;
        self.newest = u8::try_from(place).unwrap_or(0);
    }
}

impl ParameterSet {
    const NONE: Self = Self { bytes: [0; PARAMETER_SET_BYTES_MAX], len: 0, id: 0, hearsay: false };

    /// A copy of `nal`, if it is of this kind, fits and has a valid ID.
    fn read(nal: &[u8], kind: u8) -> Option<Self> {
        let (&header, body) = nal.split_first()?;
        if nal::kind(header) != kind {
            return None;
        }
        let id = match kind {
            nal::SPS => sps::id(nal)?,
            _ => u8::try_from(Bits::new(body).ue(255)?).ok()?,
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
