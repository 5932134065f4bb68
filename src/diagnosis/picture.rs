//! What a camera that plays is found to do, from its figures.

use std::sync::atomic::Ordering::Relaxed;

use super::samples::CounterSteps;
use super::{CameraFinding, CameraFindings, CameraSamples};
use crate::codec::{Codec, CodecProfile};
use crate::limits::{
    CAMERA_CLOCK_JUMPS_MIN, CAMERA_CLOCK_PER_MILLE_MAX, CAMERA_FRAMES_PERCENT_MIN, CAMERA_GAPS_MIN,
    CAMERA_KEY_FRAME_US_MAX, CAMERA_PICTURELESS_US, CAMERA_SAMPLE_US, CAMERA_UNREAD_PERCENT_MAX,
    MARKER_PROBE_ACCESS_UNITS,
};
use crate::status::CameraStats;

/// What is known of a camera that plays.
#[derive(Debug, Clone, Copy)]
pub struct CameraFigures<'c> {
    /// Its counters, which are its own.
    pub stats: &'c CameraStats,
    /// Some of them as they were, since its connection began.
    pub samples: &'c CameraSamples,
    /// What its SDP says of the frames per second, times 100.
    pub says_frames_x100: Option<u32>,
    /// Whether its password goes over the network as it is.
    pub is_in_the_clear: bool,
    /// Whether it has sound in a codec that browsers do not take.
    pub has_foreign_sound: bool,
}

impl CameraFigures<'_> {
    /// Everything that is found at a time on [`crate::clock`].
    pub fn findings(&self, now_us: u64) -> CameraFindings {
        let Self { stats, samples, .. } = *self;
        let lately = samples.lately(stats, now_us);
        let whole = samples.whole();
        let of_stream = stream_findings(stats, self.is_in_the_clear, self.has_foreign_sound);
        self.pictureless(now_us)
            .into_iter()
            .chain(lately.iter().flat_map(count_findings))
            .chain(whole.iter().filter_map(clock_finding))
            .chain(of_stream.into_iter().flatten())
            .chain(whole.iter().filter_map(|whole| self.rate_finding(whole)))
            .collect()
    }

    /// What no picture can be made without, and does not come.
    pub fn pictureless(&self, now_us: u64) -> Option<CameraFinding> {
        let (stats, played_us) = (self.stats, self.samples.played_us());
        // While fewer have come the stream may only be waiting to know its markers.
        let is_watched = stats.frames.load(Relaxed) > 2 * u64::from(MARKER_PROBE_ACCESS_UNITS);
        let last_us = stats.last_rtp_us.load(Relaxed);
        if !is_watched || last_us < played_us {
            return None;
        }
        let has_sps = stats.profile.load(Relaxed) > 0;
        if !has_sps || !stats.ready.load(Relaxed) {
            let lasted_us = now_us.saturating_sub(played_us);
            let is_late = lasted_us > CAMERA_PICTURELESS_US;
            return is_late.then_some(CameraFinding::NoParameterSets { has_sps });
        }
        let last_idr_us = stats.last_idr_us.load(Relaxed);
        let had_one = last_idr_us >= played_us;
        // What came since, be it a slow camera's, was none.
        let without_us = last_us.saturating_sub(last_idr_us.max(played_us));
        (without_us > CAMERA_KEY_FRAME_US_MAX)
            .then(|| CameraFinding::NoKeyFrame { for_s: short(without_us / 1_000_000), had_one })
    }

    fn rate_finding(&self, whole: &[CounterSteps; 2]) -> Option<CameraFinding> {
        let says = u64::from(self.says_frames_x100?);
        let comes =
            |counted: &CounterSteps| counted.frames * 100_000_000 / counted.elapsed_us.max(1);
        let is_slow = |counted: &CounterSteps| {
            let is_whole = counted.gaps == 0 && unread_percent(counted) == 0;
            is_whole && comes(counted) * 100 < says * CAMERA_FRAMES_PERCENT_MIN
        };
        whole.iter().all(is_slow).then(|| CameraFinding::SlowerThanItSays {
            comes: short((comes(&whole[1]) + 50) / 100),
            says: short(says / 100),
        })
    }
}

/// What the stream is by itself.
fn stream_findings(
    stats: &CameraStats,
    is_in_the_clear: bool,
    has_foreign_sound: bool,
) -> [Option<CameraFinding>; 4] {
    let profile = CodecProfile::from_number(stats.profile.load(Relaxed));
    let is_h265 = profile.is_some_and(|profile| profile.codec() == Codec::H265);
    [
        stats.b_frames.load(Relaxed).then_some(CameraFinding::BFrames),
        is_in_the_clear.then_some(CameraFinding::PasswordInTheClear),
        is_h265.then_some(CameraFinding::H265),
        has_foreign_sound.then_some(CameraFinding::SoundNotTaken),
    ]
}

/// What the last one or two minutes say.
fn count_findings(lately: &CounterSteps) -> impl Iterator<Item = CameraFinding> + use<> {
    let CounterSteps { gaps, jumps, missing, throttled, dropped, resyncs, .. } = *lately;
    let unread_percent = unread_percent(lately);
    // What weir drops, and what it could not find in the connection, is missing too.
    let is_theirs = dropped == 0 && resyncs == 0 && throttled == 0 && unread_percent == 0;
    let has_no_room = dropped > 0 || unread_percent > CAMERA_UNREAD_PERCENT_MAX;
    let found = [
        (is_theirs && gaps >= CAMERA_GAPS_MIN)
            .then(|| CameraFinding::LostBeforeWeir { missing: short(missing) }),
        has_no_room.then(|| CameraFinding::NoRoom {
            unread_percent: u8::try_from(unread_percent).unwrap_or(100),
            dropped: short(dropped.into()),
        }),
        (throttled > 0).then_some(CameraFinding::OverRate),
        (jumps >= CAMERA_CLOCK_JUMPS_MIN)
            .then(|| CameraFinding::ClockJumps { times: short(jumps.into()) }),
    ];
    found.into_iter().flatten()
}

/// A clock that is fast or slow in both of two times, without a jump.
fn clock_finding(whole: &[CounterSteps; 2]) -> Option<CameraFinding> {
    if whole.iter().any(|counted| counted.jumps > 0) {
        return None;
    }
    let [before, last] = whole.map(|counted| counted.clock_per_mille);
    let (before, last) = before.zip(last)?;
    let per_mille = short(last.unsigned_abs());
    if before.min(last) > CAMERA_CLOCK_PER_MILLE_MAX {
        Some(CameraFinding::ClockFast { per_mille })
    } else if before.max(last) < -CAMERA_CLOCK_PER_MILLE_MAX {
        Some(CameraFinding::ClockSlow { per_mille })
    } else {
        None
    }
}

/// Of a minute at least: a connection that has just begun is judged by nothing shorter.
fn unread_percent(counted: &CounterSteps) -> u64 {
    (counted.unread_us * 100 / counted.elapsed_us.max(CAMERA_SAMPLE_US)).min(100)
}

/// As many as a finding can tell.
fn short(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
