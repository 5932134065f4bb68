//! The receive side of a camera's sound: RTP packets to packets for browsers, one for one.
//!
//! Payloads are passed on as they are. One that is longer than a packet to a browser may be is cut
//! where its codec allows that, else dropped. Timestamps are made from the lengths of the payloads,
//! since browsers hear every jump and cameras miscount (Axis: 953 and 964 in place of 960). Pauses
//! and losses advance by the camera's timestamps where those can be believed, and otherwise by the
//! time of arrival. The marker begins a talk spurt (RFC 3551 section 4.1).

use crate::history::{Flags, SoundRing};
use crate::limits::{PAYLOAD_BYTES_MIN, SOUND_JUMP_S, SOUND_PAUSE_US};
use crate::sound::SoundCodec;

use super::header::{self, Header};
use super::sequence::{Sequence, SequenceStep};
use super::source::SourceFilter;

/// The receive side of one camera's sound; all zeros before the first connection.
#[derive(Debug)]
pub struct SoundReceiver {
    track: Option<Track>,
    payload_bytes: usize,
    sources: SourceFilter,
    sequence: Sequence,
    /// The timestamp of the packet that is published next.
    next: u32,
    /// The camera's timestamp that should come next; `None` at the begin of a connection.
    expected: Option<u32>,
    /// The camera's timestamp at the end of the last packet.
    camera_end: u32,
    /// When the last packet came.
    arrival_us: u64,
}

/// What a camera's SDP says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Track {
    payload_type: u8,
    codec: SoundCodec,
}

impl SoundReceiver {
    /// The state before the first connection.
    pub const fn new() -> Self {
        Self {
            track: None,
            payload_bytes: 0,
            sources: SourceFilter::new(),
            sequence: Sequence::new(),
            next: 0,
            expected: None,
            camera_end: 0,
            arrival_us: 0,
        }
    }

    /// Sets the largest RTP payload, in bytes. Called before the first packet.
    pub fn configure(&mut self, payload_bytes: usize) {
        self.payload_bytes = payload_bytes.max(PAYLOAD_BYTES_MIN);
    }

    /// A camera has connected with sound of this payload type and codec, or without.
    pub fn connect(&mut self, track: Option<(u8, SoundCodec)>) {
        self.track = track.map(|(payload_type, codec)| Track { payload_type, codec });
        self.sources = SourceFilter::new();
        self.sequence = Sequence::new();
        self.expected = None;
    }

    /// The codec of the sound; `None` without sound.
    pub fn codec(&self) -> Option<SoundCodec> {
        Some(self.track?.codec)
    }

    /// Handles one RTP packet; returns whether it was valid and of the sound's payload type.
    pub fn packet(&mut self, packet: &[u8], ring: &mut SoundRing, now_us: u64) -> bool {
        let Some(track) = self.track else { return false };
        let Ok((header, payload)) = header::parse(packet) else { return false };
        let ticks = track.codec.ticks(payload).filter(|_| !payload.is_empty());
        let Some(ticks) = ticks.filter(|_| header.payload_type == track.payload_type) else {
            return false;
        };
        if !self.sources.takes(&header, now_us) {
            return false;
        }
        let pause = self.pause(&header, ticks, track.codec, now_us);
        let is_first = pause != Some(0);
        self.next = self.next.wrapping_add(pause.unwrap_or(0));
        self.arrival_us = now_us;
        self.camera_end = header.timestamp.wrapping_add(ticks);
        let mut flags = if is_first { Flags::MARKER } else { Flags::NONE };
        if track.codec.is_cut_anywhere() {
            let mut timestamp = self.next;
            for piece in payload.chunks(self.payload_bytes.max(1)) {
                ring.publish(piece, timestamp, std::mem::replace(&mut flags, Flags::NONE));
                #[allow(clippy::cast_possible_truncation)] // a piece is shorter than a datagram
                let piece_ticks = piece.len() as u32;
                timestamp = timestamp.wrapping_add(piece_ticks);
            }
        } else if payload.len() <= self.payload_bytes {
            ring.publish(payload, self.next, flags);
        }
        self.next = self.next.wrapping_add(ticks);
        true
    }

