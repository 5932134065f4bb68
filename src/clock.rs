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

/// Wall-clock time as an NTP timestamp (RFC 5905): seconds since 1900 in the high 32 bits.
#[allow(clippy::disallowed_methods)]
pub fn ntp() -> u64 {
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    ((since_1970.as_secs() + SECONDS_1900_TO_1970) << 32) | fraction
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
        let year = 1900 + (ntp() >> 32) / 31_556_952;
        assert!((2024..2100).contains(&year), "{year}");
    }
}
