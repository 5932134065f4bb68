//! What is learnt of a camera from one connection to the next, for as long as it is the same camera
//! with the same login. Pure: its owner tells it how sessions ended, and hands it to the next dialog.
//!
//! Three habits cannot be seen before a session has suffered from them: servers that do not count
//! OPTIONS as a sign of life and drop the session after its timeout (RFC 2326 section 10.1: it
//! "does not influence server state"), servers that send nothing before every track is set up, and
//! cameras that take Digest, to which the password itself is not sent any more.

use crate::limits::RTSP_SILENCE_US_MAX;

const TIMEOUT_S_DEFAULT: u32 = 60;
/// Deaths at the timeout, one after the other, before the other keepalive is tried.
const DEATHS: u8 = 2;
/// A session that ends so long after its timeout did not end of it: servers look every few seconds.
const LATE_US: u64 = 12_000_000;
/// How long after PLAY's time is over it may be noticed that nothing came at all.
const NOTICED_US: u64 = 1_000_000;

/// How a session is kept alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keepalive {
    /// By OPTIONS, which every camera answers or ignores.
    #[default]
    Options,
    /// By GET_PARAMETER without a body, which some do not know.
    GetParameter,
}

/// What is known of a camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    keepalive: Keepalive,
    /// GET_PARAMETER was tried and did no better, or did and is kept.
    is_keepalive_settled: bool,
    deaths: u8,
    all_tracks: bool,
    takes_digest: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// After PLAY.
    pub after_us: u64,
    /// No RTP any more, or never any; else the connection ended.
    pub is_silent: bool,
    /// The session's timeout, when the camera told one.
    pub timeout_s: Option<u32>,
}

impl Habits {
    /// How its sessions are kept alive.
    pub fn keepalive(&self) -> Keepalive {
        self.keepalive
    }

    /// Whether every track is to be set up.
    pub fn all_tracks(&self) -> bool {
        self.all_tracks
    }

    /// Whether it took Digest before.
    pub fn takes_digest(&self) -> bool {
        self.takes_digest
    }

    /// It took Digest.
    pub fn took_digest(&mut self) {
        self.takes_digest = true;
    }

    /// Learns from a session that the camera ended, or that came to nothing.
    pub fn learn(&mut self, ending: Ending) {
        if ending.is_silent && ending.after_us < RTSP_SILENCE_US_MAX + NOTICED_US {
            // Nothing came. If it was not for want of a track, the next try is as the first.
            self.all_tracks = !self.all_tracks;
            return;
        }
        let timeout_s =
            ending.timeout_s.filter(|seconds| *seconds > 0).unwrap_or(TIMEOUT_S_DEFAULT);
        let timeout_us = u64::from(timeout_s) * 1_000_000;
        // A server that says nothing more, and keeps the connection, is noticed later.
        let last_rtp_us = match ending.is_silent {
            true => ending.after_us.saturating_sub(RTSP_SILENCE_US_MAX),
            false => ending.after_us,
        };
        let is_early = last_rtp_us < timeout_us * 3 / 4;
        let is_late = last_rtp_us > timeout_us + LATE_US;
        match self.keepalive {
            _ if self.is_keepalive_settled => {}
            Keepalive::Options if is_late => self.deaths = 0,
            Keepalive::Options if is_early => {}
            Keepalive::Options => {
                self.deaths += 1;
                if self.deaths == DEATHS {
                    self.keepalive = Keepalive::GetParameter;
                }
            }
            Keepalive::GetParameter => {
                self.is_keepalive_settled = true;
                if !is_late {
                    self.keepalive = Keepalive::Options;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn closed(after_s: u64) -> Ending {
        Ending { after_us: after_s * S, is_silent: false, timeout_s: Some(30) }
    }

    fn after(endings: &[Ending]) -> Habits {
        let mut habits = Habits::default();
        endings.iter().for_each(|ending| habits.learn(*ending));
        habits
    }

    #[test]
    fn a_second_death_at_the_timeout_changes_the_keepalive() {
        assert_eq!(after(&[]).keepalive(), Keepalive::Options);
        assert_eq!(after(&[closed(30)]).keepalive(), Keepalive::Options);
        assert_eq!(after(&[closed(30), closed(36)]).keepalive(), Keepalive::GetParameter);
        let silent = Ending { is_silent: true, ..closed(41) };
        assert_eq!(after(&[silent, silent]).keepalive(), Keepalive::GetParameter);
        let untold = Ending { timeout_s: None, ..closed(60) };
        assert_eq!(after(&[untold, untold]).keepalive(), Keepalive::GetParameter);
        let zero = Ending { timeout_s: Some(0), ..closed(60) };
        assert_eq!(after(&[zero, zero]).keepalive(), Keepalive::GetParameter);
    }

    #[test]
    fn other_ends_do_not() {
        for other in [3, 22, 43, 3600] {
            assert_eq!(after(&[closed(other); 5]).keepalive(), Keepalive::Options, "{other} s");
        }
        let between = [closed(30), closed(3600), closed(30), closed(3600)];
        assert_eq!(after(&between).keepalive(), Keepalive::Options);
    }

    #[test]
    fn what_worked_is_kept_and_what_did_not_is_not_tried_again() {
        let changed = [closed(30), closed(30)];
        let worked = after(&[&changed[..], &[closed(3600), closed(30), closed(3)]].concat());
        assert_eq!(worked.keepalive(), Keepalive::GetParameter);
        let failed = after(&[&changed[..], &[closed(31)], &changed[..], &changed[..]].concat());
        assert_eq!(failed.keepalive(), Keepalive::Options);
        let worse = after(&[&changed[..], &[closed(12)]].concat());
        assert_eq!(worse.keepalive(), Keepalive::Options, "it closes at a method it does not know");
    }

    #[test]
    fn all_tracks_are_set_up_after_a_play_that_brought_nothing() {
        let nothing = Ending { is_silent: true, ..closed(10) };
        assert!(!after(&[closed(30)]).all_tracks());
        assert!(after(&[nothing]).all_tracks());
        assert!(after(&[nothing, closed(3600)]).all_tracks(), "that is how it plays");
        assert!(!after(&[nothing, nothing]).all_tracks(), "it was not that");
        let fell_silent = Ending { is_silent: true, ..closed(15) };
        assert!(!after(&[fell_silent]).all_tracks());
    }
}
