//! Serving subscriptions: new packets of a stream's ring go to each of its viewers.

use std::sync::atomic::Ordering::Relaxed;

use crate::clock;
use crate::egress::batch::Flushed;
use crate::egress::context::{SendContext, Served};
use crate::egress::rtcp::Feedback;
use crate::egress::sound::SoundView;
use crate::egress::subscription::StreamView;
use crate::history::Chunks;
use crate::limits::{CAMERAS_MAX, VIDEO_CLOCK_HZ};
use crate::mem::table::Handle;
use crate::sound::SoundCodec;
use crate::status;
use crate::stream::{Sound, Stream};

use super::event_loop::EventLoop;
use super::memory::Memory;
use super::subscribers::SubscribedMedia;

/// The parts of a stream that a subscription reads.
fn view<'a>(
    streams: &'a [Stream; CAMERAS_MAX],
    slot: usize,
    chunks: &'a Chunks,
    now_us: u64,
) -> StreamView<'a> {
    let stream = &streams[slot];
    let last = stream.last_timestamp();
    let timestamp = last.map(|last| timestamp_now(last, VIDEO_CLOCK_HZ, now_us));
    let (ring, bits_per_s) = (stream.ring(), stream.bits_per_s());
    StreamView { ring, chunks, timestamp, bits_per_s, skips: &status::CAMERAS[slot].skips }
}

/// The parts of a camera's sound that a subscription reads.
fn sound_view(sound: &Sound, now_us: u64) -> SoundView<'_> {
    let clock_hz = sound.codec().map(SoundCodec::clock_hz);
    let last = sound.last_timestamp().zip(clock_hz);
    let timestamp = last.map(|(last, clock_hz)| timestamp_now(last, clock_hz, now_us));
    SoundView { ring: sound.ring(), codec: sound.codec(), timestamp }
}

/// The time on an RTP clock, from a timestamp and when that was, which may lie ahead. Picture and
/// sound both count from the arrival, so that a browser shows together what came together.
fn timestamp_now((timestamp, at_us): (u32, u64), clock_hz: u32, now_us: u64) -> u32 {
    let us = now_us.wrapping_sub(at_us).cast_signed();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // RTP timestamps wrap
    let ticks = (us.saturating_mul(i64::from(clock_hz)) / 1_000_000) as u32;
    timestamp.wrapping_add(ticks)
}

impl EventLoop {
    /// Serves all subscriptions of a stream, and notes how far the slowest got.
    pub(super) fn serve(&mut self, slot: usize) {
        if self.is_blocked {
            self.pending.set(slot, Served::Blocked);
            return;
        }
        let now_us = self.now_us;
        let Memory { streams, sounds, chunks, subscribers, sessions, batch, .. } =
            &mut *self.memory;
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
            let served = match &mut subscriber.media {
                SubscribedMedia::Picture(subscription) => {
                    let served = subscription.serve(view, &mut context);
                    if served == Served::CatchingUp {
                        wanted = [wanted, subscription.next_index()].into_iter().flatten().min();
                    }
                    served
                }
                SubscribedMedia::Sound(subscription) => {
                    subscription.serve(sound_view(&sounds[slot], now_us), &mut context)
                }
            };
            furthest = furthest.max(served);
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
        let behind = self.pending.behind();
        for slot in behind.round_from(self.pending.start) {
            self.serve(slot);
            self.pending.start = slot;
            if self.is_blocked {
                return;
            }
        }
    }

    /// Sends the batch. A full socket pauses all sending until it is writable.
    pub(super) fn flush(&mut self) {
        let before = self.memory.batch.counters.packets;
        let since_us = self.sealed_us.take().unwrap_or(self.now_us);
        let is_blocked = self.memory.batch.flush(&*self.socket) == Flushed::Blocked;
        let packets = self.memory.batch.counters.packets - before;
        if packets > 0 {
            status::SEND_DELAYS.add(packets, clock::now_us().saturating_sub(since_us));
        }
        self.sealed_us = is_blocked.then_some(since_us);
        if is_blocked != self.is_awaiting_room {
            self.await_room(is_blocked);
        }
        self.is_blocked = is_blocked;
    }

    /// Handles one feedback message of a session's browser about its picture. When it asks for a
    /// key frame, the camera gets that request. Reports on the sound change nothing.
    pub(super) fn feedback(&mut self, subscriber: Handle, feedback: Feedback) {
        let now_us = self.now_us;
        let Memory { streams, chunks, subscribers, sessions, batch, cameras, .. } =
            &mut *self.memory;
        let Some(subscriber) = subscribers.find(subscriber) else { return };
        let Some(live) = sessions.live(subscriber.session) else { return };
        let slot = usize::from(subscriber.stream);
        let Some(subscription) = subscriber.picture() else { return };
        if feedback.ssrc() != subscription.ssrc() {
            return;
        }
        let view = view(streams, slot, chunks, now_us);
        let path = live.path();
        let ntp = clock::ntp(now_us);
        let wire = &*self.socket;
        let mut context = SendContext { seal: &mut live.seal, path, batch, wire, now_us, ntp };
        if subscription.feedback(feedback, view, &mut context) {
            cameras.request_key_frame(slot, &status::CAMERAS[slot], now_us);
        }
        if subscription.is_mending() {
            self.pending.raise(slot, Served::CatchingUp);
        }
    }

    /// Copies the counters of a live session's subscriptions to its statistics.
    pub(super) fn report_session(
        &mut self,
        slot: u16,
        subscriber: Handle,
        sound: Option<Handle>,
        last_sign_us: u64,
    ) {
        let stats = &status::SESSIONS[usize::from(slot)];
        let subscribers = &mut self.memory.subscribers;
        let sound = sound.and_then(|sound| subscribers.find(sound));
        if let Some(SubscribedMedia::Sound(subscription)) = sound.map(|sound| &sound.media) {
            stats.sound_packets.store(subscription.counters.packets, Relaxed);
            stats.sound_bytes.store(subscription.counters.bytes, Relaxed);
        }
        let Some(subscriber) = subscribers.find(subscriber) else { return };
        let Some(subscription) = subscriber.picture() else { return };
        let counters = subscription.counters;
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
