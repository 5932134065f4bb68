//! A browser's feedback on a stream: resends, receiver reports, key frame requests.

use crate::egress::context::{SendContext, Served};
use crate::egress::rtcp::{self, Feedback};
use crate::egress::srtp::Seal;
use crate::limits::CONGESTED_US;
use crate::net::udp::Wire;
use crate::status::SkipReason;

use super::{StreamView, Subscription};

/// The fraction lost above which every report during [`CONGESTED_US`] means congestion: 10 % in
/// 1/256.
const CONGESTED_FRACTION: u8 = 26;

impl Subscription {
    /// Handles one feedback message; returns whether the browser asks for a key frame. NACKed
    /// packets are resent at once, as far as pace and socket allow; see [`Self::is_mending`] for
    /// the rest.
    pub fn feedback<S: Seal, W: Wire>(
        &mut self,
        feedback: Feedback,
        view: StreamView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) -> bool {
        match feedback {
            Feedback::KeyFrame { .. } => {
                self.counters.key_frame_requests += 1;
                return true;
            }
            Feedback::Nack { first, following, .. } => {
                for bit in 0..=16u16 {
                    if bit == 0 || following >> (bit - 1) & 1 == 1 {
                        self.missed(first.wrapping_add(bit), context.now_us);
                    }
                }
                self.pacer.refill(view.bits_per_s, context.now_us);
                self.mend(view, context);
            }
            Feedback::Report { fraction_lost, last_report, delay, .. } => {
                self.fraction_lost = fraction_lost;
                if let Some(us) = rtcp::round_trip_us(context.ntp, last_report, delay) {
                    self.round_trip_us = us;
                }
                self.watch_congestion(fraction_lost, view, context.now_us);
            }
        }
        false
    }

    /// Whether packets still wait to be sent again.
    pub fn is_mending(&self) -> bool {
        !self.resends.is_empty()
    }

    fn watch_congestion(&mut self, fraction_lost: u8, view: StreamView<'_>, now_us: u64) {
        if fraction_lost < CONGESTED_FRACTION || self.is_waiting() {
            self.lossy_since_us = None;
            return;
        }
        let since_us = *self.lossy_since_us.get_or_insert(now_us);
        if now_us >= since_us + CONGESTED_US {
            self.skip(SkipReason::Loss, view.ring.head(), view);
        }
    }

    /// Handles one lost packet: queues its resend, and lowers the pace if losses are dense.
    fn missed(&mut self, sequence: u16, now_us: u64) {
        let sealed = self.cursor.sealed(sequence).filter(|_| self.rtp_params.is_resending);
        let next = self.cursor.next().map(|place| place.number);
        let Some((number, next)) = sealed.map(|place| place.number).zip(next) else {
            self.counters.resends_refused += 1;
            return;
        };
        if self.losses.add(number, next) {
            self.pacer.slow(now_us);
            // Losses up to now say nothing about the new pace.
            self.lossy_since_us = None;
        }
        if !self.resends.ask(number, next) {
            self.counters.resends_refused += 1;
        }
    }

    /// Seals the packets to send again exactly as before, the oldest first, within the current
    /// mapping, the budget and the pace.
    pub(super) fn mend<S: Seal, W: Wire>(
        &mut self,
        view: StreamView<'_>,
        context: &mut SendContext<'_, S, W>,
    ) -> Served {
        let Some(next) = self.cursor.next().map(|place| place.number) else {
            return Served::UpToDate;
        };
        while let Some(resend) = self.resends.first(next, context.now_us) {
            if !self.pacer.allows(self.has_rate()) {
                return self.paced();
            }
            let found = self
                .cursor
                .slot(resend.number)
                .and_then(|place| Some((place, view.ring.packet(view.chunks, place.index)?)));
            let Some((place, packet)) = found else {
                self.resends.forget(resend);
                self.counters.resends_refused += 1;
                continue;
            };
            let bytes = packet.payload.len();
            if !self.budget.take(bytes, view.bits_per_s, context.now_us) {
                self.counters.resends_refused += 1;
                // More is lost than may be resent: skipping to a key frame looks better than torn
                // pictures.
                self.skip(SkipReason::Resends, view.ring.head(), view);
                return Served::UpToDate;
            }
            if self.seal(&packet, place, context).is_none() {
                return Served::Blocked;
            }
            // Where a queue overflows, a second copy would only add to it.
            self.resends.sent(resend, next, !self.pacer.is_slowed(), context.now_us);
            self.pacer.spend(bytes);
            self.counters.resends += 1;
        }
        if self.is_mending() { Served::CatchingUp } else { Served::UpToDate }
    }
}
