//! One timeline per stream, which stays steady when the camera's timestamps do not.
//!
//! Published timestamps follow the camera's, at an offset. Single frames stamped far away
//! (Intelbras), clocks that step (Wyze, Dahua after SNTP) and reconnects are bridged by the arrival
//! time, so that viewers see the real distance. Access units of equal timestamp are moved apart by
//! [`TIMESTAMP_APART_MIN`]. When media time falls steadily behind the arrival time, it is moved
//! forward once, and runs faster from then on: each move is a freeze where a browser plays by the
//! timestamps. Small steps back are passed on unchanged; several of them mean B-frames, which no
//! browser shows well, so they are reported.

use crate::limits::{
    TIMESTAMP_APART_MIN, TIMESTAMP_BACK_S, TIMESTAMP_BACKS_MIN, TIMESTAMP_BACKS_UNITS,
    TIMESTAMP_DRIFT_MS_MAX, TIMESTAMP_JUMP_S, TIMESTAMP_JUMPS_MAX, TIMESTAMP_RATE_MAX,
    TIMESTAMP_STEP_MIN, VIDEO_CLOCK_HZ,
};

/// The longest step forward that is accepted, in 90 kHz ticks.
const FORWARD_MAX: i32 = (TIMESTAMP_JUMP_S * VIDEO_CLOCK_HZ).cast_signed();
/// The longest step back that is taken for a B-frame's, in 90 kHz ticks.
const BACK_MAX: i32 = -(TIMESTAMP_BACK_S * VIDEO_CLOCK_HZ).cast_signed();
const DRIFT_MAX: i64 = (TIMESTAMP_DRIFT_MS_MAX * VIDEO_CLOCK_HZ as u64 / 1000).cast_signed();
/// A rate of one, in the parts that rates are counted in: about a millionth.
const RATE_ONE: i64 = 1 << 20;
const RATE_MAX: i64 = RATE_ONE * TIMESTAMP_RATE_MAX;
/// One hour in ticks: an older anchor is moved, so that timestamps do not wrap against it.
const ANCHOR_AGE_MAX: i64 = 3600 * VIDEO_CLOCK_HZ as i64;
/// Drift is the smallest lateness in this time, so that a stalled connection does not count as
/// drift.
const DRIFT_WINDOW_US: u64 = 2_000_000;

/// The timeline of a stream; keeps state between two access units.
#[derive(Debug)]
pub struct Timeline {
    last: Option<Last>,
    /// The camera's timestamps may have nothing to do with those of `last`.
    reconnected: bool,
    /// Added to the camera's timestamps to get the published ones.
    offset: u32,
    /// Jumps in a row.
    jumps: u8,
    /// Runs of such jumps since another camera took over the slot.
    jump_count: u32,
    /// Steps back, and access units, since their count last began.
    backs: u8,
    units: u8,
    b_frames: bool,
    drift: Drift,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    /// The camera's last timestamp that was accepted.
    camera: u32,
    timestamp: u32,
    arrival_us: u64,
}

impl Timeline {
    /// The state before the first access unit.
    pub const fn new() -> Self {
        Self {
            last: None,
            reconnected: false,
            offset: 0,
            jumps: 0,
            jump_count: 0,
            backs: 0,
            units: 0,
            b_frames: false,
            drift: Drift::new(),
        }
    }

    /// The camera has reconnected, and its timestamps may start anywhere.
    pub fn reconnected(&mut self) {
        self.reconnected = true;
    }

    /// Another camera takes over the slot; the timeline continues.
    pub fn renewed(&mut self) {
        self.reconnected = true;
        self.b_frames = false;
        self.jump_count = 0;
    }

