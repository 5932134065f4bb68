//! What weir learns about a camera from one connection for the next, as long as camera and login
//! stay the same. Without I/O: the owner reports how sessions ended, and passes the habits to the
//! next dialog.
//!
//! Some habits show only after a session or a dialog has suffered from them. Some servers do not
//! count OPTIONS as a sign of life and drop the session after its timeout (RFC 2326 section 10.1:
//! it "does not influence server state"). Some send nothing before every track is set up, or
//! nothing by one transport. And to a camera that accepts Digest, the plaintext password is not
//! sent any more. A camera that hangs or closes the connection when its sound is to be set up is
//! not asked for it again. [`Forms`] are found out within a dialog; that they are kept saves the
//! next one a refusal, of which some cameras count few. And a camera that is busy with a session
//! that is lost is left alone for as long as that took before.

use super::auth::Tried;
use super::setup::Transport;
use crate::limits::{CAMERA_RETRY_MS_MAX, RTSP_SILENCE_US_MAX};

const TIMEOUT_S_DEFAULT: u32 = 60;
/// Sessions in a row that ended at the timeout, after which the other keepalive is tried.
const DEATHS: u8 = 2;
/// Losses in a row after which the camera was busy, before its sessions are waited for.
const BUSY_LOSSES: u8 = 2;
/// A session that ends this long after its timeout did not end of it; servers check every few
/// seconds.
const LATE_US: u64 = 12_000_000;
/// How long after the time-out of PLAY the missing RTP may be noticed.
const NOTICED_US: u64 = 1_000_000;

/// The request that keeps a session alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keepalive {
    /// OPTIONS, which every camera answers or ignores.
    #[default]
    Options,
    /// GET_PARAMETER without a body, which some cameras do not support.
    GetParameter,
}

/// How a camera wants to be asked, where that is not how it is asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forms {
    /// DESCRIBE has the path alone.
    pub is_path_only: bool,
    /// The track's URL is the RFC 3986 reference, not the text behind the base.
    pub is_joined: bool,
    /// Schemes that the camera offers and refuses, while it takes another one.
    pub refused: Tried,
}

/// What is known about a camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    keepalive: Keepalive,
    /// GET_PARAMETER was tried; the choice of keepalive is final.
    is_keepalive_settled: bool,
    deaths: u8,
    all_tracks: bool,
    takes_digest: bool,
    is_mute: bool,
    transport: Transport,
    forms: Forms,
    busy_losses: u8,
    wait_ms: u64,
}

/// How a session ended: the input of [`Habits::learn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnding {
    /// The time from PLAY to the end, in µs.
    pub after_us: u64,
    /// Whether RTP stopped or never came; otherwise the connection ended.
    pub is_silent: bool,
    /// The transport that was set up.
    pub transport: Transport,
    /// The session's timeout in seconds, if the camera announced one.
    pub timeout_s: Option<u32>,
}

impl Habits {
    /// The request that keeps this camera's sessions alive.
    pub fn keepalive(&self) -> Keepalive {
        self.keepalive
    }

    /// Whether every track must be set up before this camera plays.
    pub fn all_tracks(&self) -> bool {
        self.all_tracks
    }

    /// Whether this camera has accepted Digest.
    pub fn takes_digest(&self) -> bool {
        self.takes_digest
    }

    /// Notes that this camera has accepted Digest.
    pub fn took_digest(&mut self) {
        self.takes_digest = true;
    }

    /// Whether this camera has left the SETUP of its sound unanswered.
    pub fn is_mute(&self) -> bool {
        self.is_mute
    }

    /// Notes whether the SETUP of the sound is without an answer.
    pub fn awaits_sound(&mut self, is_awaited: bool) {
        self.is_mute = is_awaited;
    }

    /// The transport to ask for first, unless the operator chose one.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Notes that this camera has granted this transport.
    pub fn granted(&mut self, transport: Transport) {
        self.transport = transport;
    }

    /// How the camera wants to be asked.
    pub fn forms(&self) -> Forms {
        self.forms
    }

    /// Notes the forms with which a dialog came to its end; the default after one that did not.
    pub fn asked_as(&mut self, forms: Forms) {
        self.forms = forms;
    }

    /// How long the camera needs before it can be dialled again after a loss; 0 when that is not
    /// known.
    pub fn wait_ms(&self) -> u64 {
        self.wait_ms
    }

