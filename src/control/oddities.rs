//! What is odd about cameras' streams, said once a camera. The media thread sees it and says
//! nothing: a log that nobody reads would stop it. It stands on the camera's card until then.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::status;

use super::Control;

const EVERY: Duration = Duration::from_secs(1);

/// What was said of one camera.
#[derive(Debug, Default)]
struct Said {
    camera: String,
    holds_back: bool,
    b_frames: bool,
}

impl Control {
    /// Looks at all cameras' cards, for ever.
    pub(super) async fn tell_oddities(self) {
        let mut said: Vec<Said> = Vec::new();
        loop {
            tokio::time::sleep(EVERY).await;
            let names = self.0.cameras.iter().map(|camera| camera.name());
            said.resize_with(names.len(), Said::default);
            for ((name, said), card) in names.zip(&mut said).zip(&status::CAMERAS) {
                if said.camera != name {
                    *said = Said { camera: name.to_owned(), ..Said::default() };
                }
                if card.holds_back.load(Relaxed) && !std::mem::replace(&mut said.holds_back, true) {
                    log::info!(
                        "camera {name}: no or odd rtp markers, each picture waits for the next \
                         one's start"
                    );
                }
                if card.b_frames.load(Relaxed) && !std::mem::replace(&mut said.b_frames, true) {
                    log::warn!(
                        "camera {name}: b-frames, which no browser shows smoothly; turn them off \
                         in the camera"
                    );
                }
            }
        }
    }
}
