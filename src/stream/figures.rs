//! A stream's counters, and its rates over about the last second.

/// Least time a rate is taken over.
const WINDOW_US: u64 = 1_000_000;

/// What is counted as packets come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// RTP packets taken.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Times the stream had to wait for its next IDR.
    pub breaks: u64,
    /// When the last RTP packet came; 0 for never.
    pub last_rtp_us: u64,
    rates: Rates,
}

/// The last window's rates, and where the present one began.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    began_us: u64,
    frames: u64,
    bytes: u64,
    frames_per_s_x100: u32,
    bits_per_s: u64,
}

impl Figures {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            breaks: 0,
            last_rtp_us: 0,
            rates: Rates { began_us: 0, frames: 0, bytes: 0, frames_per_s_x100: 0, bits_per_s: 0 },
        }
    }

    /// Frames per second, times 100, and bits per second. `frames` were counted in all.
    pub fn rates(&mut self, frames: u64, now_us: u64) -> (u32, u64) {
        let elapsed_us = now_us.saturating_sub(self.rates.began_us);
        if elapsed_us >= WINDOW_US {
            let new_frames = frames.saturating_sub(self.rates.frames);
            let new_bytes = self.bytes.saturating_sub(self.rates.bytes);
            let frames_per_s_x100 = new_frames.saturating_mul(100 * 1_000_000) / elapsed_us;
            self.rates = Rates {
                began_us: now_us,
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

    #[test]
    fn rates_are_those_of_the_last_window_and_fall_to_zero() {
        let mut figures = Figures::new();
        let mut rates = (0, 0);
        for n in 1..=100 {
            figures.bytes += 10_000;
            rates = figures.rates(n, n * 40_000);
        }
        assert_eq!(rates, (2500, 2_000_000));
        figures.rates(100, 5_000_000);
        assert_eq!(figures.rates(100, 6_000_000), (0, 0));
    }
}
