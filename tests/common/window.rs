//! A window of time in which cameras and viewers count the same frames: those with a time in their
//! stamps that lies in it.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use weir::clock;

use super::camera::CameraFarm;
use super::viewer::{Viewer, wall};

/// From a window's announcement to its first microsecond, so that nobody misses it.
pub const AHEAD_US: u64 = 50_000;

/// Announces a window of so long; its times.
pub fn begin(farm: &CameraFarm, viewers: &mut [Viewer], for_us: u64) -> Range<u64> {
    let begin_us = clock::now_us() + AHEAD_US;
    let times_us = begin_us..begin_us + for_us;
    farm.begin_window(&times_us);
    for viewer in viewers {
        viewer.reception.begin_window_of(&times_us);
        if let Some((_, sound)) = &mut viewer.sound {
            sound.begin_window();
        }
    }
    times_us
}

/// Runs the viewers over a window, and `trail_us` longer for what is under way at its end.
pub fn watch(farm: &CameraFarm, viewers: &mut [Viewer], for_us: u64, trail_us: u64) {
    begin(farm, viewers, for_us);
    wall::run(viewers, AHEAD_US + for_us + trail_us, |_| false);
}

/// Microseconds that so many of 100 frames of the viewers did not exceed.
pub fn latency_us(viewers: &[Viewer], percent: usize) -> u64 {
    let counts = viewers.iter().map(|viewer| &viewer.reception.counts);
    let mut all: Vec<u64> = counts.flat_map(|counts| counts.latencies_us.clone()).collect();
    all.sort_unstable();
    all[all.len() * percent / 100]
}

/// Fails unless the viewer of a camera has every frame of the window, and each of them whole.
pub fn assert_whole(farm: &CameraFarm, camera: &str, viewer: &Viewer) {
    let counts = &viewer.reception.counts;
    let sent = farm.counts(camera).frames_in_window.load(Relaxed);
    let (whole, lost) = (counts.frames, counts.lost());
    println!("{camera}: {whole} of {sent} frames, {lost} packets lost");
    assert_eq!((counts.broken_frames, lost), (0, 0), "{camera}");
    assert!(sent > 0 && whole == sent, "{camera}: {whole} of {sent} frames");
}
