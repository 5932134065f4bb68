//! NAL units cut into RTP packets as cameras do it (RFC 6184, RFC 7798), each behind its
//! interleaved header (RFC 2326 section 10.12), all of a frame in one buffer.

use weir::codec::Codec;

use super::picture::STAMP_BYTES;
use crate::common::rtp::Header;

/// The payload type our cameras use.
pub const PAYLOAD_TYPE: u8 = 96;

/// What weir sends where its configuration says nothing.
const WEIR_PAYLOAD_BYTES: usize = 1200;
/// What MediaMTX sends to WHEP's viewers.
const MEDIAMTX_PAYLOAD_BYTES: usize = 1188;

/// One RTP stream on one interleaved channel.
#[derive(Debug)]
pub struct Packetizer {
    /// What the NAL units are of.
    pub codec: Codec,
    /// The interleaved channel.
    pub channel: u8,
    /// The payload type.
    pub payload_type: u8,
    /// Payload bytes a packet, at most.
    pub payload_bytes: usize,
    /// Whether the marker is set on a frame's last packet.
    pub marker: bool,
    /// The next packet's sequence number.
    pub sequence: u16,
    /// The synchronisation source.
    pub ssrc: u32,
    /// Packets written so far.
    pub packets: u32,
    /// Payload bytes written so far.
    pub bytes: u32,
}

impl Packetizer {
    /// Writes a frame's packets behind `out`.
    pub fn frame(&mut self, nals: &[Vec<u8>], timestamp: u32, out: &mut Vec<u8>) {
        let Some((last, others)) = nals.split_last() else {
            return;
        };
        for nal in others {
            self.nal(nal, timestamp, false, out);
        }
        self.nal(last, timestamp, self.marker, out);
    }

    /// Shortens `nal` where its last fragment would not hold a whole stamp, be it cut by this
    /// camera or on the way to a viewer.
    pub fn make_room(&self, nal: &mut Vec<u8>) {
        let header_bytes = self.header_bytes();
        let cuts = [self.payload_bytes, WEIR_PAYLOAD_BYTES, MEDIAMTX_PAYLOAD_BYTES];
        let remainder = |bytes: usize, cut: usize| match bytes {
            _ if bytes <= cut => 0,
            _ => (bytes - header_bytes) % (cut - header_bytes - 1),
        };
        while let Some(remainder) = cuts
            .map(|cut| remainder(nal.len(), cut))
            .into_iter()
            .find(|remainder| (1..STAMP_BYTES).contains(remainder))
        {
            nal.truncate(nal.len() - remainder);
        }
    }

    fn nal(&mut self, nal: &[u8], timestamp: u32, marker: bool, out: &mut Vec<u8>) {
        if nal.len() <= self.payload_bytes {
            self.packet(&[nal], timestamp, marker, out);
            return;
        }
        let header_bytes = self.header_bytes();
        let pieces = nal[header_bytes..].chunks(self.payload_bytes - header_bytes - 1);
        let last = pieces.len() - 1;
        for (at, piece) in pieces.enumerate() {
            let start = if at == 0 { 0x80 } else { 0 };
            let end = if at == last { 0x40 } else { 0 };
            let of_h264 = [nal[0] & 0xe0 | 28, nal[0] & 0x1f | start | end];
            let of_h265 = [nal[0] & 0x81 | 49 << 1, nal[1], nal[0] >> 1 & 0x3f | start | end];
            let header = match self.codec {
                Codec::H264 => &of_h264[..],
                Codec::H265 => &of_h265,
            };
            self.packet(&[header, piece], timestamp, marker && at == last, out);
        }
    }

    /// Bytes of a NAL unit's header.
    fn header_bytes(&self) -> usize {
        match self.codec {
            Codec::H264 => 1,
            Codec::H265 => 2,
        }
    }

    /// Writes one packet behind `out`.
    pub fn packet(&mut self, parts: &[&[u8]], timestamp: u32, marker: bool, out: &mut Vec<u8>) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let header = Header::write(marker, self.payload_type, self.sequence, timestamp, self.ssrc);
        interleaved(self.channel, header.len() + bytes, out);
        out.extend_from_slice(&header);
        for part in parts {
            out.extend_from_slice(part);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes = self.bytes.wrapping_add(u32::try_from(bytes).expect("below 64 KiB"));
    }
}

/// The four bytes before an interleaved packet.
pub fn interleaved(channel: u8, bytes: usize, out: &mut Vec<u8>) {
    let length = u16::try_from(bytes).expect("an interleaved packet is below 64 KiB");
    out.extend_from_slice(&[b'$', channel]);
    out.extend_from_slice(&length.to_be_bytes());
}
