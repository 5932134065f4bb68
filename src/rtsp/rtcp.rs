//! Writes RTCP to a camera: receiver report and SDES (RFC 3550 sections 6.4.2 and 6.5), optionally
//! with PLI and FIR (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1), as one compound packet: a
//! datagram, or one interleaved frame.

use super::transmit::{Transmit, TransmitFull};

/// The canonical name in every report.
const CNAME: &[u8; 4] = b"weir";

/// A request for a key frame, sent as PLI and FIR.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyFrameRequest {
    /// The SSRC of the camera's video track.
    pub ssrc: u32,
    /// The number of the request: FIR tells repeats from new requests by it.
    pub number: u8,
}

/// Bytes of the largest compound packet: RR with one block, SDES, PLI and FIR.
const RTCP_BYTES_MAX: usize = 8 + 24 + 20 + 12 + 20;

/// One compound packet; empty for none.
#[derive(Debug, Default)]
pub struct RtcpPacket(heapless::Vec<u8, RTCP_BYTES_MAX>);

impl RtcpPacket {
    pub(super) const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// The bytes of the packet; empty for none.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn report(
        ssrc: u32,
        block: Option<[u8; 24]>,
        key_frame: Option<KeyFrameRequest>,
    ) -> Self {
        let mut packet = Self::new();
        let ssrc = ssrc.to_be_bytes();
        let (blocks, words) = if block.is_some() { (1, 7) } else { (0, 1) };
        packet.push(&[0x80 | blocks, 201, 0, words]);
        packet.push(&ssrc);
        packet.push(block.as_ref().map_or(&[], |block| &block[..]));
        packet.push(&[0x81, 202, 0, 4]);
        packet.push(&ssrc);
        packet.push(&[1, 4]);
        packet.push(CNAME);
        packet.push(&[0; 6]);
        if let Some(KeyFrameRequest { ssrc: media, number }) = key_frame {
            let media = media.to_be_bytes();
            packet.push(&[0x81, 206, 0, 2]);
            packet.push(&ssrc);
            packet.push(&media);
            packet.push(&[0x84, 206, 0, 4]);
            packet.push(&ssrc);
            packet.push(&[0; 4]);
            packet.push(&media);
            packet.push(&[number, 0, 0, 0]);
        }
        packet
    }

    /// Writes it as one interleaved frame on `channel`, all of it or nothing.
    pub(super) fn write_frame(&self, channel: u8, out: &mut Transmit) -> Result<(), TransmitFull> {
        out.whole(|out| {
            let len = u16::try_from(self.0.len()).map_err(|_| TransmitFull)?.to_be_bytes();
            out.push(&[b'$', channel, len[0], len[1]])?;
            out.push(&self.0)
        })
    }

    fn push(&mut self, bytes: &[u8]) {
        // The room is that of the largest packet.
        let _ = self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use rtcp_types::{Compound, Fir, Packet, Pli};

    use super::super::reception::Reception;
    use super::super::testing::rtp;
    use super::*;
    use crate::limits::VIDEO_CLOCK_HZ;

    /// The types and counts of the parts of a compound packet, whose lengths must add up to its
    /// own.
    fn parts(mut compound: &[u8]) -> Vec<(u8, u8)> {
        let mut types = Vec::new();
        while let [first, second, high, low, ..] = *compound {
            assert_eq!(first >> 6, 2);
            types.push((second, first & 0x1f));
            let words = usize::from(u16::from_be_bytes([high, low])) + 1;
            compound = &compound[4 * words..];
        }
        assert!(compound.is_empty());
        types
    }

    #[test]
    fn a_compound_packet_adds_up() {
        let request = Some(KeyFrameRequest { ssrc: 7, number: 3 });
        for (block, key_frame, expected) in [
            (None, None, vec![(201, 0), (202, 1)]),
            (Some([9; 24]), None, vec![(201, 1), (202, 1)]),
            (Some([9; 24]), request, vec![(201, 1), (202, 1), (206, 1), (206, 4)]),
        ] {
            let mut out = Transmit::new();
            RtcpPacket::report(1, block, key_frame).write_frame(5, &mut out).expect("fits");
            let [b'$', 5, high, low, compound @ ..] = out.bytes() else {
                panic!("a frame on channel 5");
            };
            assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), compound.len());
            assert_eq!(parts(compound), expected);
        }
    }
    #[test]
    fn an_independent_reader_finds_what_was_written() {
        let mut reception = Reception::new(VIDEO_CLOCK_HZ);
        for sequence in [65_534, 65_535, 1_u16] {
            reception.packet(&rtp(sequence, 0, &[]), 0);
        }
        let request = Some(KeyFrameRequest { ssrc: 7, number: 3 });
        let mut out = Transmit::new();
        let packet = RtcpPacket::report(1, reception.report_block(0), request);
        packet.write_frame(5, &mut out).expect("fits");
        let parts: Vec<_> = Compound::parse(&out.bytes()[4..]).unwrap().collect();
        let parts: Vec<_> = parts.into_iter().map(Result::unwrap).collect();
        let [
            Packet::Rr(report),
            Packet::Sdes(names),
            Packet::PayloadFeedback(pli),
            Packet::PayloadFeedback(fir),
        ] = &parts[..]
        else {
            panic!("{parts:?}")
        };
        assert_eq!((report.ssrc(), report.n_reports()), (1, 1));
        let block = report.report_blocks().next().expect("one");
        assert_eq!((block.ssrc(), block.cumulative_lost()), (0x1122_3344, 1));
        assert_eq!((block.fraction_lost(), block.extended_sequence_number()), (64, 0x1_0001));
        let name = names.chunks().next().expect("one");
        assert_eq!((name.ssrc(), name.items().next().expect("one").value()), (1, &CNAME[..]));
        assert!(pli.parse_fci::<Pli>().is_ok());
        assert_eq!((pli.sender_ssrc(), pli.media_ssrc()), (1, 7));
        let entries = fir.parse_fci::<Fir>().expect("a FIR");
        let entries: Vec<_> = entries.entries().map(|one| (one.ssrc(), one.sequence())).collect();
        assert_eq!((fir.sender_ssrc(), entries), (1, vec![(7, 3)]));
    }
}
