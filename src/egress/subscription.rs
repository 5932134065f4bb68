//! One stream in one session: a cursor into the stream's ring, and what its packets look like on
//! the wire. Live, paced, overrun, congested and resent packets are all the cursor's doing.

mod feedback;

use crate::history::Chunks;
use crate::history::{Packet, Ring};
use crate::limits::{CATCH_UP_TIME_DIVISOR, RTP_OVERHEAD_BYTES, SENDER_REPORT_INTERVAL_US};
use crate::net::udp::Wire;

use super::batch::{Batch, Path};
use super::cursor::{Cursor, SealSlot};
use super::pace::Pacer;
use super::resends::{Budget, Losses, Resends};
use super::rtcp::{REPORT_BYTES, Report};
use super::srtp::{SRTCP_OVERHEAD_BYTES, Seal, TAG_BYTES};

const HEADER_BYTES: usize = 12;
const HEADER_WITH_EXTENSION_BYTES: usize = HEADER_BYTES + 8;

/// What the answer promised about the stream.
#[derive(Debug, Clone, Copy)]
pub struct RtpParams {
    /// Our SSRC.
    pub ssrc: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The id of the playout-delay extension, where it was offered.
    pub playout_delay_id: Option<u8>,
    /// Added to the stream's timestamps; random.
    pub timestamp_offset: u32,
    /// Whether NACKs are answered.
    pub is_resending: bool,
}

/// The stream as it is now.
#[derive(Clone, Copy)]
pub struct StreamView<'a> {
    /// Its history.
    pub ring: &'a Ring,
    /// Where the history lies.
    pub chunks: &'a Chunks,
    /// The timestamp that is now on the stream's clock, for reports; `None` before any.
    pub timestamp: Option<u32>,
    /// What its camera sends.
    pub bits_per_s: u64,
}

/// The way out, for one session at one moment.
pub struct SendContext<'a, S, W> {
    /// The session's keys.
    pub seal: &'a mut S,
    /// Where it is.
    pub path: Path,
    /// Where sealed packets gather.
    pub batch: &'a mut Batch,
    /// Where a full batch goes.
    pub wire: &'a W,
    /// Now.
    pub now_us: u64,
    /// Now, as an NTP timestamp.
    pub ntp: u64,
}

/// How far serving a subscription came: the further behind, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// It has all there is, or waits for a key frame.
    UpToDate,
    /// It has used up this millisecond's pace on its way from a key frame to what is newest, or has a
    /// slower pace than its stream's bursts: it has to keep up by itself.
    CatchingUp,
    /// It has used up this millisecond's pace, and had all there was before.
    Behind,
    /// The socket is full.
    Blocked,
}

/// What happened so far.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// Packets sealed, resends not counted.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets sealed again for a NACK.
    pub resends: u64,
    /// NACKed packets that were not: overwritten, over budget, resend off.
    pub resends_refused: u64,
    /// PLI and FIR.
    pub key_frame_requests: u64,
    /// Skips to a later key frame.
    pub skips: u64,
}

/// What the stream was like when a mapping of the cursor began.
#[derive(Debug, Default, Clone, Copy)]
struct Begun {
    /// Where what leads on from its key frame ends, if it does.
    until: Option<u64>,
    /// What was live then: the packet that came next, and the timestamp of the newest.
    live_index: u64,
    live_timestamp: u32,
}

impl Begun {
    /// The timestamp that a packet is sent with. What was there before is brought close to what was
    /// live, in its order; a function of the packet alone, as a resend has to be the same.
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
    /// It had all there was since it began.
    is_live: bool,
    /// What it wanted was given up before it was live: from the next key frame on it is paced as if it
    /// were, or it might never get there.
    is_unpaced: bool,
    /// While waiting: the key frame to begin with has at least this index.
    not_before: u64,
    pacer: Pacer,
    resends: Resends,
    budget: Budget,
    losses: Losses,
    /// Since when every report shows much loss.
    lossy_since_us: Option<u64>,
    report_due_us: u64,
    /// Loss by the last receiver report, in 1/256.
    pub fraction_lost: u8,
    /// Round-trip time by the last receiver report; 0 before one.
    pub round_trip_us: u32,
    /// What happened so far.
    pub counters: Counters,
}

