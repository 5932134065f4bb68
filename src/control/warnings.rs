//! Warnings about cameras' streams, logged once per camera. The media thread only sets a mark in
//! the camera's statistics and never logs itself: a log that is not read would block it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::limits::CAMERA_BITS_PER_S_MAX;
use crate::status;

use super::Control;

const EVERY: Duration = Duration::from_secs(1);

/// The warnings that were logged for one camera.
#[derive(Debug, Default)]
struct Said {
    camera: String,
    holds_back: bool,
    b_frames: bool,
    missing: Option<&'static str>,
    throttled: bool,
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
                let stats = &status::CAMERAS[slot];
                let Some(section) = camera.section() else { continue };
                let name = &section.name;
                if said.camera != *name {
                    *said = Said { camera: name.clone(), ..Said::default() };
                }
                let missing = camera.missing(slot);
                if let Some(missing) = missing.filter(|_| missing != said.missing) {
                    log::warn!("camera {name}: {missing}");
                }
                said.missing = missing;
                if stats.holds_back.load(Relaxed) && !std::mem::replace(&mut said.holds_back, true)
                {
                    log::info!(
                        "camera {name}: no or odd rtp markers, each picture waits for the next \
                         one's start"
                    );
                }
                if stats.throttled.load(Relaxed) > 0
                    && !std::mem::replace(&mut said.throttled, true)
                {
                    let most = CAMERA_BITS_PER_S_MAX / 1_000_000;
                    log::warn!(
                        "camera {name}: sends more than {most} Mbit/s and is read no faster; lower \
                         its bit rate"
                    );
                }
                if stats.b_frames.load(Relaxed) && !std::mem::replace(&mut said.b_frames, true) {
                    log::warn!(
                        "camera {name}: b-frames, which no browser shows smoothly; turn them off \
                         in the camera"
                    );
                }
            }
        }
    }
}
