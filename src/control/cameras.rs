//! All camera slots with their order in the file, and the task of each: it dials the camera, hands
//! the connection to the media thread, and dials again.
//!
//! Slots and tasks are there from the start. What a slot is told ([`super::camera_slot`]) its task
//! does.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock;
use crate::codec::CodecProfile;
use crate::config;
use crate::diagnosis::{CameraFinding, Diagnosis as _};
use crate::limits::CAMERAS_MAX;
use crate::media::{Command, Lost, Play};
use crate::status;
use crate::storage::StateFolder;
use crate::tls::CameraPins;
use crate::webrtc::ended::Ended;

use super::camera_slot::{CameraSlot, SlotState};
use super::dial::{Dialled, dial_charged};
use super::dial_error::DialError;
use super::dial_schedule::{DialEnding, DialSchedule};
use super::{CameraCount, CameraStatus, Control, OfferRefusal};

/// All camera slots, and which of them have a camera.
pub(super) struct CameraSlots {
    /// Used or not, by slot.
    slots: Vec<CameraSlot>,
    /// The slots that have a camera, in the configuration's order.
    order: RefCell<Vec<u16>>,
    /// When each of them is dialled.
    dials: DialSchedule,
    /// The certificates that encrypted cameras showed first.
    pins: CameraPins,
}

impl CameraSlots {
    /// All slots, the first of them for these cameras.
    pub(super) fn new(sections: Vec<config::Camera>, state: StateFolder) -> Self {
        let slots: Vec<CameraSlot> = (0..CAMERAS_MAX).map(|_| CameraSlot::new()).collect();
        let order = RefCell::new((0..sections.len()).map(number).collect());
        for (slot, section) in slots.iter().zip(sections) {
            slot.assign(Some(section));
        }
        let dials = DialSchedule::new();
        let cameras = Self { slots, order, dials, pins: CameraPins::open(state) };
        cameras.configure_pins();
        cameras
    }

    /// The slot of this number, used or not.
    pub(super) fn slot(&self, slot: usize) -> &CameraSlot {
        &self.slots[slot]
    }

    /// All slots, used or not.
    pub(super) fn slots(&self) -> &[CameraSlot] {
        &self.slots
    }

    /// The slots that have a camera, in the configuration's order.
    pub(super) fn order(&self) -> Vec<u16> {
        self.order.borrow().clone()
    }

    /// Replaces the order after a reload.
    pub(super) fn reorder(&self, order: Vec<u16>) {
        self.order.replace(order);
        self.configure_pins();
    }

    fn configure_pins(&self) {
        let sections: Vec<_> = self.slots.iter().filter_map(CameraSlot::section).collect();
        let onvif: Vec<_> = sections.iter().filter_map(|section| section.onvif_url()).collect();
        let urls = sections.iter().filter_map(|section| section.url.as_ref());
        self.pins.configure(urls.chain(&onvif));
    }

    /// The certificates that encrypted cameras showed first.
    pub(super) fn pins(&self) -> &CameraPins {
        &self.pins
    }

    /// The slot of the camera of this name.
    pub(super) fn slot_of(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is(name))
    }

    /// The slot of a camera, if a viewer may join it now, and what it sends.
    pub(super) fn admitting(&self, name: &str) -> Result<(u16, CodecProfile), OfferRefusal> {
        let slot = self.slot_of(name).ok_or(OfferRefusal::UnknownCamera)?;
        let profile = self.slots[slot].admits(slot)?;
        Ok((number(slot), profile))
    }

    /// How many cameras there are, and how many of them play.
    pub(super) fn count(&self) -> CameraCount {
        let order = self.order.borrow();
        let playing = order.iter().filter(|slot| self.slots[usize::from(**slot)].is_playing());
        CameraCount { all: order.len(), playing: playing.count() }
    }

    /// At most `max` cameras from index `next` on, and moves `next` behind them. Empty at the end.
    pub(super) fn status_from(&self, next: &mut usize, max: usize) -> Vec<CameraStatus> {
        let order = self.order.borrow();
        let slots = order.iter().skip(*next).take(max).map(|slot| usize::from(*slot));
        *next += slots.len();
        slots.filter_map(|slot| self.slots[slot].status(slot)).collect()
    }
}

