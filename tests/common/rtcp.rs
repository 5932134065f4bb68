//! RTCP as a viewer speaks it (RFC 3550, 4585, 5104): compounds are built here and sealed
//! elsewhere; sender reports are read.

/// A reception report block.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start.
    pub lost: u32,
    /// The highest sequence number, extended by its cycles.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// The middle of the last sender report's NTP time, 0 before one.
    pub last_sender_report: u32,
    /// Since that report, in 1/65536 s.
    pub delay: u32,
}

/// What a sender report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// Who reports.
    pub ssrc: u32,
    /// NTP time, seconds in the high half.
    pub ntp: u64,
    /// The same moment on the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub bytes: u32,
}

/// A receiver report from `us` about `them`; without a block when `report` is `None`.
pub fn receiver_report(us: u32, them: u32, report: Option<Report>) -> Vec<u8> {
    let Some(report) = report else {
        return packet(0, 201, &[us]);
    };
    let lost = u32::from(report.fraction_lost) << 24 | report.lost.min(0x7f_ffff);
    packet(
        1,
        201,
        &[us, them, lost, report.highest, report.jitter, report.last_sender_report, report.delay],
    )
}

/// A picture loss indication (RFC 4585 section 6.3.1).
pub fn picture_loss(us: u32, them: u32) -> Vec<u8> {
    packet(1, 206, &[us, them])
}

/// A full intra request (RFC 5104 section 4.3.1).
pub fn full_intra(us: u32, them: u32, sequence: u8) -> Vec<u8> {
    packet(4, 206, &[us, 0, them, u32::from(sequence) << 24])
}

/// A generic NACK (RFC 4585 section 6.2.1) of these sequence numbers, one entry each.
pub fn nack(us: u32, them: u32, missing: &[u16]) -> Vec<u8> {
    let entries = missing.iter().map(|&sequence| u32::from(sequence) << 16);
    let words: Vec<u32> = [us, them].into_iter().chain(entries).collect();
    packet(1, 205, &words)
}

/// Goodbye.
pub fn bye(us: u32) -> Vec<u8> {
    packet(1, 203, &[us])
}

/// A sender report without blocks, as a camera sends it.
pub fn sender_report(report: &SenderReport) -> Vec<u8> {
    let [.., a, b, c, d] = report.ntp.to_be_bytes();
    let seconds = u32::try_from(report.ntp >> 32).expect("the high half");
    packet(
        0,
        200,
        &[
            report.ssrc,
            seconds,
            u32::from_be_bytes([a, b, c, d]),
            report.rtp_timestamp,
            report.packets,
            report.bytes,
        ],
    )
}

fn packet(count: u8, kind: u8, words: &[u32]) -> Vec<u8> {
    let length = u16::try_from(words.len()).expect("reports are short");
    let mut bytes = vec![0x80 | count, kind];
    bytes.extend_from_slice(&length.to_be_bytes());
    for word in words {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The packets of a compound: type and body with the first four bytes.
pub fn packets(compound: &[u8]) -> Vec<(u8, &[u8])> {
    let mut packets = Vec::new();
    let mut rest = compound;
    while let [_, kind, high, low, ..] = *rest {
        let bytes = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let Some((packet, behind)) = rest.split_at_checked(bytes) else {
            break;
        };
        packets.push((kind, packet));
        rest = behind;
    }
    packets
}

/// The sender reports of a compound.
pub fn sender_reports(compound: &[u8]) -> Vec<SenderReport> {
    let word = |packet: &[u8], at: usize| {
        u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"))
    };
    packets(compound)
        .into_iter()
        .filter(|(kind, packet)| *kind == 200 && packet.len() >= 28)
        .map(|(_, packet)| SenderReport {
            ssrc: word(packet, 4),
            ntp: u64::from(word(packet, 8)) << 32 | u64::from(word(packet, 12)),
            rtp_timestamp: word(packet, 16),
            packets: word(packet, 20),
            bytes: word(packet, 24),
        })
        .collect()
}