    /// The ticks between the last packet's end and this one; `None` for the first packet ever.
    fn pause(
        &mut self,
        header: &Header,
        ticks: u32,
        codec: SoundCodec,
        now_us: u64,
    ) -> Option<u32> {
        let is_loss = matches!(self.sequence.step(header), SequenceStep::Loss { .. });
        let expected = self.expected.replace(header.timestamp.wrapping_add(ticks));
        let of_arrival = || {
            let us = now_us.saturating_sub(self.arrival_us);
            let waited = us * u64::from(codec.clock_hz()) / 1_000_000;
            let pause = u32::try_from(waited).unwrap_or(u32::MAX).saturating_sub(ticks);
            if us > SOUND_PAUSE_US { pause } else { 0 }
        };
        let Some(expected) = expected else {
            return (self.arrival_us > 0).then(of_arrival);
        };
        let ahead = header.timestamp.wrapping_sub(expected).cast_signed();
        let far = (SOUND_JUMP_S * codec.clock_hz()).cast_signed();
        let near = (ticks / 2).cast_signed();
        if is_loss && (1..far).contains(&ahead) || (near..far).contains(&ahead) {
            return Some(ahead.cast_unsigned());
        }
        if (-near..near).contains(&ahead) {
            // The camera miscounts: what its timestamps add up to is kept, so that a clock that is
            // a little off does not count for nothing.
            self.expected = Some(expected.wrapping_add(ticks));
            return Some(0);
        }
        Some(of_arrival())
    }

    /// The camera's own timestamp at the end of the last packet, and the rate of its clock.
    pub fn camera_end(&self) -> (u32, u32) {
        let clock_hz = self.codec().map_or(SoundCodec::Opus.clock_hz(), SoundCodec::clock_hz);
        (self.camera_end, clock_hz)
    }

    /// The timestamp at the end of the last packet and when that came (µs); `None` before one.
    pub fn last_timestamp(&self) -> Option<(u32, u64)> {
        (self.arrival_us > 0).then_some((self.next, self.arrival_us))
    }
}

impl Default for SoundReceiver {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET_US: u64 = 20_000;

    struct Scene {
        receiver: SoundReceiver,
        ring: Box<SoundRing>,
        sequence: u16,
        now_us: u64,
    }

    impl Scene {
        fn new(codec: SoundCodec) -> Self {
            let mut receiver = SoundReceiver::new();
            receiver.configure(500);
            receiver.connect(Some((97, codec)));
            Self { receiver, ring: Box::default(), sequence: 65_530, now_us: 9_000_000 }
        }

        /// A packet that comes 20 ms later; the timestamps and markers of what is published.
        fn packet(&mut self, timestamp: u32, payload: &[u8]) -> Vec<(u32, bool, usize)> {
            self.now_us += PACKET_US;
            self.sequence = self.sequence.wrapping_add(1);
            let mut packet = vec![0x80, 97];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend([1, 2, 3, 4]);
            packet.extend(payload);
            let first = self.ring.head();
            self.receiver.packet(&packet, &mut self.ring, self.now_us);
            let published = (first..self.ring.head()).filter_map(|index| self.ring.packet(index));
            published.map(|p| (p.timestamp, p.flags.marker(), p.payload.len())).collect()
        }

        /// A packet of 20 ms of G.711: its timestamp and marker.
        fn pcm(&mut self, timestamp: u32) -> (u32, bool) {
            let [(timestamp, marker, 160)] = self.packet(timestamp, &[0xd5; 160])[..] else {
                panic!("one packet in, one out");
            };
            (timestamp, marker)
        }
    }

