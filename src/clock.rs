//! The one clock. Everything else is told the time: microseconds since the process first asked.
//!
//! A sans-IO core takes `now_us: u64` and gives back deadlines in the same unit, so that a test
//! turns time by hand.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

/// Microseconds on the monotonic clock since the first call.
#[allow(clippy::disallowed_methods)]
pub fn now_us() -> u64 {
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// The `Instant` that [`now_us`] called `at_us`, for libraries that want one.
#[allow(clippy::disallowed_methods)]
pub fn instant(at_us: u64) -> Instant {
    *START.get_or_init(Instant::now) + Duration::from_micros(at_us)
}

/// The value of [`now_us`] at `instant`; zero for one before the first call.
pub fn us_of(instant: Instant) -> u64 {
    let elapsed = instant.saturating_duration_since(self::instant(0));
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// The moment `at_us` as an NTP timestamp (RFC 5905): seconds since 1900 in the high 32 bits. It
/// follows the monotonic clock from the first call, so it never jumps when the wall clock is set.
#[allow(clippy::disallowed_methods)]
pub fn ntp(at_us: u64) -> u64 {
    static WALL_AT_START_US: OnceLock<u64> = OnceLock::new();
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
    let wall_at_start_us = *WALL_AT_START_US.get_or_init(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_micros()).unwrap_or(0).saturating_sub(now_us())
    });
    let wall_us = wall_at_start_us + at_us;
    let fraction = ((wall_us % 1_000_000) << 32) / 1_000_000;
    ((wall_us / 1_000_000 + SECONDS_1900_TO_1970) << 32) | fraction
}

/// Seconds since 1970 by the wall clock; for what has to outlive the process.
#[allow(clippy::disallowed_methods)]
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_and_its_microseconds_are_the_same_moment() {
        let now = now_us();
        assert_eq!(us_of(instant(now)), now);
    }

    #[test]
    fn ntp_is_in_this_century() {
        let year = 1900 + (ntp(now_us()) >> 32) / 31_556_952;
        assert!((2024..2100).contains(&year), "{year}");
        assert_eq!(ntp(2_000_000) - ntp(1_000_000), 1 << 32);
    }
}