impl Subscription {
    /// A subscription that waits for its first key frame; `random` gives the first number.
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
            budget: Budget::default(),
            losses: Losses::default(),
            lossy_since_us: None,
            report_due_us: 0,
            fraction_lost: 0,
            round_trip_us: 0,
            counters: Counters::default(),
        }
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> u32 {
        self.rtp_params.ssrc
    }

    /// Whether it waits for a key frame, with a still at most.
    pub fn is_waiting(&self) -> bool {
        self.cursor.is_waiting() || self.is_at_end()
    }

    /// The index of the packet that it gets next; `None` while it waits.
    pub fn next_index(&self) -> Option<u64> {
        self.cursor.next().map(|slot| slot.index)
    }

    /// Whether it has all that leads on from where it began, and that is not what is live.
    fn is_at_end(&self) -> bool {
        self.begun.until.zip(self.next_index()).is_some_and(|(until, next)| next >= until)
    }

    /// Seals what the ring has and the subscription has not, as far as pace and socket allow.
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
        self.report(view, context);
        self.is_live |= !is_paced;
        self.is_unpaced &= !self.is_live;
        if is_paced { self.paced() } else { mended }
    }

    /// Whether it has a rate: on its way to what is live, and where bursts do not arrive.
    fn has_rate(&self) -> bool {
        !self.is_unpaced && (!self.is_live || self.pacer.is_slowed())
    }

    /// How far it came, where this millisecond's pace is used up.
    fn paced(&self) -> Served {
        if self.is_live && !self.pacer.is_slowed() { Served::Behind } else { Served::CatchingUp }
    }

    /// Leaves a place that the ring has given up, and finds the next key frame.
    fn find_place(&mut self, view: StreamView<'_>) {
        let ring = view.ring;
        if let Some(slot) = self.cursor.next() {
            if let Some(until) = self.begun.until.filter(|_| self.is_at_end()) {
                self.not_before = until;
            } else if !ring.has(slot.index) {
                self.is_unpaced = !self.is_live;
                self.skip(ring.tail());
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

    fn skip(&mut self, not_before: u64) {
        self.cursor.pause();
        self.resends.clear();
        self.not_before = not_before;
        self.lossy_since_us = None;
        self.counters.skips += 1;
    }

    /// Writes header, payload and tag of one packet into the batch; `None` when there is no room.
    fn seal<S: Seal, W: Wire>(
        &self,
        packet: &Packet<'_>,
        slot: SealSlot,
        context: &mut SendContext<'_, S, W>,
    ) -> Option<()> {
        let header_bytes = if self.rtp_params.playout_delay_id.is_some() {
            HEADER_WITH_EXTENSION_BYTES
        } else {
            HEADER_BYTES
        };
        let bytes = header_bytes + packet.payload.len() + TAG_BYTES;
        debug_assert!(bytes <= packet.payload.len() + RTP_OVERHEAD_BYTES);
        let out = context.batch.packet(context.path, bytes, context.wire)?;
        let (header, rest) = out.split_at_mut(header_bytes);
        let (payload, tag) = rest.split_at_mut(packet.payload.len());
        self.write_header(header, packet, slot);
        payload.copy_from_slice(packet.payload);
        tag.copy_from_slice(&context.seal.seal(self.rtp_params.ssrc, slot.number, header, payload));
        Some(())
    }

    /// The RTP header (RFC 3550 section 5.1) with playout-delay 0 to 0 where it was offered. It
    /// depends on the packet and its number alone, so that a resend is the same to the byte.
    fn write_header(&self, header: &mut [u8], packet: &Packet<'_>, slot: SealSlot) {
        let marker = u8::from(packet.flags.marker()) << 7;
        let timestamp = self.begun.timestamp(packet).wrapping_add(self.rtp_params.timestamp_offset);
        header[0] = 0x80;
        header[1] = marker | self.rtp_params.payload_type;
        header[2..4].copy_from_slice(&slot.sequence().to_be_bytes());
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.rtp_params.ssrc.to_be_bytes());
        if let Some(id) = self.rtp_params.playout_delay_id {
            header[0] |= 0x10;
            // One-byte extensions (RFC 8285): one word, of id and length 3 - 1, then 3 zeros.
            header[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 2, 0, 0, 0]);
        }
    }

    /// A sender report with a mapping's first packets and then every few seconds, behind a burst.
    fn report<S: Seal, W: Wire>(
        &mut self,
        view: StreamView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) {
        let Some(timestamp) = view.timestamp else { return };
        if context.now_us < self.report_due_us {
            return;
        }
        #[allow(clippy::cast_possible_truncation)] // RFC 3550: both counts wrap
        let report = Report {
            ssrc: self.rtp_params.ssrc,
            ntp: context.ntp,
            timestamp: timestamp.wrapping_add(self.rtp_params.timestamp_offset),
            packets: self.counters.packets as u32,
            bytes: self.counters.bytes as u32,
        };
        let mut packet = [0; REPORT_BYTES + SRTCP_OVERHEAD_BYTES];
        let mut plain = [0; REPORT_BYTES];
        report.write(&mut plain);
        packet[..REPORT_BYTES].copy_from_slice(&plain);
        if context.seal.seal_rtcp(&mut packet, REPORT_BYTES).is_none() {
            return;
        }
        let Some(out) = context.batch.packet(context.path, packet.len(), context.wire) else {
            return;
        };
        out.copy_from_slice(&packet);
        self.report_due_us = context.now_us + SENDER_REPORT_INTERVAL_US;
    }
}

#[cfg(test)]
mod tests;
