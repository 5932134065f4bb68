//! The sound of one stream in one session: a cursor into the camera's ring of sound, and the RTP
//! headers of its packets.
//!
//! A viewer that joins begins at the next packet, and one that is overrun goes on at the oldest
//! that is left. Nothing is sent again: browsers conceal a lost packet of 20 ms before a resend
//! comes. Numbers are spent by the same [`Cursor`] as the picture's, so the nonce rule is the same.

use crate::history::{Packet, SoundRing};
use crate::net::udp::Wire;
use crate::sound::SoundCodec;

use super::context::{SendContext, Served};
use super::cursor::{Cursor, SealSlot};
use super::rtp_header::RtpHeader;
use super::srtp::Seal;

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
        if self.counters.packets > before
            && let Some(timestamp) = view.timestamp
        {
            let SoundParams { ssrc, timestamp_offset, .. } = self.params;
            let timestamp = timestamp.wrapping_add(timestamp_offset);
            let SoundCounters { packets, bytes } = self.counters;
            context.report(&mut self.report_due_us, ssrc, timestamp, packets, bytes);
        }
        Served::UpToDate
    }

    /// Seals one packet into the batch; `None` when the socket is full.
    fn seal<S: Seal, W: Wire>(
        &self,
        packet: &Packet<'_>,
        slot: SealSlot,
        context: &mut SendContext<'_, S, W>,
    ) -> Option<()> {
        let SoundParams { ssrc, payload_type, timestamp_offset, .. } = self.params;
        let header = RtpHeader {
            marker: packet.flags.marker(),
            payload_type,
            sequence: slot.sequence(),
            timestamp: packet.timestamp.wrapping_add(timestamp_offset),
            ssrc,
            playout_delay: None,
        };
        context.packet(header, slot.number, packet.payload)
    }
}

#[cfg(test)]
mod tests;