    /// The published timestamp for a new access unit with the camera's timestamp `camera`.
    pub fn stamp(&mut self, camera: u32, now_us: u64) -> u32 {
        let Some(last) = self.last else {
            return self.adopt(camera, camera, now_us);
        };
        if self.reconnected {
            let step = last.elapsed(now_us).max(TIMESTAMP_STEP_MIN);
            return self.adopt(camera, last.timestamp.wrapping_add(step), now_us);
        }
        let step = camera.wrapping_sub(last.camera).cast_signed();
        if step > FORWARD_MAX || step <= BACK_MAX {
            return self.jump(camera, last, now_us);
        }
        self.jumps = 0;
        self.count(step < 0);
        self.offset = self.offset.wrapping_add(self.drift.rate.added(step));
        let mut timestamp = camera.wrapping_add(self.offset);
        if step >= 0 {
            let least = last.timestamp.wrapping_add(TIMESTAMP_APART_MIN);
            if timestamp.wrapping_sub(least).cast_signed() < 0 {
                timestamp = least;
            }
            let late = self.drift.observe(timestamp, now_us);
            self.offset = self.offset.wrapping_add(late);
            timestamp = timestamp.wrapping_add(late);
        }
        self.remember(camera, timestamp, now_us)
    }

    /// The last published timestamp, and when its access unit began to arrive (µs).
    pub fn last(&self) -> Option<(u32, u64)> {
        self.last.map(|last| (last.timestamp, last.arrival_us))
    }

    /// The camera's last timestamp that was believed, and when its access unit came (µs).
    pub fn camera_clock(&self) -> Option<(u32, u64)> {
        self.last.map(|last| (last.camera, last.arrival_us))
    }

    /// How often the camera's timestamps jumped, be it for one frame or for good.
    pub fn jump_count(&self) -> u32 {
        self.jump_count
    }

    /// Whether the camera was seen to send B-frames.
    pub fn b_frames(&self) -> bool {
        self.b_frames
    }

    /// Counts steps back: a clock that is set steps back once, a camera with B-frames every few
    /// frames.
    fn count(&mut self, is_back: bool) {
        self.units += 1;
        self.backs += u8::from(is_back);
        self.b_frames |= self.backs >= TIMESTAMP_BACKS_MIN;
        if self.units >= TIMESTAMP_BACKS_UNITS {
            self.units = 0;
            self.backs = 0;
        }
    }

    /// Handles a timestamp far from the last: it is bridged, and after several in a row accepted.
    fn jump(&mut self, camera: u32, last: Last, now_us: u64) -> u32 {
        self.jump_count = self.jump_count.saturating_add(u32::from(self.jumps == 0));
        self.jumps += 1;
        let timestamp = last.timestamp.wrapping_add(last.elapsed(now_us).max(TIMESTAMP_APART_MIN));
        if self.jumps >= TIMESTAMP_JUMPS_MAX {
            return self.adopt(camera, timestamp, now_us);
        }
        self.remember(last.camera, timestamp, now_us)
    }

    /// From here on, the camera's timestamp `camera` is published as `timestamp`.
    fn adopt(&mut self, camera: u32, timestamp: u32, now_us: u64) -> u32 {
        self.offset = timestamp.wrapping_sub(camera);
        self.jumps = 0;
        self.reconnected = false;
        self.drift = Drift::new();
        self.remember(camera, timestamp, now_us)
    }

