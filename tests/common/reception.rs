//! The ledger of one received stream: what came, what is missing, and how late it was.

use std::ops::Range;

use super::camera::picture::Stamp;
use super::first_picture::FirstPicture;
use super::rtcp::{Report, SenderReport};
use super::rtp::{Header, Unwrap, roll_over};
use super::srtp::Keys;

/// A packet as it arrived, decrypted.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The sequence number, carried on without wrapping.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload type.
    pub payload_type: u8,
    /// Bytes of the header extension's body, 0 without one.
    pub extension_bytes: usize,
    /// The payload.
    pub payload: Vec<u8>,
    /// On [`weir::clock`].
    pub arrival_us: u64,
}

/// What is done with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Every packet is decrypted and kept.
    #[default]
    Packets,
    /// Packets are counted by their headers; from the first picture on only a frame's last one is
    /// decrypted, for its stamp. So that hundreds of viewers cost little.
    Counts,
}

/// What a stream's packets added up to.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Packets, those that came twice or late too.
    pub packets: u64,
    /// Sequence numbers jumped over.
    pub skipped: u64,
    /// Packets that came behind a higher number: resends, mostly.
    pub late: u64,
    /// Packets whose tag did not verify, and datagrams of no known kind.
    pub forged: u64,
    /// Media and reports that came before there were keys.
    pub early: u64,
    /// Frames whose last packet came and none before it was missing.
    pub frames: u64,
    /// Frames with a packet missing, and frame numbers that never came.
    pub broken_frames: u64,
    /// Stamps of another camera than the first.
    pub strange_frames: u64,
    /// The timestamps of the first packet and of the newest.
    pub timestamps: Option<(u32, u32)>,
    /// From the camera's write to the receipt of the last packet, of each whole frame.
    pub latencies_us: Vec<u64>,
}

impl Counts {
    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.skipped.saturating_sub(self.late)
    }

    /// The same of sound whose packets have so many ticks each, by its timestamps: what was never
    /// sent is among them.
    pub fn lost_sound(&self, ticks: u32) -> u64 {
        let Some((first, newest)) = self.timestamps else { return 0 };
        let expected = u64::from(newest.wrapping_sub(first) / ticks) + 1;
        expected.saturating_sub(self.packets)
    }
}

/// One stream's reception.
#[derive(Debug, Default)]
pub struct Reception {
    /// What is kept.
    pub keep: Keep,
    /// The packets, with [`Keep::Packets`].
    pub packets: Vec<Packet>,
    /// The sums.
    pub counts: Counts,
    /// The sender's SSRC, once a packet came.
    pub ssrc: Option<u32>,
    /// Sender reports that authenticated, with their arrival.
    pub sender_reports: Vec<(SenderReport, u64)>,
    /// The wait for the first whole key frame.
    pub first_picture: FirstPicture,
    /// The stamps' times of the frames that are counted; all without one.
    window: Option<Range<u64>>,
    unwrap: Unwrap,
    first: Option<u64>,
    highest: Option<u64>,
    torn: bool,
    stamp: Option<Stamp>,
    /// `expected` and `received` at the last report of ours.
    reported: (u64, u64),
}

