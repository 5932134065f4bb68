//! The tracks of a camera besides its picture: which of them are set up, and what came of the
//! sound.

use std::net::Ipv4Addr;

use heapless::Vec as Bounded;

use super::control;
use super::examine::SoundChannels;
use super::sdp::{CameraSound, Described};
use super::session::RtpRoute;
use super::setup::{Delivery, Granted};
use crate::limits::RTSP_OTHER_TRACKS_MAX;

/// Tracks to set up besides the video.
#[derive(Debug)]
pub(super) struct FurtherTracks {
    /// What becomes of the sound.
    pub sound: CameraSound,
    /// Where its datagrams come from, if they do not come to the video's sockets.
    pub delivery: Option<Delivery>,
    /// Their URLs; the last one is next.
    uris: Bounded<String, { RTSP_OTHER_TRACKS_MAX + 1 }>,
    /// The next one is the sound's, which is to be passed on.
    is_sound_next: bool,
    /// The first interleaved channel that no track uses.
    channel: u8,
    /// The multicast group of the sound, as the SDP has it.
    group: Option<(Ipv4Addr, u16)>,
    /// The multicast group and ports of the video.
    video_group: Option<(Ipv4Addr, u16, u16)>,
}

impl FurtherTracks {
    /// The tracks of a camera below the URL `base`, in the form that its video was set up by, which
    /// comes as `granted`: the sound if it is wanted, and everything for a camera that plays only
    /// then.
    pub(super) fn of(
        described: &Described,
        base: &str,
        is_joined: bool,
        (wants_sound, all_tracks): (bool, bool),
        granted: Granted,
    ) -> Self {
        let Described { sound, sound_control, others, .. } = described;
        let (channel, video_group) = match granted {
            Granted::Channels(rtp, rtcp) => (rtp.max(rtcp).checked_add(1).unwrap_or(2), None),
            Granted::Datagrams(delivery) => (0, delivery.group),
        };
        let is_sound_next = wants_sound && sound_control.is_some();
        let sound = if wants_sound { sound.clone() } else { CameraSound::None };
        let others = if all_tracks { &others[..] } else { &[] };
        let sound_control = sound_control.iter().filter(|_| is_sound_next || all_tracks);
        let url_of = if is_joined { control::join } else { control::append };
        let controls = others.iter().rev().chain(sound_control);
        Self {
            sound,
            delivery: None,
            uris: controls.map(|track| url_of(base, Some(track))).collect(),
            is_sound_next,
            channel,
            group: described.sound_group,
            video_group,
        }
    }

    /// The URL of the next track and the first channel to ask for; `None` when all are done.
    pub(super) fn next(&self) -> Option<(&str, u8)> {
        Some((self.uris.last()?, self.channel))
    }

    /// The multicast group and RTP port of the sound by the SDP.
    pub(super) fn group(&self) -> Option<(Ipv4Addr, u16)> {
        self.group
    }

    /// Whether the next track is the sound that is to be passed on.
    pub(super) fn is_sound_next(&self) -> bool {
        self.is_sound_next
    }

    /// The next track was set up as `granted`, or was not. The sound gets its place on the `route`,
    /// unless the camera has put it where it cannot be told from the video: on its channels, or in
    /// its group and port with its payload type.
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
                all.sound = Some(SoundChannels { rtp, rtcp, track });
            }
            (
                Some(Granted::Datagrams(delivery)),
                Some(track),
                RtpRoute::Datagrams { payload_type, sound, .. },
            ) if !self.is_beside_video(&delivery) || track.payload_type != *payload_type => {
                self.delivery = Some(delivery).filter(|delivery| !self.is_beside_video(delivery));
                *sound = Some(track);
            }
            _ => self.sound = CameraSound::Refused,
        }
    }

    /// Whether the sound comes to the group and port of the video.
    fn is_beside_video(&self, delivery: &Delivery) -> bool {
        let place = |(group, rtp, _): (Ipv4Addr, u16, u16)| (group, rtp);
        delivery.group.is_some() && delivery.group.map(place) == self.video_group.map(place)
    }
}
