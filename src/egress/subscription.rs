//! One stream in one session: a cursor into the stream's ring, and the RTP headers of its packets.
//! It handles live sending, pacing, overruns, congestion and resends.

mod feedback;

use std::sync::atomic::Ordering::Relaxed;

use crate::history::Chunks;
use crate::history::{Packet, Ring};
use crate::limits::CATCH_UP_TIME_DIVISOR;
use crate::net::udp::Wire;
use crate::status::{SkipFigures, SkipReason};

use super::context::{SendContext, Served};
use super::cursor::{Cursor, SealSlot};
use super::pace::Pacer;
use super::resends::{Losses, ResendBudget, Resends};
pub use super::rtp_header::PlayoutDelay;
use super::rtp_header::RtpHeader;
use super::srtp::Seal;

/// What the SDP answer promised about the stream's RTP.
#[derive(Debug, Clone, Copy)]
pub struct RtpParams {
    /// The SSRC that weir sends with.
    pub ssrc: u32,
    /// The RTP payload type of H.264.
    pub payload_type: u8,
    /// The playout-delay header extension; `None` if the browser did not offer it.
    pub playout_delay: Option<PlayoutDelay>,
    /// A random offset, added to the stream's timestamps.
    pub timestamp_offset: u32,
    /// Whether NACKs are answered with resends.
    pub is_resending: bool,
}

/// A stream's current state, as a subscription reads it.
#[derive(Clone, Copy)]
pub struct StreamView<'a> {
    /// The stream's history ring.
    pub ring: &'a Ring,
    /// The pool that holds the ring's chunks.
    pub chunks: &'a Chunks,
    /// The current time on the stream's RTP clock, for sender reports; `None` before the first
    /// packet.
    pub timestamp: Option<u32>,
    /// The camera's bit rate; 0 when unknown.
    pub bits_per_s: u64,
    /// Where the skips of all its viewers are counted.
    pub skips: &'a SkipFigures,
}

/// Counters of a subscription since it began.
#[derive(Debug, Default, Clone, Copy)]
pub struct SubscriptionCounters {
    /// Packets sealed for the first time; resends are not counted.
    pub packets: u64,
    /// Payload bytes of those packets.
    pub bytes: u64,
    /// Packets sealed again after a NACK, copies included.
    pub resends: u64,
    /// NACKed packets that were not resent: overwritten, over budget, or resends are off.
    pub resends_refused: u64,
    /// Key frame requests received: PLI and FIR.
    pub key_frame_requests: u64,
    /// How often it skipped to a later key frame, for each [`SkipReason`].
    pub skips: [u32; SkipReason::NAMES.len()],
}

/// The stream's state when the cursor's current mapping began.
#[derive(Debug, Default, Clone, Copy)]
struct Begun {
    /// For a mapping that began at a still: the index after the still's last packet.
    until: Option<u64>,
    /// The head of the ring at that time, and the timestamp of the newest packet.
    live_index: u64,
    live_timestamp: u32,
}

impl Begun {
    /// The timestamp that a packet is sent with. Packets from before the mapping began get
    /// timestamps close to live, in their order. The result depends on the packet alone, since a
    /// resend must be identical.
    fn timestamp(&self, packet: &Packet<'_>) -> u32 {
        if packet.index >= self.live_index {
            return packet.timestamp;
        }
        let before = self.live_timestamp.wrapping_sub(packet.timestamp).cast_signed();
        self.live_timestamp.wrapping_sub((before / CATCH_UP_TIME_DIVISOR).cast_unsigned())
    }
}

/// One stream in one session.
#[derive(Debug)]
pub struct Subscription {
    rtp_params: RtpParams,
    cursor: Cursor,
    begun: Begun,
    /// It has had every packet at some time since the mapping began.
    is_live: bool,
    /// Packets that it still needed were given up before it was live. From the next key frame on no
    /// rate applies until it is live; with a rate it might never get there.
    is_unpaced: bool,
    /// While waiting: the lowest index of a key frame to begin with.
    not_before: u64,
    pacer: Pacer,
    resends: Resends,
    budget: ResendBudget,
    losses: Losses,
    /// Since when every receiver report shows much loss.
    lossy_since_us: Option<u64>,
    report_due_us: u64,
    /// The fraction lost by the last receiver report, in 1/256.
    pub fraction_lost: u8,
    /// The round-trip time by the last receiver report, in µs; 0 before one.
    pub round_trip_us: u32,
    /// Counters since it began.
    pub counters: SubscriptionCounters,
}

impl Subscription {
    /// A subscription that waits for its first key frame. The first number is made from `random`.
    pub fn new(rtp_params: RtpParams, random: u16) -> Self {
        Self {
            rtp_params,
            cursor: Cursor::new(random),
            begun: Begun::default(),
            is_live: false,
            is_unpaced: false,
            not_before: 0,
            pacer: Pacer::new(),
            resends: Resends::default(),
            budget: ResendBudget::default(),
            losses: Losses::default(),
            lossy_since_us: None,
            report_due_us: 0,
            fraction_lost: 0,
            round_trip_us: 0,
            counters: SubscriptionCounters::default(),
        }
    }

