//! A stream's counters, and its frame and bit rates over about the last two seconds.

use crate::status::BreakReason;

/// The shortest time over which a rate is measured.
const WINDOW_US: u64 = 2_000_000;
/// After this time without a packet the rates are zero. A camera may send one frame in two seconds.
const SILENCE_US: u64 = 3_000_000;

/// A stream's counters, updated with each packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamFigures {
    /// RTP packets accepted since the slot got its camera.
    pub packets: u64,
    /// Bytes of those packets, headers included.
    pub bytes: u64,
    /// How often the stream had to wait for its next IDR, for each [`BreakReason`].
    pub breaks: [u32; BreakReason::NAMES.len()],
    /// When the last RTP packet arrived; 0 before the first.
    pub last_rtp_us: u64,
    rates: Rates,
}

/// The rates of the last window, and the counters at the start of the current one.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    began_us: u64,
    frames: u64,
    bytes: u64,
    frames_per_s_x100: u32,
    bits_per_s: u64,
}

impl StreamFigures {
    /// Counters that are all zero.
    pub const fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            breaks: [0; BreakReason::NAMES.len()],
            last_rtp_us: 0,
            rates: Rates { began_us: 0, frames: 0, bytes: 0, frames_per_s_x100: 0, bits_per_s: 0 },
        }
    }

    /// Frames per second, times 100, and bits per second. `frames` is the number of frames so far.
    ///
    /// A window lasts from the arrival of one packet to that of another. If it ended at any other
    /// time, the rate would be off by part of a frame.
    pub fn rates(&mut self, frames: u64, now_us: u64) -> (u32, u64) {
        let last_us = self.last_rtp_us;
        let is_silent = now_us.saturating_sub(last_us) >= SILENCE_US;
        if is_silent || self.rates.began_us == 0 {
            self.rates = Rates { began_us: now_us, frames, bytes: self.bytes, ..Rates::default() };
        }
        let elapsed_us = last_us.saturating_sub(self.rates.began_us);
        if elapsed_us >= WINDOW_US {
            let new_frames = frames.saturating_sub(self.rates.frames);
            let new_bytes = self.bytes.saturating_sub(self.rates.bytes);
            let frames_per_s_x100 = new_frames.saturating_mul(100 * 1_000_000) / elapsed_us;
            self.rates = Rates {
                began_us: last_us,
                frames,
                bytes: self.bytes,
                frames_per_s_x100: u32::try_from(frames_per_s_x100).unwrap_or(u32::MAX),
                bits_per_s: new_bytes.saturating_mul(8 * 1_000_000) / elapsed_us,
            };
        }
        (self.rates.frames_per_s_x100, self.rates.bits_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates after ten seconds of frames this far apart, measured every 110 ms.
    fn of_frames_apart(apart_us: u64) -> (StreamFigures, (u32, u64)) {
        let mut figures = StreamFigures::new();
        let mut rates = (0, 0);
        let mut frames = 0;
        for now_us in (0..10_000_000).step_by(10_000) {
            if now_us % apart_us == 0 {
                frames += 1;
                figures.bytes += 10_000;
                figures.last_rtp_us = now_us;
            }
            if now_us % 110_000 == 0 {
                rates = figures.rates(frames, now_us);
            }
        }
        (figures, rates)
    }

    #[test]
    fn rates_are_true_whenever_they_are_asked_for() {
        assert_eq!(of_frames_apart(40_000).1, (2500, 2_000_000));
        assert_eq!(of_frames_apart(70_000).1, (1428, 1_142_857));
        assert_eq!(of_frames_apart(2_000_000).1, (50, 40_000), "a slow camera");
    }

    #[test]
    fn rates_fall_to_zero_when_nothing_comes() {
        let (mut figures, rates) = of_frames_apart(40_000);
        assert_eq!(figures.rates(250, 12_000_000), rates);
        assert_eq!(figures.rates(250, 14_000_000), (0, 0));
    }
}
