//! NAL units as RTP packets in interleaved frames (RFC 6184 single NAL unit and FU-A, RFC 2326
//! section 10.12).

/// RTP payload bytes of a packet, at most.
const PAYLOAD_BYTES_MAX: usize = 1400;
const FU_A: u8 = 28;

/// Numbers the packets of one stream; `sequence` is the next number.
#[derive(Debug)]
pub(super) struct Packetizer {
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

impl Packetizer {
    /// Appends one access unit to `out`, as interleaved frames for channel 0; the last packet has
    /// the marker bit.
    pub(super) fn access_unit<'n>(
        &mut self,
        nals: impl Iterator<Item = &'n [u8]>,
        timestamp: u32,
        out: &mut Vec<u8>,
    ) {
        let mut nals = nals.peekable();
        while let Some(nal) = nals.next() {
            let ends_unit = nals.peek().is_none();
            if nal.len() <= PAYLOAD_BYTES_MAX {
                self.packet(&[], nal, timestamp, ends_unit, out);
                continue;
            }
            let mut pieces = nal[1..].chunks(PAYLOAD_BYTES_MAX - 2).peekable();
            let mut start = 0x80;
            while let Some(piece) = pieces.next() {
                let end = if pieces.peek().is_none() { 0x40 } else { 0 };
                let header = [nal[0] & 0xe0 | FU_A, nal[0] & 0x1f | start | end];
                let marker = ends_unit && end != 0;
                self.packet(&header, piece, timestamp, marker, out);
                start = 0;
            }
        }
    }

    fn packet(
        &mut self,
        head: &[u8],
        body: &[u8],
        timestamp: u32,
        marker: bool,
        out: &mut Vec<u8>,
    ) {
        const RTP_HEADER_BYTES: usize = 12;
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
        packetizer.access_unit([&[0x67, 1][..], &long].into_iter(), 90, &mut out);
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
