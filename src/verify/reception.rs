//! What one session's media adds up to: packets, losses, whole access units, jitter.
//!
//! An access unit is whole if every packet from behind the one before it to its marker came. It is
//! judged some packets later, as packets may come in another order. Nothing is asked for again:
//! what the network loses stays lost, and so is seen.

use std::rc::Rc;

use super::latency::LatencyCounts;
use crate::codec::Codec;
use crate::demo::SentPictures;
use crate::limits::{VERIFY_REORDERED_PACKETS_MAX, VERIFY_SETTLE_MS, VERIFY_WINDOW_PACKETS};
use crate::rtp::header::Header;
use crate::rtp::nal::{NalHeader, NalRole};
use crate::rtsp::report_block::{ReportBlock, fraction_lost};

/// Ticks of a video's RTP clock in a millisecond.
const TICKS_PER_MS: f64 = 90.0;
/// Access units that wait to be judged.
const UNITS_OPEN_MAX: usize = 64;
const WORDS: usize = VERIFY_WINDOW_PACKETS / 64;

/// The sums of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReceptionCounts {
    /// Packets that came and were authentic.
    pub(crate) packets: u64,
    /// Packets from the first to the last that should have come.
    pub(crate) expected: u64,
    /// Packets that came later than one behind them.
    pub(crate) late: u64,
    /// Packets whose tag did not match.
    pub(crate) forged: u64,
    pub(crate) whole_units: u64,
    pub(crate) broken_units: u64,
    /// Whole units since the first second, and the milliseconds that they took.
    pub(crate) settled_units: u64,
    pub(crate) settled_ms: u64,
    /// From the first offer's post to the last packet of a whole key frame.
    pub(crate) picture_ms: Option<u64>,
    /// RFC 3550 section 6.4.1, of the units' first packets.
    pub(crate) jitter_ms: f64,
}

impl ReceptionCounts {
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.packets)
    }
}

/// An access unit whose last packet came.
#[derive(Debug, Clone, Copy)]
struct Unit {
    first: u64,
    last: u64,
    is_key: bool,
    arrival_us: u64,
    /// When its camera sent it, where that is known and counts.
    sent_us: Option<u64>,
}

/// The reception of one session's media.
pub(super) struct MediaReception {
    pub(super) counts: ReceptionCounts,
    /// Of each whole unit whose camera says when it sent it.
    pub(super) latencies: LatencyCounts,
    pub(super) ssrc: Option<u32>,
    /// What the camera notes, if it is in this process.
    sent: Option<Rc<SentPictures>>,
    codec: Codec,
    posted_us: u64,
    first_us: u64,
    /// The first number, the highest, and that behind the last marker.
    first: u64,
    highest: u64,
    next_unit: Option<u64>,
    /// Which of the last packets came, by their number.
    came: [u64; WORDS],
    open: heapless::Deque<Unit, UNITS_OPEN_MAX>,
    /// A key frame's begin was in the packets since the last marker.
    saw_key: bool,
    /// Timestamp and arrival of the last unit's first packet.
    begun: Option<(u32, u64)>,
    reported: (u64, u64),
}

impl MediaReception {
    /// Nothing received yet, for an offer that was posted then.
    pub(super) fn new(codec: Codec, posted_us: u64, sent: Option<Rc<SentPictures>>) -> Self {
        Self {
            counts: ReceptionCounts::default(),
            latencies: LatencyCounts::default(),
            ssrc: None,
            sent,
            codec,
            posted_us,
            first_us: 0,
            first: 0,
            highest: 0,
            next_unit: None,
            came: [0; WORDS],
            open: heapless::Deque::new(),
            saw_key: false,
            begun: None,
            reported: (0, 0),
        }
    }

    /// When the first packet came; `None` before.
    pub(super) fn begun_us(&self) -> Option<u64> {
        (self.counts.packets > 0).then_some(self.first_us)
    }

    /// The 48-bit number of a packet: the nearest to the highest so far.
    pub(super) fn number(&self, sequence: u16) -> u64 {
        if self.counts.packets == 0 {
            return u64::from(sequence);
        }
        let last = self.highest.to_le_bytes();
        let ahead = sequence.wrapping_sub(u16::from_le_bytes([last[0], last[1]]));
        if ahead < 0x8000 {
            self.highest + u64::from(ahead)
        } else {
            self.highest.saturating_sub(0x1_0000 - u64::from(ahead))
        }
    }

    /// Takes an authentic packet.
    pub(super) fn packet(&mut self, header: &Header, number: u64, payload: &[u8], now_us: u64) {
        self.counts.packets += 1;
        if self.counts.packets == 1 {
            (self.first_us, self.first, self.highest) = (now_us, number, number);
            self.ssrc = Some(header.ssrc);
        } else if number <= self.highest {
            self.counts.late += 1;
            let is_forgotten = self.highest - number >= VERIFY_WINDOW_PACKETS as u64;
            if number < self.first || is_forgotten || self.has(number) {
                // It was not counted as expected, or came twice.
                self.counts.packets -= 1;
                return;
            }
        }
        for passed in self.highest + 1..=number {
            self.mark(passed, false);
        }
        self.highest = self.highest.max(number);
        self.mark(number, true);
        self.counts.expected = self.highest - self.first + 1;
        self.saw_key |= is_key(self.codec, payload);
        self.time(header.timestamp, now_us);
        if header.marker {
            let sent_us = self.sent.as_ref().and_then(|sent| sent.sent_in_window_us(payload));
            self.close(number, now_us, sent_us);
        }
        self.judge(self.highest.saturating_sub(VERIFY_REORDERED_PACKETS_MAX));
    }

