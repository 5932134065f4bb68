//! The sound of one stream in one session: a cursor into the camera's ring of sound, and the RTP
//! headers of its packets.
//!
//! A viewer that joins begins at the next packet, and one that is overrun goes on at the oldest
//! that is left. Nothing is sent again: browsers conceal a lost packet of 20 ms before a resend
//! comes. Numbers are spent by the same [`Cursor`] as the picture's, so the nonce rule is the same.

use crate::history::{Packet, SoundRing};
use crate::limits::{RTP_OVERHEAD_BYTES, SENDER_REPORT_INTERVAL_US};
use crate::net::udp::Wire;
use crate::sound::SoundCodec;

use super::context::{SendContext, Served};
use super::cursor::{Cursor, SealSlot};
use super::rtcp::SenderReport;
use super::srtp::{Seal, TAG_BYTES};

const HEADER_BYTES: usize = 12;

/// What the SDP answer promised about the sound's RTP.
#[derive(Debug, Clone, Copy)]
pub struct SoundParams {
    /// The SSRC that weir sends with; never the picture's.
    pub ssrc: u32,
    /// The RTP payload type of the codec.
    pub payload_type: u8,
    /// The codec that was agreed on. While the camera sends another one, nothing is sent.
    pub codec: SoundCodec,
    /// A random offset, added to the sound's timestamps.
    pub timestamp_offset: u32,
}

/// A camera's sound, as a subscription reads it.
#[derive(Clone, Copy)]
pub struct SoundView<'a> {
    /// The ring of sound.
    pub ring: &'a SoundRing,
    /// The codec of what is in it; `None` without sound.
    pub codec: Option<SoundCodec>,
    /// The current time on the sound's RTP clock, for sender reports; `None` before the first
    /// packet.
    pub timestamp: Option<u32>,
}

/// Counters of a sound subscription since it began.
#[derive(Debug, Default, Clone, Copy)]
pub struct SoundCounters {
    /// Packets sealed, each of them once.
    pub packets: u64,
    /// Payload bytes of those packets.
    pub bytes: u64,
}

/// The sound of one stream in one session.
#[derive(Debug)]
pub struct SoundSubscription {
    params: SoundParams,
    cursor: Cursor,
    report_due_us: u64,
    /// Counters since it began.
    pub counters: SoundCounters,
}

impl SoundSubscription {
    /// A subscription that begins with the next packet. The first number is made from `random`.
    pub fn new(params: SoundParams, random: u16) -> Self {
        Self {
            params,
            cursor: Cursor::new(random),
            report_due_us: 0,
            counters: SoundCounters::default(),
        }
    }

    /// The SSRC that weir sends with.
    pub fn ssrc(&self) -> u32 {
        self.params.ssrc
    }

    /// Seals the packets that it lacks, as far as the socket allows.
    pub fn serve<S: Seal, W: Wire>(
        &mut self,
        view: SoundView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) -> Served {
        if view.codec != Some(self.params.codec) {
            self.cursor.pause();
            return Served::UpToDate;
        }
        match self.cursor.next() {
            None => self.cursor.begin(view.ring.head()),
            Some(slot) if slot.index < view.ring.tail() => self.cursor.begin(view.ring.tail()),
            Some(_) => {}
        }
        let before = self.counters.packets;
        while let Some(slot) = self.cursor.next()
            && let Some(packet) = view.ring.packet(slot.index)
        {
            if self.seal(&packet, slot, context).is_none() {
                return Served::Blocked;
            }
            self.cursor.spend();
            self.counters.packets += 1;
            self.counters.bytes += packet.payload.len() as u64;
        }
        if self.counters.packets > before {
            self.report(view, context);
        }
        Served::UpToDate
    }

    /// Writes header, payload and tag of one packet into the batch; `None` when the socket is full.
    fn seal<S: Seal, W: Wire>(
        &self,
        packet: &Packet<'_>,
        slot: SealSlot,
        context: &mut SendContext<'_, S, W>,
    ) -> Option<()> {
        let SoundParams { ssrc, payload_type, timestamp_offset, .. } = self.params;
        let bytes = HEADER_BYTES + packet.payload.len() + TAG_BYTES;
        debug_assert!(bytes <= packet.payload.len() + RTP_OVERHEAD_BYTES);
        let out = context.batch.packet(context.path, bytes, context.wire)?;
        let (header, rest) = out.split_at_mut(HEADER_BYTES);
        let (payload, tag) = rest.split_at_mut(packet.payload.len());
        header[0] = 0x80;
        header[1] = u8::from(packet.flags.marker()) << 7 | payload_type;
        header[2..4].copy_from_slice(&slot.sequence().to_be_bytes());
        let timestamp = packet.timestamp.wrapping_add(timestamp_offset);
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&ssrc.to_be_bytes());
        payload.copy_from_slice(packet.payload);
        tag.copy_from_slice(&context.seal.seal(ssrc, slot.number, header, payload));
        Some(())
    }

    /// Sends a sender report with the first packets and then every few seconds.
    fn report<S: Seal, W: Wire>(
        &mut self,
        view: SoundView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) {
        let Some(timestamp) = view.timestamp else { return };
        if context.now_us < self.report_due_us {
            return;
        }
        #[allow(clippy::cast_possible_truncation)] // RFC 3550: both counts wrap
        let report = SenderReport {
            ssrc: self.params.ssrc,
            ntp: context.ntp,
            timestamp: timestamp.wrapping_add(self.params.timestamp_offset),
            packets: self.counters.packets as u32,
            bytes: self.counters.bytes as u32,
        };
        if context.report(&report).is_some() {
            self.report_due_us = context.now_us + SENDER_REPORT_INTERVAL_US;
        }
    }
}

#[cfg(test)]
mod tests;