impl Reception {
    /// Nothing received yet.
    pub fn new(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Takes a sealed RTP datagram.
    pub fn rtp(&mut self, datagram: &mut [u8], keys: &Keys, arrival_us: u64) {
        let Some(header) = Header::parse(datagram) else {
            self.counts.forged += 1;
            return;
        };
        let full = self.unwrap.full(header.sequence);
        let has_picture = self.first_picture.at_us().is_some();
        let decrypt = self.keep == Keep::Packets || header.marker || !has_picture;
        let payload = decrypt.then(|| keys.open_rtp(datagram, header.bytes, roll_over(full)));
        let payload = match payload {
            Some(None) => {
                self.counts.forged += 1;
                return;
            }
            Some(payload) => payload,
            None => None,
        };
        self.unwrap.saw(full);
        self.ssrc = Some(header.ssrc);
        self.count(full, header.timestamp);
        if let Some(payload) = payload {
            self.first_picture.payload(payload, self.torn, header.marker, arrival_us);
            if header.marker {
                self.frame(payload, arrival_us);
            }
            if self.keep == Keep::Packets {
                self.packets.push(Packet {
                    sequence: full,
                    timestamp: header.timestamp,
                    marker: header.marker,
                    payload_type: header.payload_type,
                    extension_bytes: header.extension_bytes,
                    payload: payload.to_vec(),
                    arrival_us,
                });
            }
        }
    }

    fn count(&mut self, full: u64, timestamp: u32) {
        self.counts.packets += 1;
        let (_, newest) = self.counts.timestamps.get_or_insert((timestamp, timestamp));
        if timestamp.wrapping_sub(*newest).cast_signed() > 0 {
            *newest = timestamp;
        }
        self.first.get_or_insert(full);
        match self.highest {
            Some(highest) if full <= highest => self.counts.late += 1,
            Some(highest) if full > highest + 1 => {
                self.counts.skipped += full - highest - 1;
                self.torn = true;
            }
            _ => {}
        }
        self.highest = self.highest.max(Some(full));
    }

    fn frame(&mut self, payload: &[u8], arrival_us: u64) {
        let torn = std::mem::take(&mut self.torn);
        let stamp = Stamp::decode(payload);
        let counts = self.counts_frame(stamp);
        if counts && torn {
            self.counts.broken_frames += 1;
        } else if counts {
            self.counts.frames += 1;
            if let Some(stamp) = stamp {
                let latency_us = arrival_us.saturating_sub(stamp.time_us);
                self.counts.latencies_us.push(latency_us);
            }
        }
        if let (Some(stamp), Some(before)) = (stamp, self.stamp) {
            if stamp.camera != before.camera {
                self.counts.strange_frames += 1;
            } else {
                let missing = stamp.frame.saturating_sub(before.frame).saturating_sub(1);
                self.counts.broken_frames += if counts { u64::from(missing) } else { 0 };
            }
        }
        self.stamp = stamp.or(self.stamp);
    }

    /// Whether a frame that ends with `stamp` belongs to the window, and did not come before.
    fn counts_frame(&self, stamp: Option<Stamp>) -> bool {
        let Some(window) = &self.window else {
            return true;
        };
        let is_new = |stamp: Stamp| self.stamp.is_none_or(|last| last.time_us < stamp.time_us);
        stamp.is_some_and(|stamp| window.contains(&stamp.time_us) && is_new(stamp))
    }

    /// Takes a sealed SRTCP datagram.
    pub fn rtcp(&mut self, datagram: &[u8], keys: &Keys, arrival_us: u64) {
        let Some((_, compound)) = keys.open_rtcp(datagram) else {
            self.counts.forged += 1;
            return;
        };
        for report in super::rtcp::sender_reports(&compound) {
            self.sender_reports.push((report, arrival_us));
        }
    }

    /// The report block that is due now; `None` before the first packet.
    pub fn report(&mut self, now_us: u64) -> Option<Report> {
        let (first, highest) = (self.first?, self.highest?);
        let expected = highest + 1 - first;
        let received = self.counts.packets;
        let (expected_before, received_before) =
            std::mem::replace(&mut self.reported, (expected, received));
        let interval = expected - expected_before;
        let missing = interval.saturating_sub(received - received_before);
        let fraction = (missing * 256).checked_div(interval).unwrap_or(0);
        let last = self.sender_reports.last();
        let since_us = last.map_or(0, |(_, at_us)| now_us.saturating_sub(*at_us));
        Some(Report {
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(expected.saturating_sub(received)).unwrap_or(u32::MAX),
            highest: u32::try_from(highest & 0xffff_ffff).expect("masked"),
            jitter: 0,
            last_sender_report: last.map_or(0, |(report, _)| {
                u32::try_from(report.ntp >> 16 & 0xffff_ffff).expect("masked")
            }),
            delay: u32::try_from(since_us * 65_536 / 1_000_000).unwrap_or(u32::MAX),
        })
    }

    /// Forgets the sums and the packets, not the stream: a measurement's window begins.
    pub fn begin_window(&mut self) {
        self.window = None;
        self.counts = Counts::default();
        self.packets.clear();
        self.first = self.highest.map(|highest| highest + 1);
        self.reported = (0, 0);
    }

    /// The same, and frames are counted by the times in their stamps, as
    /// [`CameraFarm::begin_window`](super::camera::CameraFarm::begin_window) counts them: what was
    /// sent before or after is not among them, whenever it comes.
    pub fn begin_window_of(&mut self, times_us: &Range<u64>) {
        self.begin_window();
        self.window = Some(times_us.clone());
    }
}
