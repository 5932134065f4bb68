//! The only clock: microseconds since the process first read it. All other code gets the time as an
//! argument.
//!
//! A sans-IO core takes `now_us: u64` and returns deadlines in the same unit, so that a test can
//! set the time.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

/// Microseconds on the monotonic clock since the first call.
#[allow(clippy::disallowed_methods)]
pub fn now_us() -> u64 {
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// The `Instant` at which [`now_us`] was `at_us`, for libraries that need one.
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

/// The moment `at_us` in UTC, to the second (RFC 3339), by the wall clock as it is set now: a box
/// without a battery learns the time some while after its start.
#[allow(clippy::disallowed_methods)]
pub fn utc(at_us: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ago = Duration::from_micros(now_us().saturating_sub(at_us));
    utc_of(now.saturating_sub(ago).as_secs())
}

/// Seconds since 1970 as a date and time in UTC (RFC 3339).
pub fn utc_of(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is the last of its year; 400 of them have
    // 146 097 days, and 1970-01-01 is day 719 468 of year 0.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        if month < 10 { (400 * era + year, month + 3) } else { (400 * era + year + 1, month - 9) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds since 1970 of a date as [`utc`] writes it; `None` for any other text.
pub fn unix_of(utc: &str) -> Option<u64> {
    let (date, time) = utc.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, sign| -> Option<[u64; 3]> {
        let numbers: Option<Vec<u64>> = text.split(sign).map(|word| word.parse().ok()).collect();
        numbers?.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The reverse of `utc_of`: years begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year / 400, year % 400);
    let day = (153 * month + 2) / 5 + day - 1 + 365 * year + year / 4 - year / 100;
    let day = (era * 146_097 + day).checked_sub(719_468)?;
    Some(day * 86_400 + hour.min(23) * 3600 + minute.min(59) * 60 + second.min(60))
}

/// Seconds since 1970 by the wall clock, for what must outlive the process.
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
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_799, "2024-02-28T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc_of(seconds), date);
            assert_eq!(unix_of(date), Some(seconds));
        }
        for wrong in ["", "2024-02-28", "2024-13-01T00:00:00Z", "1969-01-01T00:00:00Z", "aTbZ"] {
            assert_eq!(unix_of(wrong), None, "{wrong}");
        }
        assert!(utc(now_us()).as_str() > "2024");
    }

    #[test]
    fn ntp_is_in_this_century() {
        let year = 1900 + (ntp(now_us()) >> 32) / 31_556_952;
        assert!((2024..2100).contains(&year), "{year}");
        assert_eq!(ntp(2_000_000) - ntp(1_000_000), 1 << 32);
    }
}
