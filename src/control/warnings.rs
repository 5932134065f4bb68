//! Warnings about cameras' streams, logged once per camera. The media thread only sets a mark in
//! the camera's statistics and never logs itself: a log that is not read would block it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::diagnosis::{CameraFinding, Diagnosis as _, FindingSeverity};
use crate::status;

use super::Control;
use super::camera_slot::CameraSlot;

const EVERY: Duration = Duration::from_secs(1);

/// What was logged for one camera.
#[derive(Debug, Default)]
struct Said {
    camera: String,
    holds_back: bool,
    /// Codes of findings.
    codes: Vec<&'static str>,
    missing: Option<&'static str>,
}

impl Control {
    /// Looks at all cameras' statistics once a second, without end.
    pub(super) async fn log_warnings(self) {
        let mut said: Vec<Said> = Vec::new();
        loop {
            tokio::time::sleep(EVERY).await;
            let cameras = self.0.cameras.slots();
            said.resize_with(cameras.len(), Said::default);
            for (slot, (camera, said)) in cameras.iter().zip(&mut said).enumerate() {
                let Some(section) = camera.section() else { continue };
                if said.camera != section.name {
                    *said = Said { camera: section.name.clone(), ..Said::default() };
                }
                camera.sample(slot);
                said.log_new(camera, slot);
            }
        }
    }
}

impl Said {
    /// Logs what is found for the first time.
    fn log_new(&mut self, camera: &CameraSlot, slot: usize) {
        let name = &self.camera;
        let stats = &status::CAMERAS[slot];
        if stats.holds_back.load(Relaxed) && !std::mem::replace(&mut self.holds_back, true) {
            log::info!(
                "camera {name}: no or odd rtp markers, each picture waits for the next one's start"
            );
        }
        let missing = camera.missing(slot);
        let code = missing.map(|missing| missing.code());
        if let Some(missing) = missing.filter(|_| code != self.missing) {
            log::warn!("camera {name}: {missing}");
        }
        self.missing = code;
        // Why a dial failed is logged where it does.
        let is_news = |found: &&CameraFinding| found.severity() == FindingSeverity::Warning;
        for found in camera.findings(slot).iter().filter(is_news) {
            if !self.codes.contains(&found.code()) {
                log::warn!("camera {name}: {}", found.sentence());
                self.codes.push(found.code());
            }
        }
    }
}