    /// Judges what is left, at the end.
    pub(super) fn finish(&mut self) {
        self.judge(u64::MAX);
    }

    fn mark(&mut self, number: u64, came: bool) {
        let at = usize::try_from(number % VERIFY_WINDOW_PACKETS as u64).unwrap_or(0);
        let bit = 1 << (at % 64);
        if came {
            self.came[at / 64] |= bit;
        } else {
            self.came[at / 64] &= !bit;
        }
    }

    fn has(&self, number: u64) -> bool {
        let at = usize::try_from(number % VERIFY_WINDOW_PACKETS as u64).unwrap_or(0);
        self.came[at / 64] & 1 << (at % 64) != 0
    }

    /// A marker came: a unit ends here.
    fn close(&mut self, last: u64, arrival_us: u64, sent_us: Option<u64>) {
        let first = self.next_unit.replace(last + 1).unwrap_or(self.first);
        let is_key = std::mem::take(&mut self.saw_key);
        // A marker that came behind a later one: its unit was taken for a part of that one's.
        if last < first {
            self.next_unit = Some(first);
            return;
        }
        if self.open.is_full() {
            self.judge_first();
        }
        let _ = self.open.push_back(Unit { first, last, is_key, arrival_us, sent_us });
    }

    /// Judges the units that end at or before `number`.
    fn judge(&mut self, number: u64) {
        while self.open.front().is_some_and(|unit| unit.last <= number) {
            self.judge_first();
        }
    }

    fn judge_first(&mut self) {
        let Some(unit) = self.open.pop_front() else { return };
        let is_in_window = self.highest - unit.first < VERIFY_WINDOW_PACKETS as u64;
        if !is_in_window || !(unit.first..=unit.last).all(|number| self.has(number)) {
            self.counts.broken_units += 1;
            return;
        }
        self.counts.whole_units += 1;
        if let Some(sent_us) = unit.sent_us {
            let took_us = unit.arrival_us.saturating_sub(sent_us);
            self.latencies.add(u32::try_from(took_us).unwrap_or(u32::MAX));
        }
        if unit.is_key && self.counts.picture_ms.is_none() {
            let waited_us = unit.arrival_us.saturating_sub(self.posted_us);
            self.counts.picture_ms = Some(waited_us / 1_000);
        }
        let since_ms = unit.arrival_us.saturating_sub(self.first_us) / 1_000;
        if since_ms >= VERIFY_SETTLE_MS {
            self.counts.settled_units += 1;
            self.counts.settled_ms = since_ms - VERIFY_SETTLE_MS;
        }
    }

    /// Notes when a unit's first packet came.
    fn time(&mut self, timestamp: u32, now_us: u64) {
        let Some((before, before_us)) = self.begun else {
            self.begun = Some((timestamp, now_us));
            return;
        };
        // Signed as RFC 3550 has it: the difference of two times that wrap.
        let step = timestamp.wrapping_sub(before).cast_signed();
        if step <= 0 {
            return;
        }
        self.begun = Some((timestamp, now_us));
        if now_us - self.first_us >= VERIFY_SETTLE_MS * 1_000 {
            #[allow(clippy::cast_precision_loss)] // microseconds between two frames
            let apart_ms = now_us.saturating_sub(before_us) as f64 / 1_000.0;
            let difference_ms = (apart_ms - f64::from(step) / TICKS_PER_MS).abs();
            self.counts.jitter_ms += (difference_ms - self.counts.jitter_ms) / 16.0;
        }
    }

    /// The report that is due now; `None` before the first packet.
    pub(super) fn report(&mut self) -> Option<ReportBlock> {
        let ssrc = self.ssrc?;
        let now = (self.counts.expected, self.counts.packets);
        let (expected, received) = std::mem::replace(&mut self.reported, now);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive and small
        let jitter = (self.counts.jitter_ms * TICKS_PER_MS) as u32;
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction_lost(now.0 - expected, now.1 - received),
            lost: u32::try_from(self.counts.lost()).unwrap_or(u32::MAX),
            highest: u32::try_from(self.highest & 0xffff_ffff).unwrap_or(0),
            jitter,
        })
    }
}

/// Whether a payload has the begin of a key frame: weir sends parameter sets before each.
fn is_key(codec: Codec, payload: &[u8]) -> bool {
    let is_start = |nal: &[u8]| {
        let role = NalHeader::read(codec, nal).map(|(header, _)| header.role());
        matches!(role, Some(NalRole::ParameterSet(_) | NalRole::KeySlice))
    };
    match (codec, payload) {
        // STAP-A (RFC 6184 section 5.7.1) and AP (RFC 7798 section 4.4.2): a size, then a NAL unit.
        (Codec::H264, [head, _, _, nal @ ..]) if head & 0x1f == 24 => is_start(nal),
        (Codec::H265, [head, _, _, _, nal @ ..]) if head >> 1 & 0x3f == 48 => is_start(nal),
        // FU-A and FU: the type of the NAL unit stands in the third part of the header.
        (Codec::H264, [head, part, ..]) if head & 0x1f == 28 => {
            part & 0x80 != 0 && is_start(&[head & 0xe0 | part & 0x1f])
        }
        (Codec::H265, [head, layer, part, ..]) if head >> 1 & 0x3f == 49 => {
            part & 0x80 != 0 && is_start(&[head & 0x81 | (part & 0x3f) << 1, *layer])
        }
        _ => is_start(payload),
    }
}

#[cfg(test)]
#[path = "reception_tests.rs"]
mod tests;
