//! The RTP header (RFC 3550 section 5.1), parsed in place.
//!
//! CSRCs, header extensions and padding are skipped; Axis cameras and ONVIF replays send them. An
//! inconsistent header is an error; an empty payload is not.

/// The header fields that weir uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The marker bit, normally set on the last packet of an access unit.
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number, which wraps at 2^16.
    pub sequence: u16,
    /// The timestamp, as the camera set it.
    pub timestamp: u32,
    /// The SSRC (synchronisation source) of the camera's track.
    pub ssrc: u32,
}

/// Why a packet is not valid RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header or header extension says.
    Short,
    /// The version is not 2 but this.
    Version(u8),
    /// The padding count is 0 or larger than the payload.
    Padding(u8),
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => write!(f, "rtp packet shorter than its header"),
            Self::Version(version) => write!(f, "rtp version {version}, only 2 is known"),
            Self::Padding(bytes) => write!(f, "rtp padding of {bytes} bytes does not fit"),
        }
    }
}

impl std::error::Error for Malformed {}

const FIXED_BYTES: usize = 12;

/// The header and payload of a packet.
///
/// # Errors
/// See [`Malformed`]: another version, cut short, or with impossible padding.
pub fn parse(packet: &[u8]) -> Result<(Header, &[u8]), Malformed> {
    let Some((fixed, mut payload)) = packet.split_first_chunk::<FIXED_BYTES>() else {
        return Err(Malformed::Short);
    };
    let [b0, b1, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
    if b0 >> 6 != 2 {
        return Err(Malformed::Version(b0 >> 6));
    }
    let csrc_bytes = 4 * usize::from(b0 & 0x0F);
    payload = payload.get(csrc_bytes..).ok_or(Malformed::Short)?;
    if b0 & 0x10 != 0 {
        let (head, rest) = payload.split_first_chunk::<4>().ok_or(Malformed::Short)?;
        let extension_bytes = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        payload = rest.get(extension_bytes..).ok_or(Malformed::Short)?;
    }
    if b0 & 0x20 != 0 {
        let padding = payload.last().copied().unwrap_or(0);
        let kept = payload.len().checked_sub(usize::from(padding));
        payload = match kept {
            Some(kept) if padding > 0 => &payload[..kept],
            _ => return Err(Malformed::Padding(padding)),
        };
    }
    let header = Header {
        marker: b1 & 0x80 != 0,
        payload_type: b1 & 0x7F,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    Ok((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 13] = [0x80, 0xE0, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 0x65];

    #[test]
    fn a_plain_packet() {
        let (header, payload) = parse(&PLAIN).unwrap();
        let expected =
            Header { marker: true, payload_type: 96, sequence: 7, timestamp: 9, ssrc: 0x0102_0304 };
        assert_eq!((header, payload), (expected, &[0x65][..]));
    }

    #[test]
    fn csrc_extension_and_padding_are_stepped_over_and_every_truncation_is_refused() {
        let mut packet = vec![0xB2, 0x60];
        packet.extend([0; 10]);
        packet.extend([9; 8]); // two CSRCs
        packet.extend([0xAB, 0xAC, 0, 3]); // the ONVIF replay extension
        packet.extend([8; 12]);
        packet.extend([0x41, 0x9A, 0, 0, 3]);
        let (header, payload) = parse(&packet).unwrap();
        assert_eq!(payload, [0x41, 0x9A]);
        assert!(!header.marker);
        for len in 0..36 {
            assert!(parse(&packet[..len]).is_err(), "{len}");
        }
        *packet.last_mut().unwrap() = 6;
        assert_eq!(parse(&packet), Err(Malformed::Padding(6)));
        *packet.last_mut().unwrap() = 0;
        assert_eq!(parse(&packet), Err(Malformed::Padding(0)));
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(parse(&[0x40; 20]), Err(Malformed::Version(1)));
    }
}
