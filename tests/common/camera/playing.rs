//! A camera's stream to one client: its frames, their packets, its sender reports.

use std::sync::atomic::Ordering::Relaxed;

use weir::clock;

use super::packets::{PAYLOAD_TYPE, Packetizer, interleaved};
use super::picture::{Noise, Stamp};
use super::{Show, Site};
use crate::common::rtcp::{self, SenderReport};

const REPORT_US: u64 = 5_000_000;
const SOUND_PACKET_US: u64 = 20_000;
/// How long before a frame a packet of sound leaves that has a time of its own.
const SOUND_AHEAD_US: u64 = 5_000;
/// 20 ms of G.711.
const SOUND_BYTES: usize = 160;

/// One client's stream.
pub(super) struct Playing {
    packetizer: Packetizer,
    sound: Option<Packetizer>,
    pub(super) frame: u32,
    /// What was withheld.
    pub(super) held: Vec<u8>,
    /// When the first frame was due.
    pub(super) first_us: u64,
    next_report_us: u64,
}

impl Playing {
    /// A stream whose first frame is due at the mount's next instant.
    pub(super) fn new(site: &Site, channel: u8, sound_channel: Option<u8>) -> Self {
        let interval_us = 1_000_000 / u64::from(site.mount.frames_per_s());
        let periods = clock::now_us() / interval_us + 1;
        let first_us = periods * interval_us + site.mount.phase_us;
        let packetizer = |channel, payload_type, ssrc| Packetizer {
            codec: site.mount.codec,
            channel,
            payload_type,
            payload_bytes: site.mount.payload_bytes,
            marker: site.mount.marker,
            sequence: 65_000,
            ssrc,
            packets: 0,
            bytes: 0,
        };
        let sound = site.mount.sound.as_ref().zip(sound_channel);
        Self {
            packetizer: packetizer(channel, PAYLOAD_TYPE, 0x5eed_0000 | site.number),
            sound: sound.map(|(sound, channel)| {
                packetizer(channel, sound.payload_type, 0x50d0_0000 | site.number)
            }),
            frame: 0,
            held: Vec::new(),
            first_us,
            next_report_us: first_us,
        }
    }

    /// Appends the frame's packets; the stamp that stands at the end of them.
    pub(super) fn burst(
        &mut self,
        site: &Site,
        noise: &Noise,
        at_us: u64,
        out: &mut Vec<u8>,
    ) -> Option<Stamp> {
        let rate = u64::from(site.mount.frames_per_s());
        let ticks = 4_000_000_000 + u64::from(self.frame) * 90_000 / rate;
        let timestamp = u32::try_from(ticks % (1 << 32)).expect("wrapped");
        if at_us >= self.next_report_us {
            self.next_report_us += REPORT_US;
            self.report(timestamp, out);
        }
        self.hear(site, u64::from(self.frame) * 1_000_000 / rate, out);
        let (mut nals, stamp) = self.nals(site, noise);
        if let (Some(stamp), Some(last)) = (stamp, nals.last_mut()) {
            self.packetizer.make_room(last);
            stamp.put(last);
        }
        let before = self.packetizer.packets;
        self.packetizer.frame(&nals, timestamp, out);
        let packets = u64::from(self.packetizer.packets - before);
        site.counts.packets.fetch_add(packets, Relaxed);
        site.counts.frames.fetch_add(1, Relaxed);
        if site.mount.record {
            site.sent.lock().expect("not poisoned").append(&mut nals);
        }
        stamp
    }

    /// The first packet of sound leaves then, if each has a time of its own.
    pub(super) fn first_sound_us(&self) -> Option<u64> {
        self.sound.as_ref()?;
        Some(self.first_us + SOUND_PACKET_US - SOUND_AHEAD_US)
    }

    /// Appends the packet of sound that leaves at `at_us`; when the next one does.
    pub(super) fn sound(&mut self, site: &Site, at_us: u64, out: &mut Vec<u8>) -> u64 {
        self.hear(site, at_us + SOUND_AHEAD_US - self.first_us, out);
        at_us + SOUND_PACKET_US
    }

    /// Appends the sound up to so long after the first frame: G.711 that counts its packets.
    fn hear(&mut self, site: &Site, until_us: u64, out: &mut Vec<u8>) {
        let Some(sound) = &mut self.sound else { return };
        let due = until_us / SOUND_PACKET_US;
        while u64::from(sound.packets) < due {
            let number = sound.packets;
            let payload = [&number.to_be_bytes()[..], &[0xd5; SOUND_BYTES - 4]].concat();
            let ticks = SOUND_BYTES * number as usize % (1 << 32);
            let timestamp = u32::try_from(ticks).expect("wrapped").wrapping_sub(1_000);
            sound.packet(&[&payload], timestamp, number == 0, out);
            site.counts.sound_packets.fetch_add(1, Relaxed);
        }
    }

    fn nals(&self, site: &Site, noise: &Noise) -> (Vec<Vec<u8>>, Option<Stamp>) {
        match &site.mount.show {
            Show::Clip { units, .. } => (units[self.frame as usize % units.len()].clone(), None),
            Show::Synthetic(picture) => {
                let place = (self.frame + site.mount.gop_phase) % picture.gop;
                let idr = self.frame == 0 || place == 0;
                let stamp =
                    Stamp { camera: site.number, frame: self.frame, time_us: clock::now_us() };
                let place = (site.number, self.frame);
                (picture.frame_of(site.mount.codec, noise, place, idr), Some(stamp))
            }
        }
    }

    fn report(&self, timestamp: u32, out: &mut Vec<u8>) {
        let report = rtcp::sender_report(&SenderReport {
            ssrc: self.packetizer.ssrc,
            ntp: clock::ntp(clock::now_us()),
            rtp_timestamp: timestamp,
            packets: self.packetizer.packets,
            bytes: self.packetizer.bytes,
        });
        interleaved(self.packetizer.channel + 1, report.len(), out);
        out.extend_from_slice(&report);
    }
}
