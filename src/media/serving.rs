//! Serving subscriptions: new packets of a stream's ring go to each of its viewers.

use std::sync::atomic::Ordering::Relaxed;

use crate::clock;
use crate::egress::batch::Flushed;
use crate::egress::rtcp::Feedback;
use crate::egress::subscription::{SendContext, Served, StreamView};
use crate::history::Chunks;
use crate::limits::CAMERAS_MAX;
use crate::mem::table::Handle;
use crate::status;
use crate::stream::Stream;

use super::event_loop::EventLoop;
use super::memory::Memory;

/// The parts of a stream that a subscription reads.
fn view<'a>(
    streams: &'a [Stream; CAMERAS_MAX],
    slot: usize,
    chunks: &'a Chunks,
    now_us: u64,
) -> StreamView<'a> {
    let stream = &streams[slot];
    let timestamp = stream.last_timestamp().map(|(timestamp, arrived_us)| {
        let ticks = now_us.saturating_sub(arrived_us) * 9 / 100;
        #[allow(clippy::cast_possible_truncation)] // RTP timestamps wrap
        timestamp.wrapping_add(ticks as u32)
    });
    let (ring, bits_per_s) = (stream.ring(), stream.bits_per_s());
    StreamView { ring, chunks, timestamp, bits_per_s, skips: &status::CAMERAS[slot].skips }
}

impl EventLoop {
    /// Serves all subscriptions of a stream, and notes how far the slowest got.
    pub(super) fn serve(&mut self, slot: usize) {
        if self.is_blocked {
            self.pending.set(slot, Served::Blocked);
            return;
        }
        let now_us = self.now_us;
        let Memory { streams, chunks, subscribers, sessions, batch, .. } = &mut *self.memory;
        let view = view(streams, slot, chunks, now_us);
        let ntp = clock::ntp(now_us);
        let (mut furthest, mut wanted) = (Served::UpToDate, None);
        let mut at = subscribers.first(u16::try_from(slot).unwrap_or(u16::MAX));
        while let Some((subscriber, next)) = at.and_then(|index| subscribers.at(index)) {
            at = next;
            let Some(live) = sessions.live(subscriber.session) else { continue };
            let path = live.path();
            let wire = &*self.socket;
            let mut context = SendContext { seal: &mut live.seal, path, batch, wire, now_us, ntp };
            let served = subscriber.subscription.serve(view, &mut context);
            furthest = furthest.max(served);
            if served == Served::CatchingUp {
                let next = subscriber.subscription.next_index();
                wanted = [wanted, next].into_iter().flatten().min();
            }
            if furthest == Served::Blocked {
                self.is_blocked = true;
                break;
            }
        }
        if furthest < Served::Behind {
            streams[slot].served(wanted);
        }
        self.pending.set(slot, furthest);
    }

    /// Serves the streams with a viewer that is behind, round robin from where the last call
    /// stopped.
    pub(super) fn serve_pending(&mut self) {
        let start = self.pending.start;
        for offset in 0..CAMERAS_MAX {
            let slot = (start + offset) % CAMERAS_MAX;
            if self.pending.has(slot) {
                self.serve(slot);
                self.pending.start = slot;
                if self.is_blocked {
                    return;
                }
            }
        }
    }

    /// Sends the batch. A full socket pauses all sending until it is writable.
    pub(super) fn flush(&mut self) {
        let is_blocked = self.memory.batch.flush(&*self.socket) == Flushed::Blocked;
        if is_blocked != self.is_awaiting_room {
            self.await_room(is_blocked);
        }
        self.is_blocked = is_blocked;
    }

    /// Handles one feedback message of a session's browser. When it asks for a key frame, the
    /// camera gets that request.
    pub(super) fn feedback(&mut self, subscriber: Handle, feedback: Feedback) {
        let now_us = self.now_us;
        let Memory { streams, chunks, subscribers, sessions, batch, cameras, .. } =
            &mut *self.memory;
        let Some(subscriber) = subscribers.find(subscriber) else { return };
        if feedback.ssrc() != subscriber.subscription.ssrc() {
            return;
        }
        let Some(live) = sessions.live(subscriber.session) else { return };
        let slot = usize::from(subscriber.stream);
        let view = view(streams, slot, chunks, now_us);
        let path = live.path();
        let ntp = clock::ntp(now_us);
        let wire = &*self.socket;
        let mut context = SendContext { seal: &mut live.seal, path, batch, wire, now_us, ntp };
        if subscriber.subscription.feedback(feedback, view, &mut context) {
            cameras.request_key_frame(slot, now_us);
        }
        if subscriber.subscription.is_mending() {
            self.pending.raise(slot, Served::CatchingUp);
        }
    }

    /// Copies the counters of a live session's subscription to its statistics.
    pub(super) fn report_session(&mut self, slot: u16, subscriber: Handle, last_sign_us: u64) {
        let Some(subscriber) = self.memory.subscribers.find(subscriber) else { return };
        let subscription = &subscriber.subscription;
        let counters = subscription.counters;
        let stats = &status::SESSIONS[usize::from(slot)];
        stats.packets.store(counters.packets, Relaxed);
        stats.bytes.store(counters.bytes, Relaxed);
        stats.resends.store(counters.resends, Relaxed);
        stats.resends_refused.store(counters.resends_refused, Relaxed);
        stats.key_frame_requests.store(counters.key_frame_requests, Relaxed);
        for (shown, skips) in stats.skips.iter().zip(counters.skips) {
            shown.store(skips, Relaxed);
        }
        stats.fraction_lost.store(subscription.fraction_lost, Relaxed);
        stats.round_trip_us.store(subscription.round_trip_us, Relaxed);
        stats.last_sign_us.store(last_sign_us, Relaxed);
    }
}
