//! The task that routes what the media thread tells the control thread, and the one that drives the
//! handshakes.
//!
//! The media thread wakes the first with `wakeup`: datagrams of handshakes go to signalling, and so
//! do sessions that it ended; a camera's slot is told that its connection was given up, or that the
//! camera was asked for a key frame. Whatever
//! changes signalling notifies `signalled`, which wakes the second for a round.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock;
use crate::limits::PROFILE;
use crate::signalling::Usage;
use crate::status::{self, TABLES};

use super::{Control, State};

/// The longest sleep of either task, in microseconds.
const REST_US: u64 = 1_000_000;

impl Control {
    /// Routes the media thread's events. Never returns.
    pub(super) async fn route_media_events(self) {
        let wakeup = self.0.media.borrow().wakeup.clone();
        loop {
            self.0.route();
            self.0.signalled.notify_one();
            // Under a flood of datagrams `wakeup` is always set. Yielding lets HTTP connections and
            // timers run in between.
            tokio::task::yield_now().await;
            wakeup.notified().await;
        }
    }

    /// Drives the handshakes. Never returns.
    pub(super) async fn drive_handshakes(self) {
        let state = &self.0;
        loop {
            let deadline_us =
                state.signalling.borrow_mut().round(&*state.media.borrow(), clock::now_us());
            state.gauge();
            status::GAUGES.driver_rounds.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
            let wait_us = deadline_us.saturating_sub(clock::now_us()).min(REST_US);
            tokio::select! {
                () = state.signalled.notified() => {}
                () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
            }
        }
    }
}

impl State {
    /// Shows how full the tables of signalling are.
    pub(super) fn gauge(&self) {
        let Usage { sessions, handshakes, offers_waiting } = self.signalling.borrow_mut().usage();
        TABLES.sessions.set(sessions);
        TABLES.handshakes.set(handshakes);
        TABLES.offers_waiting.set(offers_waiting);
    }

    /// Routes what has come so far.
    fn route(&self) {
        let (mut signalling, media) = (self.signalling.borrow_mut(), self.media.borrow());
        // At most one queue length: a datagram that arrives meanwhile wakes the task again.
        for _ in 0..PROFILE.handshake_datagrams {
            let Some(datagram) = media.handshake_datagram() else { break };
            signalling.receive(&datagram, &*media, clock::now_us());
        }
        signalling.release_ended(clock::now_us());
        let mut is_asked = false;
        for (slot, stats) in self.cameras.slots().iter().zip(&status::CAMERAS) {
            if stats.lost.load(Relaxed) != 0 {
                slot.look();
            }
            is_asked |= slot.hears_request(stats);
        }
        if is_asked {
            self.key_frames.told.notify_one();
        }
    }
}