    #[test]
    fn timestamps_are_those_of_the_samples() {
        let mut scene = Scene::new(SoundCodec::Pcma);
        let begin = 0_u32.wrapping_sub(500);
        assert_eq!(scene.pcm(begin), (0, true), "the first packet begins a talk spurt");
        for n in 1..1_000_u32 {
            let jitter = [0_u32, 7, 0_u32.wrapping_sub(7)][n as usize % 3];
            let stamp = begin.wrapping_add(n * 160).wrapping_add(jitter);
            assert_eq!(scene.pcm(stamp), (n * 160, false), "{n}");
        }
    }

    #[test]
    fn a_pause_and_a_loss_advance_by_the_cameras_timestamps() {
        let mut scene = Scene::new(SoundCodec::Pcmu);
        assert_eq!(scene.pcm(1_000), (0, true));
        assert_eq!(scene.pcm(1_000 + 160 + 8_000), (8_160, true), "a second of silence");
        assert_eq!(scene.pcm(1_000 + 320 + 8_000), (8_320, false));
        scene.sequence = scene.sequence.wrapping_add(2);
        assert_eq!(scene.pcm(1_000 + 800 + 8_000), (8_800, true), "two packets are lost");
        assert_eq!(scene.pcm(1_000 + 960 + 8_000), (8_960, false));
    }

    #[test]
    fn timestamps_beyond_belief_are_replaced_by_the_time_of_arrival() {
        for strange in [u32::MAX / 2, 0, 40_000_000] {
            let mut scene = Scene::new(SoundCodec::Pcma);
            scene.pcm(500_000);
            assert_eq!(scene.pcm(strange), (160, false), "{strange}");
            assert_eq!(scene.pcm(strange.wrapping_add(160)), (320, false));
            scene.now_us += 1_000_000;
            assert_eq!(scene.pcm(strange), (480 + 8_000, true), "a second went by");
        }
        let mut still = Scene::new(SoundCodec::Pcma);
        still.pcm(7);
        for n in 1..500 {
            assert_eq!(still.pcm(7), (n * 160, false), "a clock that stands");
        }
    }

    #[test]
    fn a_new_connection_takes_the_time_it_took() {
        let mut scene = Scene::new(SoundCodec::Pcma);
        scene.pcm(500_000);
        scene.receiver.connect(Some((97, SoundCodec::Pcma)));
        scene.now_us += 980_000;
        assert_eq!(scene.pcm(7), (160 + 7_840, true));
        scene.receiver.connect(None);
        assert!(scene.packet(167, &[0; 160]).is_empty(), "it has no sound any more");
        assert_eq!(scene.receiver.codec(), None);
    }

    #[test]
    fn long_payloads_are_cut_between_samples_and_opus_never() {
        let mut scene = Scene::new(SoundCodec::G722);
        let published = scene.packet(0, &[1; 1_200]);
        assert_eq!(published, [(0, true, 500), (500, false, 500), (1_000, false, 200)]);
        assert_eq!(scene.packet(1_200, &[1; 160]), [(1_200, false, 160)]);
        let mut scene = Scene::new(SoundCodec::Opus);
        let frame = |bytes: usize| [vec![0b1111_1000], vec![7; bytes - 1]].concat();
        assert_eq!(scene.packet(0, &frame(500)), [(0, true, 500)]);
        assert_eq!(scene.packet(960, &frame(501)), [], "it is lost, and its time is not");
        assert_eq!(scene.packet(1_920, &frame(9)), [(1_920, false, 9)]);
        assert_eq!(scene.packet(2_880, &[]), [], "an empty one is none");
    }

    #[test]
    fn other_packets_are_ignored() {
        let mut scene = Scene::new(SoundCodec::Pcma);
        let mut packet = vec![0x80, 96];
        packet.extend([0; 170]);
        assert!(!scene.receiver.packet(&packet, &mut scene.ring, 1), "another payload type");
        assert!(!scene.receiver.packet(&packet[..11], &mut scene.ring, 1), "too short");
        assert_eq!(scene.ring.head(), 0);
    }
}
