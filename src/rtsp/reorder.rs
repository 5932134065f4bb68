//! Puts the RTP packets of a UDP camera in order, and tells its stream from others'.
//!
//! A packet that comes in order is handed on where it lies: neither copied nor delayed. One that
//! comes before its time is copied to a slot of the pool that all cameras share, and waits: until
//! the missing ones have come, for [`REORDER_US_MAX`], or until [`REORDER_PACKETS_MAX`] numbers
//! have passed or the pool has no more slots for this track. What is still missing then is lost.
//! Sound waits for less ([`ReorderWindow::SOUND`]).
//!
//! A camera may change its SSRC (Uniview: with every key frame) or its numbers. Two consecutive
//! packets of another sequence are believed; the first of them waits for the second. If the former
//! SSRC then goes on, the other was a stranger's (a stale session, or a forger). After
//! [`RETURNS_MAX`] of these a change is believed only when the camera is silent.

use std::ops::Add;

use crate::limits::{
    REORDER_PACKETS_MAX, REORDER_SOUND_PACKETS_MAX, REORDER_SOUND_US_MAX, REORDER_US_MAX,
    RTP_GAP_PACKETS_MAX, RTP_LATE_PACKETS_MAX,
};
use crate::mem::pool::ReorderPool;

/// A former SSRC that goes on within this time was the camera's.
const RETURN_US: u64 = 1_000_000;
/// See the module.
const RETURNS_MAX: u8 = 3;
const PLACES: u16 = 32;
const _: () = assert!(REORDER_PACKETS_MAX == PLACES as usize && 65_536 % REORDER_PACKETS_MAX == 0);

/// How many packets of a track may wait for an earlier one, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReorderWindow {
    packets: u16,
    wait_us: u64,
}

impl ReorderWindow {
    /// That of the picture.
    pub(super) const PICTURE: Self = Self { packets: PLACES, wait_us: REORDER_US_MAX };
    /// That of the sound.
    #[allow(clippy::cast_possible_truncation)] // it is at most PLACES
    pub(super) const SOUND: Self =
        Self { packets: REORDER_SOUND_PACKETS_MAX as u16, wait_us: REORDER_SOUND_US_MAX };
}

/// What happened to the packets of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReorderCounters {
    /// Packets that were missing when their time was over.
    pub lost: u64,
    /// Packets that came out of order and in time.
    pub reordered: u64,
    /// Packets that came when they had already counted as lost.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets of another source than the camera's stream.
    pub foreign: u64,
}

impl Add for ReorderCounters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            reordered: self.reordered + other.reordered,
            late: self.late + other.late,
            duplicates: self.duplicates + other.duplicates,
            foreign: self.foreign + other.foreign,
        }
    }
}

/// The order of the packets of one track.
pub(super) struct Reorder {
    window: ReorderWindow,
    source: Option<Source>,
    /// Packets that wait, each in the place of its number modulo [`PLACES`].
    held: [Held; PLACES as usize],
    count: usize,
    /// When the first of these came.
    oldest_us: u64,
    /// A packet that begins another sequence, if the next one goes on there.
    candidate: Option<Candidate>,
    /// The SSRC before the last change, and when that was.
    former: Option<(u32, u64)>,
    returns: u8,
    pub(super) counters: ReorderCounters,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    /// The number that is next.
    next: u16,
    /// Which of the last 64 numbers came; the newest is the lowest bit.
    came: u64,
    last_us: u64,
}

/// A packet in a slot of the pool; without bytes there is none.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    slot: u16,
    bytes: u16,
    /// The low bits of the time when it came.
    came_us: u32,
}

#[derive(Debug)]
struct Candidate {
    ssrc: u32,
    sequence: u16,
    held: Option<Held>,
}

