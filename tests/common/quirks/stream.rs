//! The packets of one connection: frames of the clip, with the habits of the camera's RTP.

use weir::clock;
use weir::codec::Codec;

use super::habits::{Framing, Marker, Numbers, Packing, Reports, Rtp, Sets, Sound, Source, Stamps};
use super::{Camera, FRAMES_PER_S, is_slice};
use crate::common::camera::packets::{PAYLOAD_TYPE, Packetizer, interleaved};
use crate::common::rtcp::{self, SenderReport};
use crate::common::rtp::Header;

const TICKS: u32 = 90_000 / FRAMES_PER_S;
const PAYLOAD_BYTES: usize = 1400;
const START_CODE: [u8; 4] = [0, 0, 0, 1];
const SEI: [u8; 6] = [6, 5, 2, 7, 7, 0x80];
const STAP_A: u8 = 0x78;
/// 1970, as NTP counts seconds.
const EPOCH_NTP_S: u64 = 2_208_988_800;
/// 20 ms of G.711.
const SOUND_BYTES: usize = 160;
const GARBLES_EVERY_FRAMES: u32 = 40;

/// A payload before it has its header.
struct Piece {
    payload: Vec<u8>,
    marker: bool,
    stamp: u32,
}

/// One connection's frames.
pub(super) struct Stream {
    /// Frames so far.
    pub(super) frame: u32,
    ssrc: u32,
    sequence: u16,
    channel: u8,
    sound: Option<(u8, Sound)>,
    sounds: u32,
    sound_stamp: u32,
    began_us: u64,
}

impl Stream {
    pub(super) fn new(ssrc: u32, channel: u8, sound: Option<(u8, Sound)>) -> Self {
        Self {
            frame: 0,
            ssrc,
            sequence: u16::try_from(ssrc & 0xffff).expect("masked"),
            channel,
            sound,
            sounds: 0,
            sound_stamp: 0,
            began_us: clock::now_us(),
        }
    }

    pub(super) fn is_due(&self) -> bool {
        clock::now_us()
            >= self.began_us + u64::from(self.frame) * 1_000_000 / u64::from(FRAMES_PER_S)
    }

    /// The next frame's packets, each behind its interleaved header.
    pub(super) fn next(&mut self, camera: &Camera) -> Vec<u8> {
        let (rtp, framing) = (camera.habits.rtp, camera.habits.framing);
        let unit = &camera.units[self.frame as usize % camera.units.len()];
        let is_key = unit.iter().any(|nal| nal[0] & 0x1f == 5);
        if is_key {
            self.key_frame(rtp);
        }
        let stamp = self.stamp(rtp.stamps);
        let mut out = Vec::new();
        for piece in pieces(rtp, unit, is_key, stamp) {
            self.packet(rtp, framing, camera, &piece, &mut out);
        }
        if rtp.has_type_50 {
            let header = Header::write(false, 50, self.sequence.wrapping_sub(1), stamp, self.ssrc);
            self.frame_of(self.channel, &[&header, &[9; 40]], camera, &mut out);
        }
        self.beside(rtp, framing, camera, stamp, &mut out);
        self.frame += 1;
        if framing.garbles && self.frame % GARBLES_EVERY_FRAMES == GARBLES_EVERY_FRAMES / 2 {
            garble(self.frame / GARBLES_EVERY_FRAMES, &mut out);
        }
        out
    }

    fn key_frame(&mut self, rtp: Rtp) {
        if rtp.source == Source::OfKeyFrame {
            self.ssrc = self.ssrc.wrapping_mul(31).wrapping_add(7);
            self.sequence = self.sequence.wrapping_mul(31).wrapping_add(40_009);
        }
        if rtp.numbers == Numbers::OfKeyFrame {
            self.sequence = 0;
        }
    }

    fn stamp(&self, stamps: Stamps) -> u32 {
        const FAR: u32 = 9_800 * 90_000;
        let steady = 4_294_000_000_u32.wrapping_add(self.frame.wrapping_mul(TICKS));
        match stamps {
            Stamps::Steady => steady,
            Stamps::FarAway if self.frame % 30 == 14 => steady.wrapping_add(FAR),
            Stamps::FarAway if self.frame % 30 == 29 => steady.wrapping_sub(FAR),
            Stamps::SetBack if self.frame >= 40 => steady.wrapping_sub(8 * 90_000),
            Stamps::FarAway | Stamps::SetBack => steady,
            Stamps::Shared => 900 + self.frame / 2 * 2 * TICKS,
            Stamps::FromZero => self.frame * TICKS,
            Stamps::BFrames if self.frame.is_multiple_of(3) => steady.wrapping_add(2 * TICKS),
            Stamps::BFrames => steady.wrapping_sub(TICKS),
        }
    }

