//! What a browser says of a stream, and what is sent again for it.

use crate::egress::rtcp::{self, Feedback};
use crate::egress::srtp::Seal;
use crate::limits::CONGESTED_US;
use crate::net::udp::Wire;

use super::{SendContext, Served, StreamView, Subscription};

/// Loss that counts as congestion when every report of [`CONGESTED_US`] shows more: 10 % in 1/256.
const CONGESTED_FRACTION: u8 = 26;

impl Subscription {
    /// Takes in what the browser says of this stream; whether it wants a key frame. What it asks for
    /// again is sent at once as far as pace and socket allow, see [`Self::is_mending`].
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

    /// Whether something waits to be sent again.
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
            self.skip(view.ring.head());
        }
    }

    /// A packet did not arrive: it is to be sent again, and shows what its link is like.
    fn missed(&mut self, sequence: u16, now_us: u64) {
        let sealed = self.cursor.sealed(sequence).filter(|_| self.rtp_params.is_resending);
        let next = self.cursor.next().map(|place| place.number);
        let Some((number, next)) = sealed.map(|place| place.number).zip(next) else {
            self.counters.resends_refused += 1;
            return;
        };
        if self.losses.add(number, next) {
            self.pacer.slow(now_us);
            // What is lost by then says nothing of the new pace.
            self.lossy_since_us = None;
        }
        if !self.resends.ask(number, next) {
            self.counters.resends_refused += 1;
        }
    }

    /// Seals what is asked for the very same again, the oldest first, within the current mapping, the
    /// budget and the pace.
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
                // More is lost than may be repeated: a clean pause is better than a torn picture.
                self.skip(view.ring.head());
                return Served::UpToDate;
            }
            if self.seal(&packet, place, context).is_none() {
                return Served::Blocked;
            }
            // Where a queue overflows, more would only be more that overflows.
            self.resends.sent(resend, next, !self.pacer.is_slowed(), context.now_us);
            self.pacer.spend(bytes);
            self.counters.resends += 1;
        }
        if self.is_mending() { Served::CatchingUp } else { Served::UpToDate }
    }
}