impl Control {
    /// Keeps a slot's camera playing, whichever it is for, for ever.
    pub(super) async fn keep(self, slot: usize) {
        let camera = self.0.cameras.slot(slot);
        loop {
            self.clear(slot).await;
            let (section, turn) = (camera.section(), camera.turn());
            match section.filter(|section| section.problem.is_none()) {
                Some(section) => tokio::select! {
                    biased;
                    () = camera.changed_since(turn) => {}
                    () = self.play_on(slot, &section) => {}
                },
                None => {
                    self.0.cameras.dials.forget(slot);
                    camera.changed_since(turn).await;
                }
            }
        }
    }

    /// Keeps one camera playing, for ever.
    async fn play_on(&self, slot: usize, section: &config::Camera) {
        let camera = self.0.cameras.slot(slot);
        let dials = &self.0.cameras.dials;
        let Some(url) = &section.url else { return std::future::pending().await };
        dials.reset(slot, url);
        camera.enter(SlotState::Connecting);
        let mut lost_us = None;
        let mut was_busy = false;
        loop {
            let permit = dials.begin(slot, url).await;
            camera.enter(SlotState::Connecting);
            let dialled = dial_charged(section, camera.habits(), self.0.cameras.pins()).await;
            let ending = dialled.as_ref().map_or_else(DialError::ending, |_| DialEnding::Ready);
            let seems_to_ban = permit.ended(ending);
            match dialled {
                Ok(dialled) => {
                    let (began_us, timeout_s) = (clock::now_us(), dialled.ready.timeout_s);
                    camera.returned(lost_us, std::mem::take(&mut was_busy));
                    let lost = self.play(slot, dialled).await;
                    let broken = camera.bridge_ended().await;
                    if lost == Lost::Stopped {
                        // weir ends, or the slot is told in a moment what comes next.
                        return std::future::pending().await;
                    }
                    let now_us = clock::now_us();
                    lost_us = Some(now_us);
                    let after_us = now_us - began_us;
                    camera.learn(lost, after_us, timeout_s);
                    dials.lost(slot, after_us, camera.habits().get().wait_ms());
                    let reason = broken.unwrap_or_else(|| lost.reason().to_owned());
                    camera.ended(None);
                    camera.enter(SlotState::Waiting(reason));
                }
                Err(error) if error.needs_person() => {
                    camera.ended(error.finding());
                    camera.enter(SlotState::Failed(error.to_string()));
                }
                Err(error) if seems_to_ban => {
                    let ban = CameraFinding::SeemsToBan;
                    camera.ended(Some(ban));
                    camera.enter(SlotState::Waiting(format!("{error}; {}", ban.sentence())));
                }
                Err(error) => {
                    was_busy |= error.is_busy();
                    camera.ended(error.finding());
                    camera.enter(SlotState::Waiting(error.to_string()));
                }
            }
        }
    }

    /// Has the media thread play it, until it gives up.
    async fn play(&self, slot: usize, dialled: Dialled) -> Lost {
        let Dialled { link, ready, datagrams } = dialled;
        let camera = self.0.cameras.slot(slot);
        let Ok(socket) = camera.socket(link) else { return Lost::Broken };
        let stats = &status::CAMERAS[slot];
        stats.lost.store(0, Relaxed);
        if !camera.plays(&ready, stats) {
            // The answers of its sessions name the former codec.
            let watching = self.0.signalling.borrow().sessions().of(number(slot));
            for session in watching {
                self.0.end(session, Ended::CodecChanged, None);
            }
        }
        let play = Play { camera: number(slot), socket, ready, datagrams };
        self.0.media.borrow().send(Command::Play(Box::new(play)));
        camera.enter(SlotState::Playing);
        self.0.key_frames.told.notify_one();
        camera.answered(stats, |_| true).await
    }

    /// Has the media thread end the slot's connection, if there is one, and forget its pictures.
    async fn clear(&self, slot: usize) {
        let camera = self.0.cameras.slot(slot);
        let stats = &status::CAMERAS[slot];
        stats.lost.store(0, Relaxed);
        self.0.media.borrow().send(Command::Stop { camera: number(slot) });
        camera.answered(stats, |lost| lost == Lost::Stopped).await;
        camera.bridge_ended().await;
        // Heard: there is nothing more to tell of this slot.
        stats.lost.store(0, Relaxed);
        camera.is_cleared();
    }
}

/// A slot as commands have it.
pub(super) fn number(slot: usize) -> u16 {
    u16::try_from(slot).expect("limits.rs: there are fewer slots than that")
}