    fn packet(
        &mut self,
        rtp: Rtp,
        framing: Framing,
        camera: &Camera,
        piece: &Piece,
        out: &mut Vec<u8>,
    ) {
        let is_zero = rtp.source == Source::ZeroAtTimes && self.frame % 20 == 7;
        let ssrc = if is_zero { 0 } else { self.ssrc };
        let mut header =
            Header::write(piece.marker, PAYLOAD_TYPE, self.sequence, piece.stamp, ssrc).to_vec();
        let mut padding: &[u8] = &[];
        if rtp.is_dressed {
            header[0] |= 0x31;
            header.extend([0, 0, 0, 9]);
            header.extend([0xab, 0xac, 0, 3]);
            header.extend([8; 12]);
            padding = &[0, 0, 0, 4];
        }
        if rtp.numbers != Numbers::Fixed {
            self.sequence = self.sequence.wrapping_add(1);
        }
        let channel = self.channel + u8::from(framing.swaps_channels);
        self.frame_of(channel, &[&header, &piece.payload, padding], camera, out);
    }

    /// What comes beside the picture.
    fn beside(
        &mut self,
        rtp: Rtp,
        framing: Framing,
        camera: &Camera,
        stamp: u32,
        out: &mut Vec<u8>,
    ) {
        if (rtp.reports == Reports::Strange || framing.swaps_channels) && self.frame % 20 == 3 {
            let report = rtcp::sender_report(&SenderReport {
                ssrc: 1,
                ntp: EPOCH_NTP_S << 32,
                rtp_timestamp: stamp,
                packets: 1,
                bytes: 1,
            });
            let channel = self.channel + u8::from(!framing.swaps_channels);
            self.frame_of(channel, &[&report], camera, out);
        }
        if framing.has_other_channels {
            for channel in [2, 4] {
                let header = Header::write(true, 98, 7, stamp, 98);
                self.frame_of(channel, &[&header, b"<tt:MetadataStream/>"], camera, out);
            }
        }
        if let Some((channel, sound)) = self.sound.filter(|_| self.frame % 2 == 1) {
            let number = u16::try_from(self.sounds).expect("a short test");
            let header =
                Header::write(number == 0, sound.payload_type, number, self.sound_stamp, 0x50d0);
            self.frame_of(channel, &[&header, &[0xd5; SOUND_BYTES]], camera, out);
            self.sound_stamp += sound.ticks[self.sounds as usize % 2];
            self.sounds += 1;
        }
    }

