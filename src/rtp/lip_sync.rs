//! How much later than the picture a camera's sound comes, by the camera's own clock.
//!
//! Sender reports to browsers are made from the time of arrival, for picture and sound alike. A
//! camera that needs longer to encode one of them says so with its own reports (RFC 3550 section
//! 6.4.1), which give the time of capture. Only the difference between both counts, so that it does
//! not matter whether the camera's clock is right. Cameras whose reports make no sense are heard as
//! they come.

use crate::limits::LIP_SYNC_US_MAX;

/// The delays of a camera's picture and sound.
#[derive(Debug)]
pub struct LipSync {
    /// The delay of the picture.
    pub picture: CaptureDelay,
    /// The delay of the sound.
    pub sound: CaptureDelay,
}

/// The time from capture to arrival of one track, plus what the camera's clock is off.
#[derive(Debug)]
pub struct CaptureDelay {
    /// The NTP time of the last sender report in µs, and its RTP timestamp.
    report: Option<(i64, u32)>,
    /// A running mean.
    mean_us: Option<i64>,
    /// The timestamp that was counted last: the packets of a frame have one.
    timestamp: u32,
}

impl LipSync {
    /// The state before the first report.
    pub const fn new() -> Self {
        Self { picture: CaptureDelay::new(), sound: CaptureDelay::new() }
    }

    /// How much later the sound comes, in µs; 0 when that is unknown or beyond belief.
    pub fn sound_late_us(&self) -> i64 {
        let late_us = self.sound.mean_us.zip(self.picture.mean_us);
        let late_us = late_us.map_or(0, |(sound, picture)| sound.saturating_sub(picture));
        if late_us.abs() <= LIP_SYNC_US_MAX { late_us } else { 0 }
    }
}

impl Default for LipSync {
    fn default() -> Self {
        Self::new()
    }
}

impl CaptureDelay {
    const fn new() -> Self {
        Self { report: None, mean_us: None, timestamp: 0 }
    }

    /// Notes a compound RTCP packet, whose first part may be a sender report.
    pub fn report(&mut self, packet: &[u8]) {
        const SENDER_REPORT: u8 = 200;
        let [
            _,
            SENDER_REPORT,
            _,
            _,
            _,
            _,
            _,
            _,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            t0,
            t1,
            t2,
            t3,
            ..,
        ] = *packet
        else {
            return;
        };
        let ntp = u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        let us = (u128::from(ntp) * 1_000_000) >> 32;
        // 32 bits of seconds are 2^52 µs.
        let us = i64::try_from(us).unwrap_or(i64::MAX);
        let is_first = self.report.replace((us, u32::from_be_bytes([t0, t1, t2, t3]))).is_none();
        if is_first {
            self.mean_us = None;
        }
    }

    /// Media of this timestamp, as the camera set it, arrives now.
    pub fn arrives(&mut self, timestamp: u32, clock_hz: u32, now_us: u64) {
        let Some((report_us, at)) = self.report else { return };
        if std::mem::replace(&mut self.timestamp, timestamp) == timestamp {
            return;
        }
        let ticks = i64::from(timestamp.wrapping_sub(at).cast_signed());
        let captured_us = report_us + ticks * 1_000_000 / i64::from(clock_hz);
        let late_us = now_us.cast_signed().saturating_sub(captured_us);
        self.mean_us = Some(match self.mean_us {
            // The camera's clock was set, or its reports are wild.
            Some(mean_us) if mean_us.abs_diff(late_us) > LIP_SYNC_US_MAX.unsigned_abs() => late_us,
            Some(mean_us) => mean_us + (late_us - mean_us) / 16,
            None => late_us,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender report of a camera whose clock stands in 1970.
    fn report(us: u64, timestamp: u32) -> Vec<u8> {
        let ntp = u64::try_from((u128::from(us) << 32) / 1_000_000).expect("early");
        let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        report.extend(ntp.to_be_bytes());
        report.extend(timestamp.to_be_bytes());
        report.extend([0; 8]);
        report
    }

    /// Ten seconds of a camera whose picture and sound take so long from capture to arrival.
    fn after(picture_us: u64, sound_us: u64) -> i64 {
        let mut lip_sync = LipSync::new();
        lip_sync.picture.report(&report(0, 0));
        lip_sync.sound.report(&report(20_000, 7_160));
        for n in 0..500_u32 {
            let captured_us = u64::from(n) * 20_000;
            let jitter_us = u64::from(n * 7919 % 5_000);
            if n % 2 == 0 {
                let timestamp = n * 1_800;
                for _ in 0..3 {
                    lip_sync.picture.arrives(timestamp, 90_000, captured_us + picture_us);
                }
            }
            let now_us = captured_us + sound_us + jitter_us;
            lip_sync.sound.arrives(7_000 + n * 160, 8_000, now_us);
        }
        lip_sync.sound_late_us()
    }

    #[test]
    fn the_difference_of_the_delays_is_found() {
        for (picture_us, sound_us) in
            [(50_000_u32, 50_000_u32), (40_000, 240_000), (300_000, 20_000)]
        {
            let expected = i64::from(sound_us) - i64::from(picture_us);
            let late_us = after(picture_us.into(), sound_us.into());
            assert!(late_us.abs_diff(expected) < 6_000, "{late_us} of {expected}");
        }
        assert_eq!(after(0, 3_000_000), 0, "beyond belief");
    }

    #[test]
    fn without_reports_of_both_nothing_is_corrected() {
        let mut lip_sync = LipSync::new();
        lip_sync.sound.report(&report(0, 0));
        lip_sync.sound.arrives(1, 8_000, 700_000);
        lip_sync.picture.arrives(1, 90_000, 100_000);
        assert_eq!(lip_sync.sound_late_us(), 0);
        for length in 0..28 {
            lip_sync.picture.report(&report(0, 0)[..length.min(19)]);
        }
        lip_sync.picture.report(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
        lip_sync.picture.arrives(2, 90_000, 100_000);
        assert_eq!(lip_sync.sound_late_us(), 0);
        let mut wild = vec![0xff; 28];
        wild[1] = 200;
        lip_sync.picture.report(&wild);
        lip_sync.picture.arrives(u32::MAX / 2, 90_000, u64::MAX);
        assert_eq!(lip_sync.sound_late_us(), 0);
    }

    #[test]
    fn a_clock_that_is_set_is_followed() {
        let mut lip_sync = LipSync::new();
        for delay in [&mut lip_sync.picture, &mut lip_sync.sound] {
            delay.report(&report(0, 0));
            delay.arrives(8_000, 8_000, 1_000_000);
            delay.report(&report(90_000_000, 16_000));
            delay.arrives(16_000, 8_000, 2_000_000);
        }
        assert_eq!(lip_sync.sound_late_us(), 0);
    }
}
