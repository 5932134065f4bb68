//! A camera's counters as they were a minute and more ago, to tell what is so now from what was.

use std::sync::atomic::Ordering::Relaxed;

use crate::limits::{CAMERA_SAMPLE_US, VIDEO_CLOCK_HZ};
use crate::status::{BreakReason, CameraStats};

/// Samples that are kept: two times of [`CAMERA_SAMPLE_US`] lie between them.
const SAMPLES: usize = 3;
const TICKS_PER_MS: i64 = VIDEO_CLOCK_HZ as i64 / 1000;

/// The last samples of a camera's counters, all of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct CameraSamples {
    /// When the connection began that they are of.
    played_us: u64,
    /// The newest first.
    samples: [Option<CounterSample>; SAMPLES],
}

/// Counters of a camera at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct CounterSample {
    at_us: u64,
    gaps: u32,
    jumps: u32,
    missing: u64,
    frames: u64,
    unread_us: u64,
    throttled: u64,
    /// Times that weir itself lost a part of the video for want of room.
    dropped: u32,
    /// The same since the connection was out of sync.
    resyncs: u32,
    /// A timestamp of this connection, and the milliseconds at which it came.
    clock: Option<(u32, u32)>,
}

/// What was counted from one sample to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct CounterSteps {
    pub(super) elapsed_us: u64,
    pub(super) gaps: u32,
    pub(super) jumps: u32,
    pub(super) missing: u64,
    pub(super) frames: u64,
    pub(super) unread_us: u64,
    pub(super) throttled: u64,
    pub(super) dropped: u32,
    pub(super) resyncs: u32,
    /// By how many thousandths the camera's clock was fast; slow is negative.
    pub(super) clock_per_mille: Option<i64>,
}

impl CameraSamples {
    /// The first sample of a connection that begins at `played_us`.
    pub fn begun(stats: &CameraStats, played_us: u64) -> Self {
        let first = CounterSample { clock: None, ..CounterSample::of(stats, played_us) };
        Self { played_us, samples: [Some(first), None, None] }
    }

    /// When the connection began.
    pub fn played_us(&self) -> u64 {
        self.played_us
    }

    /// Takes a sample if one is due. Called about once a second while the camera plays.
    pub fn take(&mut self, stats: &CameraStats, now_us: u64) {
        let [newest, ..] = self.samples;
        if newest.is_none_or(|newest| now_us >= newest.at_us + CAMERA_SAMPLE_US) {
            self.samples.rotate_right(1);
            self.samples[0] = Some(CounterSample::of(stats, now_us));
        }
    }

    /// What was counted in the last one to two minutes, or since the connection's begin.
    pub(super) fn lately(&self, stats: &CameraStats, now_us: u64) -> Option<CounterSteps> {
        let [newest, before, _] = self.samples;
        Some(before.or(newest)?.until(&CounterSample::of(stats, now_us)))
    }

    /// What was counted in each of the last two whole times between samples.
    pub(super) fn whole(&self) -> Option<[CounterSteps; 2]> {
        let [newest, before, first] = self.samples;
        let (newest, before, first) = (newest?, before?, first?);
        Some([first.until(&before), before.until(&newest)])
    }
}

impl CounterSample {
    fn of(stats: &CameraStats, at_us: u64) -> Self {
        let breaks = |why: BreakReason| stats.breaks[why as usize].load(Relaxed);
        Self {
            at_us,
            gaps: stats.gaps.load(Relaxed),
            jumps: stats.clock_jumps.load(Relaxed),
            missing: stats.missing.load(Relaxed),
            frames: stats.frames.load(Relaxed),
            unread_us: stats.unread_us.load(Relaxed),
            throttled: stats.throttled.load(Relaxed),
            dropped: breaks(BreakReason::NoCarrySlot) + breaks(BreakReason::Overflow),
            resyncs: breaks(BreakReason::Resync),
            clock: Some(stats.clock()),
        }
    }

    fn until(&self, later: &Self) -> CounterSteps {
        CounterSteps {
            elapsed_us: later.at_us.saturating_sub(self.at_us),
            gaps: later.gaps.saturating_sub(self.gaps),
            jumps: later.jumps.saturating_sub(self.jumps),
            missing: later.missing.saturating_sub(self.missing),
            frames: later.frames.saturating_sub(self.frames),
            unread_us: later.unread_us.saturating_sub(self.unread_us),
            throttled: later.throttled.saturating_sub(self.throttled),
            dropped: later.dropped.saturating_sub(self.dropped),
            resyncs: later.resyncs.saturating_sub(self.resyncs),
            clock_per_mille: self.clock_per_mille(later),
        }
    }

    fn clock_per_mille(&self, later: &Self) -> Option<i64> {
        let ((from, from_ms), (to, to_ms)) = self.clock.zip(later.clock)?;
        let media_ms = i64::from(to.wrapping_sub(from).cast_signed()) / TICKS_PER_MS;
        let wall_ms = i64::from(to_ms.wrapping_sub(from_ms));
        (wall_ms > 0).then(|| (media_ms - wall_ms) * 1000 / wall_ms)
    }
}