    fn frame_of(&self, channel: u8, parts: &[&[u8]], camera: &Camera, out: &mut Vec<u8>) {
        if camera.habits.answers.has_blank_lines {
            out.extend(b"\r\n");
        }
        interleaved(channel, parts.iter().map(|part| part.len()).sum(), out);
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

/// A write that the camera takes for half done: bytes come twice, or not at all.
fn garble(time: u32, bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    if time.is_multiple_of(2) {
        let again = bytes[middle - 100..middle].to_vec();
        bytes.splice(middle..middle, again);
    } else {
        bytes.drain(middle - 57..middle);
    }
}

/// The payloads of a frame, with the habits that concern its NAL units.
fn pieces(rtp: Rtp, unit: &[Vec<u8>], is_key: bool, stamp: u32) -> Vec<Piece> {
    let (slices, sets): (Vec<_>, Vec<_>) = unit.iter().cloned().partition(|nal| is_slice(nal));
    let mut pieces = Vec::new();
    match rtp.sets {
        Sets::InBand if is_key && rtp.packing != Packing::Plain => {}
        Sets::InBand => pieces.extend(plain(rtp, &sets, stamp, false)),
        Sets::SdpOnly => {}
        Sets::WithSei => {
            for set in sets.clone() {
                pieces.extend(plain(rtp, &[set, SEI.to_vec()], stamp, true));
            }
        }
        Sets::OfFrameBefore => {
            for set in &sets {
                pieces.extend(plain(
                    rtp,
                    std::slice::from_ref(set),
                    stamp.wrapping_sub(TICKS),
                    true,
                ));
            }
        }
    }
    let ends = rtp.marker != Marker::Never;
    match rtp.packing {
        Packing::Plain if rtp.marker == Marker::EachSlice => {
            for slice in &slices {
                pieces.extend(plain(rtp, std::slice::from_ref(slice), stamp, true));
            }
        }
        Packing::Plain => pieces.extend(plain(rtp, &slices, stamp, ends)),
        Packing::AnnexB | Packing::AnnexBFragments => {
            let all: Vec<u8> =
                sets.iter().chain(&slices).cloned().collect::<Vec<_>>().join(&START_CODE[..]);
            if rtp.packing == Packing::AnnexB {
                pieces.push(Piece { payload: all, marker: ends, stamp });
            } else {
                pieces.extend(plain(rtp, &[all], stamp, ends));
            }
        }
        Packing::StartCodes => {
            let last = unit.len() - 1;
            pieces.extend(unit.iter().enumerate().map(|(at, nal)| Piece {
                payload: [&START_CODE[..], nal, &[0, 0]].concat(),
                marker: at == last,
                stamp,
            }));
        }
        Packing::PaddedStapA => {
            for nal in sets.iter().chain(&slices) {
                let is_last = slices.last() == Some(nal);
                if nal.len() > PAYLOAD_BYTES - 20 {
                    pieces.extend(plain(rtp, std::slice::from_ref(nal), stamp, is_last));
                    continue;
                }
                let bytes = u16::try_from(nal.len()).expect("short").to_be_bytes();
                let payload = [&[STAP_A][..], &bytes, nal, &[0; 9]].concat();
                pieces.push(Piece { payload, marker: is_last, stamp });
            }
        }
        Packing::OddFragments => {
            let nals: Vec<_> = sets.iter().chain(&slices).collect();
            for (at, nal) in nals.iter().enumerate() {
                pieces.extend(odd_fragments(nal, at + 1 == nals.len(), stamp));
            }
        }
    }
    pieces
}

/// As most cameras pack them.
fn plain(rtp: Rtp, nals: &[Vec<u8>], stamp: u32, marker: bool) -> Vec<Piece> {
    let mut packetizer = Packetizer {
        codec: Codec::H264,
        channel: 0,
        payload_type: PAYLOAD_TYPE,
        payload_bytes: if rtp.payload_bytes == 0 { PAYLOAD_BYTES } else { rtp.payload_bytes },
        marker,
        sequence: 0,
        ssrc: 0,
        packets: 0,
        bytes: 0,
    };
    let mut bytes = Vec::new();
    packetizer.frame(nals, stamp, &mut bytes);
    let mut pieces = Vec::new();
    let mut rest = bytes.as_slice();
    while let [_, _, high, low, after @ ..] = rest {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        let marker = packet[1] & 0x80 != 0;
        pieces.push(Piece { payload: packet[12..].to_vec(), marker, stamp });
        rest = after;
    }
    pieces
}

/// FU-A with the reserved bit, another type in the middle and empty fragments; of short NAL units
/// one with S and E.
fn odd_fragments(nal: &[u8], is_last: bool, stamp: u32) -> Vec<Piece> {
    const START: u8 = 0x80;
    const END: u8 = 0x40;
    const RESERVED: u8 = 0x20;
    let (indicator, kind) = (nal[0] & 0xe0 | 28, nal[0] & 0x1f);
    let of = |bits: u8, body: &[u8], marker: bool| Piece {
        payload: [&[indicator, bits][..], body].concat(),
        marker,
        stamp,
    };
    let body = &nal[1..];
    if body.len() < 500 {
        return vec![of(START | END | kind, body, is_last)];
    }
    let chunks = body.chunks(body.len().div_ceil(4).min(1300));
    let count = chunks.len();
    let mut pieces = Vec::new();
    for (at, chunk) in chunks.enumerate() {
        match at {
            0 => pieces.push(of(START | RESERVED | kind, chunk, false)),
            _ if at + 1 == count => pieces.push(of(END | kind, chunk, is_last)),
            _ => {
                pieces.push(of(RESERVED | 1, &[], false));
                pieces.push(of(RESERVED | 1, chunk, false));
            }
        }
    }
    pieces
}
