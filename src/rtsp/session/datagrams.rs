//! A session whose RTP and RTCP come as datagrams: the RTSP connection only keeps it alive.
//!
//! Picture and sound have sockets of their own, and each its order, statistics and reports. At the
//! picture's socket the payload type decides, since a camera may send both to one multicast group;
//! at the sound's the picture is never taken.

use super::{PlayState, RtpRoute, Session, Sink};
use crate::mem::pool::ReorderPool;
use crate::rtsp::reorder::ReorderCounters;
use crate::rtsp::rtcp::RtcpPacket;

const RTP_HEADER_BYTES: usize = 12;

/// A track of a camera that sends datagrams, by whose sockets they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraTrack {
    /// The video.
    Picture,
    /// The sound.
    Sound,
}

/// What a datagram is by its first bytes.
enum TrackDatagram {
    /// RTP of this payload type.
    Rtp(u8),
    Rtcp,
    Other,
}

impl TrackDatagram {
    /// RTCP may come to the RTP port (RFC 5761 section 4).
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [first, 200..=204, ..] if first >> 6 == 2 => Self::Rtcp,
            [first, second, ..] if first >> 6 == 2 && bytes.len() >= RTP_HEADER_BYTES => {
                Self::Rtp(second & 0x7f)
            }
            _ => Self::Other,
        }
    }
}

impl PlayState {
    /// The track whose SSRC a report has; `None` if neither has it, or both.
    fn reported(&self, report: &[u8]) -> Option<CameraTrack> {
        let ssrc = Some(u32::from_be_bytes(report.get(4..8)?.try_into().ok()?));
        let of_sound = self.sound.as_ref().and_then(|sound| sound.reception.ssrc());
        match (self.reception.ssrc() == ssrc, of_sound == ssrc) {
            (true, false) => Some(CameraTrack::Picture),
            (false, true) => Some(CameraTrack::Sound),
            _ => None,
        }
    }
}

impl Session {
    /// Whether RTP comes as datagrams, for [`Session::datagram`].
    pub fn has_datagrams(&self) -> bool {
        matches!(self.play.route, RtpRoute::Datagrams { .. })
    }

    /// Takes one datagram that came to a track's RTP port, and calls `sink` for the packets that
    /// are in order now.
    pub fn datagram(
        &mut self,
        track: CameraTrack,
        bytes: &[u8],
        pool: &mut ReorderPool,
        now_us: u64,
        sink: &mut impl Sink,
    ) {
        let RtpRoute::Datagrams { payload_type, .. } = self.play.route else { return };
        match TrackDatagram::of(bytes) {
            TrackDatagram::Rtcp => self.rtcp_datagram(track, bytes, now_us, sink),
            TrackDatagram::Rtp(other) if track == CameraTrack::Picture && other == payload_type => {
                let (reorder, deliver) = (&mut self.reorder, &mut |packet: &_| sink.rtp(packet));
                if reorder.packet(bytes, pool, now_us, deliver) {
                    self.play.rtp_came(bytes, now_us);
                }
            }
            kind => match (kind, &mut self.play.sound) {
                (TrackDatagram::Rtp(other), Some(sound)) if other == sound.track.payload_type => {
                    let deliver = &mut |packet: &_| sink.sound(packet);
                    // Only the picture shows that the camera plays.
                    if self.sound_reorder.packet(bytes, pool, now_us, deliver) {
                        sound.reception.packet(bytes, now_us);
                    }
                }
                _ => self.play.counters.unknown_content += 1,
            },
        }
    }

    /// Takes one datagram that came to a track's RTCP port. Its SSRC decides which track it is
    /// about, and the port where that is not known.
    pub fn rtcp_datagram(
        &mut self,
        track: CameraTrack,
        bytes: &[u8],
        now_us: u64,
        sink: &mut impl Sink,
    ) {
        let track = self.play.reported(bytes).unwrap_or(track);
        match (track, &mut self.play.sound) {
            (CameraTrack::Picture, _) => {
                self.play.reception.rtcp(bytes, now_us);
                sink.report(bytes);
            }
            (CameraTrack::Sound, Some(sound)) => {
                sound.reception.rtcp(bytes, now_us);
                sink.sound_report(bytes);
            }
            (CameraTrack::Sound, None) => {}
        }
    }

    /// Gives up packets of a track that were waited for long enough, and calls `sink` for those
    /// after them.
    pub fn release_due(
        &mut self,
        track: CameraTrack,
        pool: &mut ReorderPool,
        now_us: u64,
        sink: &mut impl Sink,
    ) {
        match track {
            CameraTrack::Picture => {
                self.reorder.expire(pool, now_us, &mut |packet| sink.rtp(packet));
            }
            CameraTrack::Sound => {
                self.sound_reorder.expire(pool, now_us, &mut |packet| sink.sound(packet));
            }
        }
    }

    /// When [`Session::release_due`] must be called for a track; `u64::MAX` while no packet waits.
    pub fn release_us(&self, track: CameraTrack) -> u64 {
        match track {
            CameraTrack::Picture => self.reorder.deadline_us(),
            CameraTrack::Sound => self.sound_reorder.deadline_us(),
        }
    }

    /// What happened to the datagrams of a track so far.
    pub fn reorder_counters(&self, track: CameraTrack) -> ReorderCounters {
        match track {
            CameraTrack::Picture => self.reorder.counters,
            CameraTrack::Sound => self.sound_reorder.counters,
        }
    }

    /// A compound RTCP packet to send to a track's RTCP port at the camera; empty for none.
    /// Together with it, [`Session::punch`] is to be sent to the RTP port.
    pub fn take_rtcp(&mut self, track: CameraTrack) -> RtcpPacket {
        match (track, &mut self.play.sound) {
            (CameraTrack::Picture, _) => std::mem::take(&mut self.play.rtcp),
            (CameraTrack::Sound, Some(sound)) => std::mem::take(&mut sound.rtcp),
            (CameraTrack::Sound, None) => RtcpPacket::new(),
        }
    }

    /// An RTP packet without payload, for the firewalls on the way from the camera's RTP port.
    pub fn punch(&self) -> [u8; 12] {
        let mut packet = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        packet[8..].copy_from_slice(&self.play.ssrc.to_be_bytes());
        packet
    }
}

#[cfg(test)]
#[path = "datagrams_tests.rs"]
mod tests;