impl std::fmt::Debug for Reorder {
    /// Without the places, which are mostly empty.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reorder")
            .field("source", &self.source)
            .field("count", &self.count)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Reorder {
    pub(super) const fn new(window: ReorderWindow) -> Self {
        Self {
            window,
            source: None,
            held: [Held { slot: 0, bytes: 0, came_us: 0 }; PLACES as usize],
            count: 0,
            oldest_us: 0,
            candidate: None,
            former: None,
            returns: 0,
            counters: ReorderCounters { lost: 0, reordered: 0, late: 0, duplicates: 0, foreign: 0 },
        }
    }

    /// Takes a packet of at least 12 bytes and calls `deliver` for each that is in order now.
    /// Returns whether it is of the camera's stream.
    pub(super) fn packet(
        &mut self,
        packet: &[u8],
        pool: &mut ReorderPool,
        now_us: u64,
        deliver: &mut impl FnMut(&[u8]),
    ) -> bool {
        let [_, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = *packet else { return false };
        let sequence = u16::from_be_bytes([s0, s1]);
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        let source = self.source.get_or_insert(Source {
            ssrc,
            next: sequence,
            came: u64::MAX,
            last_us: now_us,
        });
        let ahead = sequence.wrapping_sub(source.next);
        if source.ssrc != ssrc
            || (RTP_GAP_PACKETS_MAX..=u16::MAX - RTP_LATE_PACKETS_MAX).contains(&ahead)
        {
            return self.elsewhere(packet, (ssrc, sequence), pool, now_us, deliver);
        }
        source.last_us = now_us;
        self.drop_candidate(pool);
        match ahead {
            0 if self.count == 0 => {
                self.passed(true);
                deliver(packet);
            }
            0 => {
                self.counters.reordered += 1;
                self.passed(true);
                deliver(packet);
                self.release_next(pool, deliver);
            }
            1..RTP_GAP_PACKETS_MAX => self.early(packet, sequence, pool, now_us, deliver),
            _ => self.behind(ahead.wrapping_neg()),
        }
        true
    }

    /// Gives up what has been waited for long enough. Called at [`Reorder::deadline_us`] or later.
    pub(super) fn expire(
        &mut self,
        pool: &mut ReorderPool,
        now_us: u64,
        deliver: &mut impl FnMut(&[u8]),
    ) {
        while self.count > 0 && now_us >= self.oldest_us + self.window.wait_us {
            self.give_up_gap(pool, deliver);
        }
    }

    /// When [`Reorder::expire`] must be called; `u64::MAX` while no packet waits.
    pub(super) fn deadline_us(&self) -> u64 {
        if self.count == 0 { u64::MAX } else { self.oldest_us + self.window.wait_us }
    }

    /// Drops what waits and gives its slots back.
    pub(super) fn clear(&mut self, pool: &mut ReorderPool) {
        self.drop_candidate(pool);
        for place in &mut self.held {
            if place.bytes > 0 {
                pool.give(place.slot);
            }
            *place = Held::default();
        }
        self.count = 0;
        self.source = None;
    }

    /// A packet with a number ahead of the next.
    fn early(
        &mut self,
        packet: &[u8],
        sequence: u16,
        pool: &mut ReorderPool,
        now_us: u64,
        deliver: &mut impl FnMut(&[u8]),
    ) {
        let most = self.window.packets;
        while self.count > 0 && self.ahead(sequence) >= most {
            self.give_up_gap(pool, deliver);
        }
        let ahead = self.ahead(sequence);
        match ahead {
            0 => {
                self.passed(true);
                deliver(packet);
                return self.release_next(pool, deliver);
            }
            // No more packets than these can wait, so the first of the numbers are given up.
            _ if ahead >= most => (0..=ahead - most).for_each(|_| self.passed(false)),
            _ => {}
        }
        let place = usize::from(sequence % PLACES);
        if self.held[place].bytes > 0 {
            self.counters.duplicates += 1;
            return;
        }
        match hold(packet, self.count, pool, now_us) {
            Some(held) => {
                self.held[place] = held;
                if self.count == 0 {
                    self.oldest_us = now_us;
                }
                self.count += 1;
            }
            None => {
                // The next ones have no room either.
                while self.ahead(sequence) > 0 {
                    self.pass_next(pool, deliver);
                }
                self.passed(true);
                deliver(packet);
                self.release_next(pool, deliver);
            }
        }
    }

    /// A packet with a number before the next.
    fn behind(&mut self, by: u16) {
        let came = self.source.as_ref().map_or(0, |source| source.came);
        let has_come = by <= 64 && came >> (by - 1) & 1 == 1;
        match has_come {
            true => self.counters.duplicates += 1,
            false => self.counters.late += 1,
        }
    }

    /// A packet of another SSRC, or far from the numbers that are expected.
    fn elsewhere(
        &mut self,
        packet: &[u8],
        (ssrc, sequence): (u32, u16),
        pool: &mut ReorderPool,
        now_us: u64,
        deliver: &mut impl FnMut(&[u8]),
    ) -> bool {
        let Some(source) = self.source else { return false };
        let is_other = ssrc != source.ssrc;
        let is_pinned = self.returns >= RETURNS_MAX && now_us < source.last_us + RETURN_US;
        if is_other && is_pinned {
            self.counters.foreign += 1;
            return false;
        }
        let first = self.candidate.take();
        let goes_on = first
            .as_ref()
            .is_some_and(|first| first.ssrc == ssrc && first.sequence.wrapping_add(1) == sequence);
        if !goes_on {
            self.candidate = first;
            self.drop_candidate(pool);
            let held = hold(packet, self.count, pool, now_us);
            self.candidate = Some(Candidate { ssrc, sequence, held });
            return false;
        }
        while self.count > 0 {
            self.give_up_gap(pool, deliver);
        }
        if is_other {
            let returns = self.former.is_some_and(|(former, changed_us)| {
                former == ssrc && now_us < changed_us + RETURN_US
            });
            self.returns = self.returns.saturating_add(u8::from(returns));
            self.former = Some((source.ssrc, now_us));
        }
        let next = sequence.wrapping_add(1);
        self.source = Some(Source { ssrc, next, came: u64::MAX, last_us: now_us });
        if let Some(held) = first.and_then(|first| first.held) {
            deliver(pool.bytes(held.slot, held.bytes));
            pool.give(held.slot);
        }
        deliver(packet);
        true
    }

    fn ahead(&self, sequence: u16) -> u16 {
        self.source.as_ref().map_or(0, |source| sequence.wrapping_sub(source.next))
    }

    /// Gives up the numbers before the first packet that waits, and releases what follows them.
    fn give_up_gap(&mut self, pool: &mut ReorderPool, deliver: &mut impl FnMut(&[u8])) {
        while self.count > 0 && !self.pass_next(pool, deliver) {}
        self.release_next(pool, deliver);
    }

    /// Releases the packets whose turn it is.
    fn release_next(&mut self, pool: &mut ReorderPool, deliver: &mut impl FnMut(&[u8])) {
        while self.count > 0 && self.held[self.next_place()].bytes > 0 {
            self.pass_next(pool, deliver);
        }
        if self.count > 0 {
            // The low bits tell the age, which is far below an hour.
            let newest_us = self.oldest_us;
            let ages = self.held.iter().filter(|held| held.bytes > 0);
            let later = ages.map(|held| held.came_us.wrapping_sub(low_bits(newest_us)));
            self.oldest_us = newest_us + u64::from(later.min().unwrap_or(0));
        }
    }

    /// Passes the next number: its packet is delivered, or lost. Returns whether there was one.
    fn pass_next(&mut self, pool: &mut ReorderPool, deliver: &mut impl FnMut(&[u8])) -> bool {
        let place = self.next_place();
        let held = std::mem::take(&mut self.held[place]);
        let is_here = held.bytes > 0;
        self.passed(is_here);
        if is_here {
            deliver(pool.bytes(held.slot, held.bytes));
            pool.give(held.slot);
            self.count -= 1;
        }
        is_here
    }

    fn next_place(&self) -> usize {
        usize::from(self.source.as_ref().map_or(0, |source| source.next) % PLACES)
    }

    /// Notes that the next number came, or is lost.
    fn passed(&mut self, came: bool) {
        self.counters.lost += u64::from(!came);
        if let Some(source) = &mut self.source {
            source.next = source.next.wrapping_add(1);
            source.came = source.came << 1 | u64::from(came);
        }
    }

    fn drop_candidate(&mut self, pool: &mut ReorderPool) {
        if let Some(candidate) = self.candidate.take() {
            self.counters.foreign += 1;
            if let Some(held) = candidate.held {
                pool.give(held.slot);
            }
        }
    }
}

/// Copies a packet to a slot; `None` without room for it.
fn hold(packet: &[u8], count: usize, pool: &mut ReorderPool, now_us: u64) -> Option<Held> {
    let bytes = u16::try_from(packet.len()).ok()?;
    Some(Held { slot: pool.take(packet, count)?, bytes, came_us: low_bits(now_us) })
}

fn low_bits(us: u64) -> u32 {
    u32::try_from(us & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
#[path = "reorder_tests.rs"]
mod tests;
