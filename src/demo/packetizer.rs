//! NAL units as RTP packets in interleaved frames (RFC 6184 single NAL unit and FU-A, RFC 2326
//! section 10.12).

use std::iter::Peekable;

/// RTP payload bytes of a packet, at most.
const PAYLOAD_BYTES_MAX: usize = 1400;
const FU_A: u8 = 28;
/// Bytes of a packet, at most, with its RTP header and that of the interleaved frame.
pub(super) const FRAMED_BYTES_MAX: usize = 4 + RTP_HEADER_BYTES + PAYLOAD_BYTES_MAX;
const RTP_HEADER_BYTES: usize = 12;

/// Numbers the packets of one stream; `sequence` is the next number.
#[derive(Debug)]
pub(super) struct Packetizer {
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

/// An access unit on its way into packets.
pub(super) struct OpenUnit<'n, N: Iterator<Item = &'n [u8]>> {
    nals: Peekable<N>,
    timestamp: u32,
    /// A NAL unit that takes several packets: its header, what is left of it, and the start bit.
    pieces: Option<(u8, &'n [u8], u8)>,
}

impl<'n, N: Iterator<Item = &'n [u8]>> OpenUnit<'n, N> {
    pub(super) fn new(nals: N, timestamp: u32) -> Self {
        Self { nals: nals.peekable(), timestamp, pieces: None }
    }
}

impl Packetizer {
    /// Appends the next packet of an access unit to `out`, as an interleaved frame for channel 0;
    /// the last one has the marker bit. False when there is none left.
    pub(super) fn next<'n, N: Iterator<Item = &'n [u8]>>(
        &mut self,
        unit: &mut OpenUnit<'n, N>,
        out: &mut Vec<u8>,
    ) -> bool {
        let (header, left, start) = match unit.pieces.take() {
            Some(pieces) => pieces,
            None => match unit.nals.next() {
                None => return false,
                Some(nal) if nal.len() <= PAYLOAD_BYTES_MAX => {
                    let ends_unit = unit.nals.peek().is_none();
                    self.packet(&[], nal, unit.timestamp, ends_unit, out);
                    return true;
                }
                Some(nal) => (nal[0], &nal[1..], 0x80),
            },
        };
        let (piece, left) = left.split_at(left.len().min(PAYLOAD_BYTES_MAX - 2));
        let end = if left.is_empty() { 0x40 } else { 0 };
        if !left.is_empty() {
            unit.pieces = Some((header, left, 0));
        }
        let head = [header & 0xe0 | FU_A, header & 0x1f | start | end];
        let ends_unit = left.is_empty() && unit.nals.peek().is_none();
        self.packet(&head, piece, unit.timestamp, ends_unit, out);
        true
    }

    fn packet(
        &mut self,
        head: &[u8],
        body: &[u8],
        timestamp: u32,
        marker: bool,
        out: &mut Vec<u8>,
    ) {
        let bytes = RTP_HEADER_BYTES + head.len() + body.len();
        let length = u16::try_from(bytes).expect("a payload is at most 1400 bytes");
        out.extend([b'$', 0]);
        out.extend(length.to_be_bytes());
        out.extend([0x80, self.payload_type | if marker { 0x80 } else { 0 }]);
        out.extend(self.sequence.to_be_bytes());
        out.extend(timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        out.extend(head);
        out.extend(body);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_nal_comes_back_from_its_pieces_and_only_the_last_is_marked() {
        let long: Vec<u8> = std::iter::once(0x65)
            .chain((0..5000).map(|n| u8::try_from(n % 251).expect("small")))
            .collect();
        let mut packetizer = Packetizer { payload_type: 96, ssrc: 7, sequence: u16::MAX };
        let mut out = Vec::new();
        let mut unit = OpenUnit::new([&[0x67, 1][..], &long].into_iter(), 90);
        while packetizer.next(&mut unit, &mut out) {}
        let mut rest = &out[..];
        let mut rebuilt = vec![0x65];
        let mut markers = Vec::new();
        while let [b'$', 0, high, low, after @ ..] = rest {
            let bytes = usize::from(u16::from_be_bytes([*high, *low]));
            assert!(bytes <= 12 + PAYLOAD_BYTES_MAX);
            let (packet, next) = after.split_at(bytes);
            markers.push(packet[1] >> 7);
            if packet[12] & 0x1f == FU_A {
                rebuilt.extend(&packet[14..]);
            }
            rest = next;
        }
        assert!(rest.is_empty());
        assert_eq!(rebuilt, long);
        assert_eq!(markers, [0, 0, 0, 0, 1]);
        assert_eq!(packetizer.sequence, 4);
    }
}
