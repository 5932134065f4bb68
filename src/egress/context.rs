//! What a subscription needs to send, be it of a picture or of sound, and how far it got.

use crate::limits::{RTP_OVERHEAD_BYTES, SENDER_REPORT_INTERVAL_US};
use crate::net::udp::Wire;

use super::batch::{Batch, Path};
use super::rtcp::{REPORT_BYTES, SenderReport};
use super::rtp_header::RtpHeader;
use super::srtp::{SRTCP_OVERHEAD_BYTES, Seal, TAG_BYTES};

/// What is needed to send packets of one session now.
pub struct SendContext<'a, S, W> {
    /// The session's SRTP send keys.
    pub seal: &'a mut S,
    /// The browser's address and the local one.
    pub path: Path,
    /// The batch that sealed packets are added to.
    pub batch: &'a mut Batch,
    /// The socket to which a full batch is flushed.
    pub wire: &'a W,
    /// The current monotonic time.
    pub now_us: u64,
    /// The current time as a 64-bit NTP timestamp.
    pub ntp: u64,
}

/// The result of serving a subscription; greater means further behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// It has every packet, or waits for a key frame.
    UpToDate,
    /// It has used up this millisecond's pace while it catches up, or its pace is slower than its
    /// stream's bursts. The camera is read regardless, so its packets may be overwritten.
    CatchingUp,
    /// It is live and has used up this millisecond's pace. The camera waits for it.
    Behind,
    /// The socket is full: nothing more may be sealed.
    Blocked,
}

impl<S: Seal, W: Wire> SendContext<'_, S, W> {
    /// Writes header, payload and tag of one packet into the batch, sealed with the packet number
    /// `number`; `None` when the socket is full.
    pub(super) fn packet(&mut self, header: RtpHeader, number: u64, payload: &[u8]) -> Option<()> {
        let bytes = header.bytes() + payload.len() + TAG_BYTES;
        debug_assert!(bytes <= payload.len() + RTP_OVERHEAD_BYTES);
        let out = self.batch.packet(self.path, bytes, self.wire)?;
        let (head, rest) = out.split_at_mut(header.bytes());
        let (body, tag) = rest.split_at_mut(payload.len());
        header.write(head);
        body.copy_from_slice(payload);
        tag.copy_from_slice(&self.seal.seal(header.ssrc, number, head, body));
        Some(())
    }

    /// Sends a sender report if it is `due_us`, and puts off the next by a few seconds. `timestamp`
    /// is that of now; the counts are of packets and of their payload bytes.
    pub(super) fn report(
        &mut self,
        due_us: &mut u64,
        ssrc: u32,
        timestamp: u32,
        packets: u64,
        bytes: u64,
    ) {
        if self.now_us < *due_us {
            return;
        }
        #[allow(clippy::cast_possible_truncation)] // RFC 3550: both counts wrap
        let (packets, bytes) = (packets as u32, bytes as u32);
        let report = SenderReport { ssrc, ntp: self.ntp, timestamp, packets, bytes };
        if self.seal_report(&report).is_some() {
            *due_us = self.now_us + SENDER_REPORT_INTERVAL_US;
        }
    }

    /// Seals a sender report into the batch; `None` when the socket is full or the session's SRTCP
    /// numbers are used up.
    fn seal_report(&mut self, report: &SenderReport) -> Option<()> {
        let mut packet = [0; REPORT_BYTES + SRTCP_OVERHEAD_BYTES];
        let mut plain = [0; REPORT_BYTES];
        report.write(&mut plain);
        packet[..REPORT_BYTES].copy_from_slice(&plain);
        self.seal.seal_rtcp(&mut packet, REPORT_BYTES)?;
        let out = self.batch.packet(self.path, packet.len(), self.wire)?;
        out.copy_from_slice(&packet);
        Some(())
    }
}
