//! When a session's next keepalive and report are due, and when the camera counts as silent.
//!
//! The keepalive interval suits every known camera: half the timeout, at least 5 s before its end
//! (the timeout is 15 s with Tapo, 20 s with Siqura), at most 25 s (behind NAT), never under 2 s.

use crate::limits::{RTSP_PROBE_US, RTSP_REPORT_INTERVAL_US, RTSP_SILENCE_US_MAX};

const TIMEOUT_S_DEFAULT: u32 = 60;
const TIMEOUT_S: std::ops::RangeInclusive<u32> = 10..=120;
const INTERVAL_S_MIN: u32 = 2;
const INTERVAL_S_MAX: u32 = 25;

/// The timers of one session; all times in µs.
#[derive(Debug)]
pub(super) struct Schedule {
    interval_us: u64,
    keepalive_us: u64,
    report_us: u64,
    last_rtp_us: u64,
    /// A keepalive was already sent in the current silence.
    probed: bool,
}

/// What is due now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub keepalive: bool,
    pub report: bool,
    /// The camera has been silent for too long.
    pub silent: bool,
}

impl Schedule {
    /// Starts the timers at `now_us`, with the camera's timeout in seconds if it announced one.
    pub(super) fn new(now_us: u64, timeout_s: Option<u32>) -> Self {
        let interval_us = interval_us(timeout_s);
        Self {
            interval_us,
            keepalive_us: now_us + interval_us,
            report_us: now_us + RTSP_REPORT_INTERVAL_US,
            last_rtp_us: now_us,
            probed: false,
        }
    }

    /// The camera announced another timeout, as Hikvision does in its answer to PLAY.
    pub(super) fn retime(&mut self, timeout_s: u32) {
        let interval_us = interval_us(Some(timeout_s));
        self.keepalive_us = self.keepalive_us - self.interval_us + interval_us;
        self.interval_us = interval_us;
    }

    pub(super) fn rtp_came(&mut self, now_us: u64) {
        self.last_rtp_us = now_us;
        self.probed = false;
    }

    /// The connection was not read for the last `us` µs. That time does not count as the camera's
    /// silence, since packets may wait in the socket.
    pub(super) fn was_not_read(&mut self, us: u64) {
        self.last_rtp_us += us;
    }

    pub(super) fn deadline_us(&self) -> u64 {
        let patience_us = if self.probed { RTSP_SILENCE_US_MAX } else { RTSP_PROBE_US };
        self.keepalive_us.min(self.report_us).min(self.last_rtp_us + patience_us)
    }

    /// What is due at `now_us`. The caller must do it: the timers are restarted.
    pub(super) fn due(&mut self, now_us: u64) -> Due {
        let silence_us = now_us.saturating_sub(self.last_rtp_us);
        let probe = !self.probed && silence_us >= RTSP_PROBE_US;
        let due = Due {
            keepalive: probe || now_us >= self.keepalive_us,
            report: now_us >= self.report_us,
            silent: silence_us >= RTSP_SILENCE_US_MAX,
        };
        self.probed |= probe;
        if due.keepalive {
            self.keepalive_us = now_us + self.interval_us;
        }
        if due.report {
            self.report_us = now_us + RTSP_REPORT_INTERVAL_US;
        }
        due
    }
}

fn interval_us(timeout_s: Option<u32>) -> u64 {
    let timeout_s = match timeout_s {
        None | Some(0) => TIMEOUT_S_DEFAULT,
        Some(seconds) => seconds.clamp(*TIMEOUT_S.start(), *TIMEOUT_S.end()),
    };
    let interval_s = (timeout_s / 2).min(timeout_s - 5).clamp(INTERVAL_S_MIN, INTERVAL_S_MAX);
    u64::from(interval_s) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn the_interval_suits_every_timeout() {
        for (timeout, interval) in [
            (None, 25),
            (Some(0), 25),
            (Some(15), 7),
            (Some(20), 10),
            (Some(1), 5),
            (Some(900), 25),
        ] {
            assert_eq!(interval_us(timeout), interval * S, "{timeout:?}");
        }
    }

    #[test]
    fn a_silence_is_probed_once_and_then_it_ends() {
        let mut schedule = Schedule::new(0, None);
        schedule.rtp_came(S);
        assert_eq!(schedule.due(4 * S), Due::default());
        assert_eq!(schedule.deadline_us(), 5 * S);
        assert!(schedule.due(5 * S).report);
        assert!(schedule.due(6 * S).keepalive);
        assert!(!schedule.due(7 * S).keepalive);
        assert!(schedule.due(11 * S).silent);
    }

    #[test]
    fn time_without_a_read_is_no_silence() {
        let mut schedule = Schedule::new(0, None);
        schedule.rtp_came(S);
        for second in 3..=60 {
            schedule.was_not_read(S);
            assert!(!schedule.due(second * S).silent, "{second}");
        }
        assert!(!schedule.due(68 * S).silent);
        assert!(schedule.due(69 * S).silent);
    }

    #[test]
    fn a_new_timeout_moves_the_next_keepalive() {
        let mut schedule = Schedule::new(0, Some(60));
        schedule.retime(15);
        schedule.rtp_came(6 * S);
        assert!(!schedule.due(6 * S).keepalive);
        assert!(schedule.due(7 * S).keepalive);
        assert!(schedule.deadline_us() > 7 * S);
    }
}