    fn remember(&mut self, camera: u32, timestamp: u32, now_us: u64) -> u32 {
        self.last = Some(Last { camera, timestamp, arrival_us: now_us });
        timestamp
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Last {
    /// Ticks from its arrival until now.
    fn elapsed(&self, now_us: u64) -> u32 {
        #[allow(clippy::cast_possible_truncation)] // the clock wraps, as RTP's does
        {
            ticks(now_us.saturating_sub(self.arrival_us)) as u32
        }
    }
}

fn ticks(us: u64) -> u64 {
    us * u64::from(VIDEO_CLOCK_HZ) / 1_000_000
}

/// Measures how far media time is behind the arrival time, from the earliest arrival on, and how
/// much faster it must run for that to end.
#[derive(Debug)]
struct Drift {
    anchor: Option<Anchor>,
    /// When lateness was last zero by definition.
    since_us: u64,
    window_us: u64,
    /// The smallest lateness of the current window.
    least: Option<Lateness>,
    rate: Rate,
}

#[derive(Debug, Clone, Copy)]
struct Lateness {
    ticks: i64,
    now_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    arrival_us: u64,
}

impl Drift {
    const fn new() -> Self {
        Self { anchor: None, since_us: 0, window_us: 0, least: None, rate: Rate::new() }
    }

    /// Notes a timestamp. Returns by how many ticks timestamps must be moved forward from now on.
    fn observe(&mut self, timestamp: u32, now_us: u64) -> u32 {
        let Some(anchor) = self.anchor else {
            return self.restart(timestamp, now_us);
        };
        let media = i64::from(timestamp.wrapping_sub(anchor.timestamp).cast_signed());
        let wall = ticks(now_us.saturating_sub(anchor.arrival_us)).cast_signed();
        let late = wall - media;
        if late < 0 && self.rate.is_one() {
            return self.restart(timestamp, now_us);
        }
        let least = self.least.filter(|least| least.ticks <= late);
        let least = least.unwrap_or(Lateness { ticks: late, now_us });
        self.least = Some(least);
        if now_us.saturating_sub(self.window_us) < DRIFT_WINDOW_US {
            return 0;
        }
        self.window_us = now_us;
        self.least = None;
        if least.ticks.abs() > DRIFT_MAX {
            return self.correct(least, late, timestamp, now_us);
        }
        if wall > ANCHOR_AGE_MAX {
            // Keep the same lateness with a newer anchor, before the difference of timestamps
            // wraps.
            self.set_anchor(timestamp, late, now_us);
        }
        0
    }

    /// Restarts the measurement with a timestamp that is on time by definition.
    fn restart(&mut self, timestamp: u32, now_us: u64) -> u32 {
        (self.since_us, self.window_us, self.least) = (now_us, now_us, None);
        self.set_anchor(timestamp, 0, now_us);
        0
    }

    /// Changes the rate by what media time has lost, or won since the rate was last changed. What
    /// was lost is made up at once; what was won is left, as time does not run back.
    fn correct(&mut self, least: Lateness, late: i64, timestamp: u32, now_us: u64) -> u32 {
        // What is lost in less than a window is a stall, and no rate.
        let elapsed_us = least.now_us.saturating_sub(self.since_us).max(DRIFT_WINDOW_US);
        let wall = ticks(elapsed_us).cast_signed();
        self.rate.change(wall, wall.saturating_sub(least.ticks));
        let after = ticks(now_us.saturating_sub(least.now_us)).cast_signed().min(wall);
        let lost = least.ticks.saturating_add(after.saturating_mul(least.ticks) / wall);
        let forward = u32::try_from(lost).unwrap_or(0);
        self.since_us = now_us;
        self.set_anchor(timestamp.wrapping_add(forward), late - lost, now_us);
        forward
    }

    /// From now on lateness is counted so that `timestamp`, at `now_us`, is `late` ticks late.
    fn set_anchor(&mut self, timestamp: u32, late: i64, now_us: u64) {
        #[allow(clippy::cast_possible_truncation)] // timestamps wrap
        let late = late as u32;
        let timestamp = timestamp.wrapping_add(late);
        self.anchor = Some(Anchor { timestamp, arrival_us: now_us });
    }
}

/// How much faster than the camera's timestamps the published ones run: one or more.
#[derive(Debug)]
struct Rate {
    /// What it is above one, in units of 1 / [`RATE_ONE`].
    excess: i64,
    /// What is left over of a tick, in the same units.
    rest: i64,
}

impl Rate {
    const fn new() -> Self {
        Self { excess: 0, rest: 0 }
    }

    fn is_one(&self) -> bool {
        self.excess == 0
    }

    /// The ticks to add to a step of the camera's.
    fn added(&mut self, step: i32) -> u32 {
        let parts = i64::from(step) * self.excess + self.rest;
        self.rest = parts.rem_euclid(RATE_ONE);
        #[allow(clippy::cast_possible_truncation)] // timestamps wrap
        {
            parts.div_euclid(RATE_ONE) as u32
        }
    }

    /// Has media time run so that `wall` ticks pass where `media` did.
    fn change(&mut self, wall: i64, media: i64) {
        let parts =
            i128::from(RATE_ONE + self.excess) * i128::from(wall) / i128::from(media.max(1));
        let parts = parts.clamp(i128::from(RATE_ONE), i128::from(RATE_MAX));
        self.excess = i64::try_from(parts).unwrap_or(RATE_ONE) - RATE_ONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u32 = 3600;
    const FRAME_US: u64 = 40_000;

    /// A timeline after ten frames at 25 per second, with the camera's timestamp and time of the
    /// last.
    fn running() -> (Timeline, u32, u64) {
        let mut timeline = Timeline::new();
        let (mut camera, mut now_us) = (u32::MAX - 4 * FRAME, 5_000_000);
        timeline.stamp(camera, now_us);
        for _ in 0..9 {
            camera = camera.wrapping_add(FRAME);
            now_us += FRAME_US;
            assert_eq!(timeline.stamp(camera, now_us), camera);
        }
        (timeline, camera, now_us)
    }

    #[test]
    fn single_frames_stamped_far_away_are_bridged() {
        for far in [37_600_u32, 9_800, 0_u32.wrapping_sub(9_800), 0_u32.wrapping_sub(3)] {
            let (mut timeline, camera, now_us) = running();
            let away = camera.wrapping_add(far.wrapping_mul(VIDEO_CLOCK_HZ));
            assert_eq!(timeline.stamp(away, now_us + FRAME_US), camera.wrapping_add(FRAME));
            let next = camera.wrapping_add(2 * FRAME);
            assert_eq!(timeline.stamp(next, now_us + 2 * FRAME_US), next);
            assert_eq!((timeline.b_frames(), timeline.jump_count()), (false, 1));
        }
    }

    #[test]
    fn a_new_clock_is_adopted_after_three_frames() {
        let (mut timeline, camera, now_us) = running();
        for n in 1..100 {
            let far = 3_000_000_000 + n * FRAME;
            let stamp = timeline.stamp(far, now_us + u64::from(n) * FRAME_US);
            assert_eq!(stamp, camera.wrapping_add(n * FRAME), "{n}");
        }
        // Adopted: the timestamps no longer contain the jitter of arrival.
        let stamp = timeline.stamp(3_000_360_000, now_us + 100 * FRAME_US + 7_000);
        assert_eq!(stamp, camera.wrapping_add(100 * FRAME));
        assert_eq!(timeline.jump_count(), 1, "three frames of one jump");
        assert_eq!(timeline.camera_clock(), Some((3_000_360_000, now_us + 100 * FRAME_US + 7_000)));
    }

    #[test]
    fn a_reconnect_takes_the_time_it_took_and_at_least_a_frame() {
        for (gone_us, step) in [(0, TIMESTAMP_STEP_MIN), (10_000_000, 900_000)] {
            let (mut timeline, camera, now_us) = running();
            timeline.reconnected();
            let stamp = timeline.stamp(77, now_us + gone_us);
            assert_eq!(stamp, camera.wrapping_add(step));
            let next = timeline.stamp(77 + FRAME, now_us + gone_us + FRAME_US);
            assert_eq!(next, stamp.wrapping_add(FRAME));
        }
    }

    #[test]
    fn equal_stamps_are_nudged_and_small_steps_back_are_passed_on() {
        let (mut timeline, camera, now_us) = running();
        for nudges in 1..=2 {
            let nudged = camera.wrapping_add(nudges * TIMESTAMP_APART_MIN);
            assert_eq!(timeline.stamp(camera, now_us), nudged);
        }
        assert!(!timeline.b_frames());
        let third = camera.wrapping_add(3 * FRAME);
        assert_eq!(timeline.stamp(third, now_us + FRAME_US), third);
        let first = camera.wrapping_add(FRAME);
        assert_eq!(timeline.stamp(first, now_us + 2 * FRAME_US), first);
        assert!(!timeline.b_frames());
    }

    #[test]
    fn steps_back_every_few_frames_are_b_frames_and_one_now_and_then_is_none() {
        for (every, has_b_frames) in [(3, true), (30, true), (60, false)] {
            let (mut timeline, camera, now_us) = running();
            for n in 1..1000 {
                let back = if n % every == 0 { 2 * FRAME } else { 0 };
                let stamp = camera.wrapping_add(n * FRAME).wrapping_sub(back);
                timeline.stamp(stamp, now_us + u64::from(n) * FRAME_US);
            }
            assert_eq!(timeline.b_frames(), has_b_frames, "each {every}");
        }
    }

    /// Feeds `count` frames, of which `fps` come in a second and 25 by their timestamps; returns
    /// the published steps that are longer than a frame by more than its share of the drift.
    fn feed(timeline: &mut Timeline, at: &mut (u32, u64), count: u64, fps: u64) -> Vec<u32> {
        let mut long = Vec::new();
        for n in 0..count {
            at.0 = at.0.wrapping_add(FRAME);
            at.1 += 1_000_000 / fps;
            let last = timeline.last().map_or(0, |(stamp, _)| stamp);
            // Some are up to 30 ms late.
            let step = timeline.stamp(at.0, at.1 + n * 7919 % 30_000).wrapping_sub(last);
            if step > FRAME * 3 / 2 {
                long.push(step);
            }
        }
        long
    }

    #[test]
    fn slow_media_time_is_moved_forward_once_and_runs_faster_then() {
        let mut timeline = Timeline::new();
        let mut at = (0, 0);
        let moves = feed(&mut timeline, &mut at, 21 * 20, 21);
        assert_eq!(moves.len(), 1, "{moves:?}");
        for fps in [21, 25, 19, 25] {
            // The camera's rate changes: media time follows within a few windows.
            feed(&mut timeline, &mut at, 30 * fps, fps);
            let settled = timeline.last().unwrap();
            let moves = feed(&mut timeline, &mut at, 1200 * fps, fps);
            assert!(moves.len() <= 2, "{fps}: {moves:?}");
            let (stamp, at_us) = timeline.last().unwrap();
            let media = i64::from(stamp.wrapping_sub(settled.0));
            let wall = ticks(at_us - settled.1).cast_signed();
            assert!((media - wall).abs() < 3 * DRIFT_MAX, "{fps}: {}", media - wall);
        }
        // A stall right after a correction is taken for a window's loss, not for that of a frame.
        let Drift { since_us, rate: Rate { excess, .. }, .. } = timeline.drift;
        at.1 += 3_000_000;
        while timeline.drift.since_us == since_us {
            feed(&mut timeline, &mut at, 1, 25);
        }
        at.1 += 400_000;
        feed(&mut timeline, &mut at, 25 * 3, 25);
        let bound = (RATE_ONE + excess) * 3 / 2 - RATE_ONE;
        assert!(timeline.drift.rate.excess < bound, "{:?}", timeline.drift);
    }

    #[test]
    fn media_time_that_stands_still_or_creeps_is_within_the_bounds_of_the_rate() {
        let mut timeline = Timeline::new();
        let mut at = (0, 0);
        feed(&mut timeline, &mut at, 100, 2);
        assert_eq!(timeline.drift.rate.excess, RATE_MAX - RATE_ONE);
        for _ in 0..100 {
            at.1 += FRAME_US;
            timeline.stamp(at.0, at.1);
        }
        assert_eq!(timeline.drift.rate.excess, RATE_MAX - RATE_ONE);
        feed(&mut timeline, &mut at, 25 * 30, 25);
        assert!(timeline.drift.rate.excess < RATE_ONE / 100);
    }

    #[test]
    fn a_stall_is_not_drift() {
        let (mut timeline, camera, now_us) = running();
        for n in 1..200 {
            // Frames 50 to 74 arrive all at once, up to a second late.
            let late = u64::from(if (50..75).contains(&n) { 75 - n } else { 0 });
            let stamp = timeline
                .stamp(camera.wrapping_add(n * FRAME), now_us + (u64::from(n) + late) * FRAME_US);
            assert_eq!(stamp, camera.wrapping_add(n * FRAME), "{n}");
        }
    }

    #[test]
    fn a_day_of_exact_time_is_left_alone() {
        let mut timeline = Timeline::new();
        for n in 0..24 * 3600_u64 {
            let camera = u32::try_from((n * u64::from(VIDEO_CLOCK_HZ)) & 0xFFFF_FFFF).unwrap();
            let jitter_us = n * 7919 % 100_000;
            assert_eq!(timeline.stamp(camera, n * 1_000_000 + jitter_us), camera, "{n}");
        }
    }
}
