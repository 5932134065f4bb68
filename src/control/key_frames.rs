//! Key frames on demand: what viewers ask for, the media thread asks by RTCP, and this task by
//! ONVIF where the camera's section has a port for it. What works is learnt per camera
//! ([`super::key_frame_ways`]).
//!
//! At most [`ONVIF_CONVERSATIONS_MAX`] cameras are asked by ONVIF at once, and each once.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::Control;
use super::key_frame_ways::{KeyFrameStep, KeyFrameWays};
use super::onvif::converse_charged;
use crate::clock;
use crate::limits::ONVIF_CONVERSATIONS_MAX;
use crate::status;
use crate::status::tasks::{self, TASKS};

/// What the task and the conversations share.
#[derive(Debug)]
pub(super) struct KeyFrames {
    /// Wakes the task: a camera was asked, plays, or a conversation has ended.
    pub(super) told: Notify,
    conversations: Semaphore,
}

impl KeyFrames {
    pub(super) fn new() -> Self {
        Self { told: Notify::new(), conversations: Semaphore::new(ONVIF_CONVERSATIONS_MAX) }
    }
}

impl Control {
    /// Asks cameras for key frames by ONVIF, and learns which way works. Never returns.
    pub(super) async fn ask_for_key_frames(self) {
        loop {
            let now_us = clock::now_us();
            let mut next_us = u64::MAX;
            for slot in 0..self.0.cameras.slots().len() {
                match self.next_for(slot, now_us) {
                    KeyFrameStep::Rest => {}
                    KeyFrameStep::At(at_us) => next_us = next_us.min(at_us),
                    KeyFrameStep::Converse { for_key_frame } => {
                        tasks::spawn(&TASKS.onvif, self.clone().converse_with(slot, for_key_frame));
                    }
                }
            }
            let told = self.0.key_frames.told.notified();
            match next_us {
                u64::MAX => told.await,
                _ => tokio::select! {
                    () = told => {}
                    () = sleep(Duration::from_micros(next_us.saturating_sub(now_us))) => {}
                },
            }
        }
    }

    fn next_for(&self, slot: usize, now_us: u64) -> KeyFrameStep {
        let camera = self.0.cameras.slot(slot);
        let key_frame_us = status::CAMERAS[slot].last_idr_us.load(Relaxed);
        self.learn(slot, |ways| match ways.next(key_frame_us, now_us) {
            KeyFrameStep::Rest if camera.is_playing() => ways.prepare(),
            step => step,
        })
    }

    /// One conversation with a slot's camera.
    async fn converse_with(self, slot: usize, for_key_frame: bool) {
        let camera = self.0.cameras.slot(slot);
        let (section, turn) = (camera.section(), camera.turn());
        let Some(section) = section else { return };
        // It is never closed.
        let Ok(permit) = self.0.key_frames.conversations.acquire().await else { return };
        let known = camera.key_frames().borrow().service();
        let pins = self.0.cameras.pins();
        let ended = converse_charged(&section, pins, known, for_key_frame).await;
        drop(permit);
        if camera.turn() == turn {
            let ended = ended.map(|(service, at_us)| (service, for_key_frame.then_some(at_us)));
            self.learn(slot, |ways| ways.conversed(ended));
        }
        self.0.key_frames.told.notify_one();
    }

    /// Changes what is known of a camera's ways, logs one that is given up, and tells the media
    /// thread of RTCP.
    fn learn<R>(&self, slot: usize, change: impl FnOnce(&mut KeyFrameWays) -> R) -> R {
        let camera = self.0.cameras.slot(slot);
        let mut ways = camera.key_frames().borrow_mut();
        let had = ways.given_up_for().is_some();
        let changed = change(&mut ways);
        status::CAMERAS[slot].rtcp_in_vain.store(ways.is_rtcp_in_vain(), Relaxed);
        if let (false, Some(problem)) = (had, ways.given_up_for()) {
            let name = camera.section().map_or_else(String::new, |section| section.name.clone());
            log::warn!("camera {name}: not asked for key frames by ONVIF any more: {problem}");
        }
        changed
    }
}
