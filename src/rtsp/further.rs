//! The tracks of a camera besides its picture: which of them are set up, and what came of the
//! sound.

use heapless::Vec as Bounded;

use super::control;
use super::examine::SoundChannels;
use super::sdp::{CameraSound, Described};
use super::session::RtpRoute;
use super::setup::Granted;
use crate::limits::RTSP_OTHER_TRACKS_MAX;

/// Tracks to set up besides the video.
#[derive(Debug)]
pub(super) struct FurtherTracks {
    /// What becomes of the sound.
    pub sound: CameraSound,
    /// Their URLs; the last one is next.
    uris: Bounded<String, { RTSP_OTHER_TRACKS_MAX + 1 }>,
    /// The next one is the sound's, which is to be passed on.
    is_sound_next: bool,
    /// The first interleaved channel that no track uses.
    channel: u8,
}

impl FurtherTracks {
    /// The tracks of a camera below the URL `base`, whose video comes as `granted`: the sound if it
    /// is wanted and comes on the connection, and everything for a camera that plays only then.
    pub(super) fn of(
        described: &Described,
        base: &str,
        (wants_sound, all_tracks): (bool, bool),
        granted: Granted,
    ) -> Self {
        let Described { sound, sound_control, others, .. } = described;
        let (channel, is_interleaved) = match granted {
            Granted::Channels(rtp, rtcp) => (rtp.max(rtcp).checked_add(1).unwrap_or(2), true),
            Granted::Datagrams(_) => (0, false),
        };
        let is_sound_next = wants_sound && is_interleaved && sound_control.is_some();
        let sound = match sound {
            _ if !wants_sound => CameraSound::None,
            CameraSound::Track(_) if !is_interleaved => CameraSound::Datagrams,
            sound => sound.clone(),
        };
        let others = if all_tracks { &others[..] } else { &[] };
        let sound_control = sound_control.iter().filter(|_| is_sound_next || all_tracks);
        let controls = others.iter().rev().chain(sound_control);
        Self {
            sound,
            uris: controls.map(|track| control::append(base, Some(track))).collect(),
            is_sound_next,
            channel,
        }
    }

    /// The URL of the next track and the first channel to ask for; `None` when all are done.
    pub(super) fn next(&self) -> Option<(&str, u8)> {
        Some((self.uris.last()?, self.channel))
    }

    /// Whether the next track is the sound that is to be passed on.
    pub(super) fn is_sound_next(&self) -> bool {
        self.is_sound_next
    }

    /// The next track was set up as `granted`, or was not. The sound gets its place on the `route`,
    /// unless the camera has put it on channels of the video.
    pub(super) fn answered(&mut self, granted: Option<Granted>, route: &mut RtpRoute) {
        self.uris.pop();
        self.channel = self.channel.saturating_add(2);
        if !std::mem::take(&mut self.is_sound_next) {
            return;
        }
        match (granted, self.sound.track(), route) {
            (Some(Granted::Channels(rtp, rtcp)), Some(track), RtpRoute::Interleaved(all))
                if !all.has(rtp) && !all.has(rtcp) =>
            {
                let payload_type = track.payload_type;
                all.sound = Some(SoundChannels { rtp, rtcp, payload_type });
            }
            _ => self.sound = CameraSound::Refused,
        }
    }
}
