//! RTP headers: read from a sealed packet (the header is in the clear), written by cameras.

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Header bytes, with CSRCs and extension.
    pub bytes: usize,
    /// The marker bit.
    pub marker: bool,
    /// The payload type.
    pub payload_type: u8,
    /// The sequence number as sent.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// Bytes of the header extension's body, 0 without one.
    pub extension_bytes: usize,
}

impl Header {
    /// Reads the header at the start of `packet`; `None` when it is not version 2 or too short.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; 12] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut bytes = 12 + 4 * usize::from(fixed[0] & 0x0f);
        let mut extension_bytes = 0;
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(bytes + 2..bytes + 4)?;
            extension_bytes = 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
            bytes += 4 + extension_bytes;
        }
        (packet.len() >= bytes).then_some(Self {
            bytes,
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            extension_bytes,
        })
    }

    /// A plain header: no CSRC, no extension.
    pub fn write(
        marker: bool,
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
    ) -> [u8; 12] {
        let mut header = [0; 12];
        header[0] = 0x80;
        header[1] = payload_type | if marker { 0x80 } else { 0 };
        header[2..4].copy_from_slice(&sequence.to_be_bytes());
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&ssrc.to_be_bytes());
        header
    }
}

/// What a datagram on a WebRTC port is, by its first bytes (RFC 7983, RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ICE.
    Stun,
    /// A handshake or an alert.
    Dtls,
    /// Media.
    Rtp,
    /// Reports.
    Rtcp,
    /// None of them.
    Unknown,
}

impl Kind {
    /// Tells by the first two bytes.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

/// Carries 16-bit sequence numbers on without wrapping (RFC 3711 section 3.3.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwrap {
    highest: Option<u64>,
}

impl Unwrap {
    /// The full number of `sequence`, nearest to the highest seen. The upper bits are the
    /// roll-over counter.
    pub fn full(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            return u64::from(sequence);
        };
        let base = highest & !0xffff;
        let candidates = [base.checked_sub(0x1_0000), Some(base), Some(base + 0x1_0000)];
        candidates
            .into_iter()
            .flatten()
            .map(|base| base | u64::from(sequence))
            .min_by_key(|full| full.abs_diff(highest))
            .expect("there is always a candidate")
    }

    /// Takes note of an authentic packet's full number.
    pub fn saw(&mut self, full: u64) {
        self.highest = Some(self.highest.map_or(full, |highest| highest.max(full)));
    }
}

/// The roll-over counter of a full sequence number.
pub fn roll_over(full: u64) -> u32 {
    u32::try_from(full >> 16).expect("no test sends 2^48 packets")
}