    /// The SSRC that weir sends with.
    pub fn ssrc(&self) -> u32 {
        self.rtp_params.ssrc
    }

    /// Whether it waits for a key frame; it may have shown a still.
    pub fn is_waiting(&self) -> bool {
        self.cursor.is_waiting() || self.is_at_end()
    }

    /// The index of the packet that it gets next; `None` while it has no mapping.
    pub fn next_index(&self) -> Option<u64> {
        self.cursor.next().map(|slot| slot.index)
    }

    /// Whether it began at a still and has all packets of it.
    fn is_at_end(&self) -> bool {
        self.begun.until.zip(self.next_index()).is_some_and(|(until, next)| next >= until)
    }

    /// Seals the packets of the ring that it lacks, as far as pace and socket allow.
    pub fn serve<S: Seal, W: Wire>(
        &mut self,
        view: StreamView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) -> Served {
        self.find_place(view);
        self.pacer.refill(view.bits_per_s, context.now_us);
        let mended = self.mend(view, context);
        let Some(slot) = self.cursor.next().filter(|_| !self.is_at_end()) else {
            return mended;
        };
        if mended == Served::Blocked {
            return Served::Blocked;
        }
        let mut is_paced = false;
        for packet in view.ring.packets_from(view.chunks, slot.index) {
            if !self.pacer.allows(self.has_rate()) {
                is_paced = true;
                break;
            }
            let Some(slot) = self.cursor.next() else { break };
            if self.seal(&packet, slot, context).is_none() {
                return Served::Blocked;
            }
            self.resends.spend(slot.number);
            self.cursor.spend();
            self.pacer.spend(packet.payload.len());
            self.counters.packets += 1;
            self.counters.bytes += packet.payload.len() as u64;
        }
        if let Some(timestamp) = view.timestamp {
            let RtpParams { ssrc, timestamp_offset, .. } = self.rtp_params;
            let timestamp = timestamp.wrapping_add(timestamp_offset);
            let SubscriptionCounters { packets, bytes, .. } = self.counters;
            context.report(&mut self.report_due_us, ssrc, timestamp, packets, bytes);
        }
        self.is_live |= !is_paced;
        self.is_unpaced &= !self.is_live;
        if is_paced { self.paced() } else { mended }
    }

    /// Whether a rate applies: while it catches up, and where bursts cause losses.
    fn has_rate(&self) -> bool {
        !self.is_unpaced && (!self.is_live || self.pacer.is_slowed())
    }

    /// The result when this millisecond's pace is used up.
    fn paced(&self) -> Served {
        if self.is_live && !self.pacer.is_slowed() { Served::Behind } else { Served::CatchingUp }
    }

    /// Leaves a position that the ring has given up, and looks for the next key frame to begin
    /// with.
    fn find_place(&mut self, view: StreamView<'_>) {
        let ring = view.ring;
        if let Some(slot) = self.cursor.next() {
            if let Some(until) = self.begun.until.filter(|_| self.is_at_end()) {
                self.not_before = until;
            } else if !ring.has(slot.index) {
                self.is_unpaced = !self.is_live;
                self.skip(SkipReason::Overrun, ring.tail(), view);
            }
        }
        if self.is_waiting()
            && let Some(start) = ring.start()
            && start.index >= self.not_before
        {
            let live_index = ring.head();
            let newest = live_index.checked_sub(1).and_then(|at| ring.packet(view.chunks, at));
            let live_timestamp = newest.map_or(0, |packet| packet.timestamp);
            self.begun = Begun { until: start.until, live_index, live_timestamp };
            self.cursor.begin(start.index);
            self.resends.clear();
            self.is_live = false;
            self.report_due_us = 0;
        }
    }

    /// Pauses until a key frame that begins at `not_before` or later.
    fn skip(&mut self, why: SkipReason, not_before: u64, view: StreamView<'_>) {
        self.cursor.pause();
        self.resends.clear();
        self.not_before = not_before;
        self.lossy_since_us = None;
        self.counters.skips[why as usize] += 1;
        view.skips[why as usize].fetch_add(1, Relaxed);
    }

    /// Seals one packet into the batch; `None` when the socket is full.
    fn seal<S: Seal, W: Wire>(
        &self,
        packet: &Packet<'_>,
        slot: SealSlot,
        context: &mut SendContext<'_, S, W>,
    ) -> Option<()> {
        let RtpParams { ssrc, payload_type, playout_delay, timestamp_offset, .. } = self.rtp_params;
        let header = RtpHeader {
            marker: packet.flags.marker(),
            payload_type,
            sequence: slot.sequence(),
            timestamp: self.begun.timestamp(packet).wrapping_add(timestamp_offset),
            ssrc,
            playout_delay,
        };
        context.packet(header, slot.number, packet.payload)
    }
}

#[cfg(test)]
mod tests;
