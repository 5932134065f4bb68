//! The sound's part of a session: what came of it, and the reports on it.
//!
//! By TCP as by UDP the camera gets reports on its sound as often as on its picture: some end a
//! session in which a track is not reported on.

use super::{PlayState, RtpRoute};
use crate::rtsp::reception::Reception;
use crate::rtsp::rtcp::RtcpPacket;
use crate::rtsp::sdp::SoundTrack;

/// The sound's part of a session.
#[derive(Debug)]
pub(super) struct SessionSound {
    pub(super) track: SoundTrack,
    pub(super) reception: Reception,
    /// With datagrams: what is to be sent to its RTCP port.
    pub(super) rtcp: RtcpPacket,
}

impl SessionSound {
    /// The state before the first packet; `None` if no sound was set up.
    pub(super) fn of(route: RtpRoute) -> Option<Self> {
        let track = match route {
            RtpRoute::Interleaved(channels) => channels.sound?.track,
            RtpRoute::Datagrams { sound, .. } => sound?,
        };
        let reception = Reception::new(track.codec.clock_hz());
        Some(Self { track, reception, rtcp: RtcpPacket::new() })
    }
}

impl PlayState {
    /// Notes a packet of the sound that came on the connection. Only the picture shows that the
    /// camera plays.
    pub(super) fn sound_came(&mut self, packet: &[u8], now_us: u64) {
        if let Some(sound) = &mut self.sound {
            sound.reception.packet(packet, now_us);
        }
    }

    /// Notes a report on the sound that came on the connection.
    pub(super) fn sound_reported(&mut self, packet: &[u8], now_us: u64) {
        if let Some(sound) = &mut self.sound {
            sound.reception.rtcp(packet, now_us);
        }
    }

    /// Queues a receiver report on the sound, if there is any.
    pub(super) fn report_sound(&mut self, now_us: u64) {
        let Some(sound) = &mut self.sound else { return };
        let packet = RtcpPacket::report(self.ssrc, sound.reception.report_block(now_us), None);
        match self.route {
            RtpRoute::Interleaved(channels) => {
                // Without room, the camera does not read.
                let _ = channels.sound.map(|to| packet.write_frame(to.rtcp, &mut self.transmit));
            }
            RtpRoute::Datagrams { .. } => sound.rtcp = packet,
        }
    }
}