    /// Notes that the camera was dialled again this long after it was lost, and whether it refused
    /// before that because it was busy.
    pub fn returned(&mut self, after_ms: u64, was_busy: bool) {
        self.busy_losses = match was_busy {
            true => self.busy_losses.saturating_add(1),
            false if self.wait_ms > 0 => self.busy_losses,
            false => 0,
        };
        if was_busy && self.busy_losses >= BUSY_LOSSES {
            // A quarter more: the wait itself varies by a fifth.
            self.wait_ms = (after_ms + after_ms / 4).min(CAMERA_RETRY_MS_MAX);
        }
    }

    /// Learns from a session that the camera ended, or that brought no RTP.
    pub fn learn(&mut self, ending: SessionEnding) {
        if ending.is_silent && ending.after_us < RTSP_SILENCE_US_MAX + NOTICED_US {
            // No RTP came. Datagrams may not get through, so TCP is next. With TCP, all tracks are
            // set up next time; if that was tried, UDP is next, with the usual tracks.
            match ending.transport {
                Transport::Tcp if self.all_tracks => {
                    self.all_tracks = false;
                    self.transport = Transport::Udp;
                }
                Transport::Tcp => self.all_tracks = true,
                Transport::Udp | Transport::Multicast => self.transport = Transport::Tcp,
            }
            return;
        }
        let timeout_s =
            ending.timeout_s.filter(|seconds| *seconds > 0).unwrap_or(TIMEOUT_S_DEFAULT);
        let timeout_us = u64::from(timeout_s) * 1_000_000;
        // When a server stops sending but keeps the connection open, the end is noticed later.
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

    fn closed(after_s: u64) -> SessionEnding {
        let transport = Transport::Tcp;
        SessionEnding { after_us: after_s * S, is_silent: false, transport, timeout_s: Some(30) }
    }

    fn after(endings: &[SessionEnding]) -> Habits {
        let mut habits = Habits::default();
        endings.iter().for_each(|ending| habits.learn(*ending));
        habits
    }

    #[test]
    fn a_second_death_at_the_timeout_changes_the_keepalive() {
        assert_eq!(after(&[]).keepalive(), Keepalive::Options);
        assert_eq!(after(&[closed(30)]).keepalive(), Keepalive::Options);
        assert_eq!(after(&[closed(30), closed(36)]).keepalive(), Keepalive::GetParameter);
        let silent = SessionEnding { is_silent: true, ..closed(41) };
        assert_eq!(after(&[silent, silent]).keepalive(), Keepalive::GetParameter);
        let untold = SessionEnding { timeout_s: None, ..closed(60) };
        assert_eq!(after(&[untold, untold]).keepalive(), Keepalive::GetParameter);
        let zero = SessionEnding { timeout_s: Some(0), ..closed(60) };
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
        let nothing = SessionEnding { is_silent: true, ..closed(10) };
        assert!(!after(&[closed(30)]).all_tracks());
        assert!(after(&[nothing]).all_tracks());
        assert!(after(&[nothing, closed(3600)]).all_tracks(), "that is how it plays");
        assert!(!after(&[nothing, nothing]).all_tracks(), "it was not that");
        assert_eq!(after(&[nothing]).transport(), Transport::Tcp);
        assert_eq!(after(&[nothing, nothing]).transport(), Transport::Udp, "perhaps datagrams");
        let fell_silent = SessionEnding { is_silent: true, ..closed(15) };
        assert!(!after(&[fell_silent]).all_tracks());
    }

    #[test]
    fn a_camera_that_is_busy_with_its_lost_sessions_is_left_alone_for_as_long() {
        let mut habits = Habits::default();
        for _ in 0..3 {
            habits.returned(7_000, true);
            assert_eq!(habits.wait_ms(), 0, "others may have had the places");
            habits.returned(1_000, false);
        }
        habits.returned(7_000, true);
        habits.returned(8_000, true);
        assert_eq!(habits.wait_ms(), 10_000);
        habits.returned(10_000, false);
        assert_eq!(habits.wait_ms(), 10_000, "that is why it was not busy");
        habits.returned(400_000, true);
        assert_eq!(habits.wait_ms(), CAMERA_RETRY_MS_MAX);
    }

    #[test]
    fn datagrams_that_do_not_come_lead_back_to_tcp() {
        for transport in [Transport::Udp, Transport::Multicast] {
            let mut habits = Habits::default();
            habits.granted(transport);
            assert_eq!(habits.transport(), transport);
            let nothing = SessionEnding { is_silent: true, transport, ..closed(3) };
            habits.learn(SessionEnding { after_us: 3600 * S, ..nothing });
            assert_eq!(habits.transport(), transport, "it fell silent later");
            habits.learn(nothing);
            assert_eq!((habits.transport(), habits.all_tracks()), (Transport::Tcp, false));
        }
    }
}
