//! The codecs of sound that a camera may send and that every browser takes (RFC 7874): G.711,
//! G.722 and Opus. weir passes sound on as it comes and decodes none of it.

/// A codec that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SoundCodec {
    /// G.711 with µ-law, 8 kHz.
    Pcmu = 1,
    /// G.711 with A-law, 8 kHz.
    Pcma = 2,
    /// G.722, whose clock is 8 kHz although it samples at 16 kHz (RFC 3551 section 4.5.2).
    G722 = 3,
    /// Opus, whose clock is always 48 kHz (RFC 7587 section 4.1).
    Opus = 4,
}

impl SoundCodec {
    /// Every codec that is passed on.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The codec with this number in the statistics; `None` for 0 and unknown numbers.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| *codec as u8 == number)
    }

    /// The codec with the encoding of an `a=rtpmap` line: name, clock, and perhaps channels. Other
    /// clocks than the codec's own are other codecs: no browser takes G.711 at 16 kHz.
    pub fn of_encoding(encoding: &str) -> Option<Self> {
        let mut parts = encoding.trim().split('/').map(str::trim);
        let (name, clock) = (parts.next()?, parts.next()?.parse::<u32>().ok()?);
        let codec = Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))?;
        let channels = parts.next().unwrap_or("1");
        // Opus is `opus/48000/2` whatever its channels are; some cameras leave the 2 out.
        let is_known = codec == Self::Opus || channels == "1";
        (clock == codec.clock_hz() && is_known).then_some(codec)
    }

    /// The codec of a static payload type (RFC 3551 section 6).
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    /// The codec's name in SDP, as the RFCs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The encoding in an `a=rtpmap` line.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// The rate of its RTP clock.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// Whether a payload may be cut anywhere: each byte is one tick of the clock.
    pub const fn is_cut_anywhere(self) -> bool {
        !matches!(self, Self::Opus)
    }

    /// How long a payload lasts, in ticks of its clock; `None` for an invalid Opus packet.
    pub fn ticks(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Opus => opus_ticks(payload),
            _ => u32::try_from(payload.len()).ok(),
        }
    }
}

/// The length of an Opus packet by its first bytes (RFC 6716 sections 3.1 and 3.2).
fn opus_ticks(payload: &[u8]) -> Option<u32> {
    const TICKS_PER_MS: u32 = 48;
    const PACKET_TICKS_MAX: u32 = 120 * TICKS_PER_MS;
    let (first, rest) = payload.split_first()?;
    let configuration = first >> 3;
    let frame = match configuration {
        0..12 => [10, 20, 40, 60][usize::from(configuration % 4)] * TICKS_PER_MS,
        12..16 => [10, 20][usize::from(configuration % 2)] * TICKS_PER_MS,
        _ => (5 * TICKS_PER_MS / 2) << (configuration % 4),
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let ticks = frame * frames;
    (1..=PACKET_TICKS_MAX).contains(&ticks).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_known_by_name_and_clock() {
        for codec in SoundCodec::ALL {
            assert_eq!(SoundCodec::of_encoding(codec.encoding()), Some(codec));
            assert_eq!(SoundCodec::from_number(codec as u8), Some(codec));
        }
        for (encoding, codec) in [
            ("pcma/8000/1", Some(SoundCodec::Pcma)),
            (" PCMU / 8000 ", Some(SoundCodec::Pcmu)),
            ("OPUS/48000", Some(SoundCodec::Opus)),
            ("PCMU/16000", None),
            ("PCMA/8000/2", None),
            ("G722/16000", None),
            ("MPEG4-GENERIC/16000/1", None),
            ("G726-32/8000", None),
            ("L16/8000", None),
            ("PCMU", None),
            ("", None),
        ] {
            assert_eq!(SoundCodec::of_encoding(encoding), codec, "{encoding}");
        }
        assert_eq!(SoundCodec::from_number(0), None);
    }

    #[test]
    fn a_payload_lasts_as_long_as_its_samples() {
        for codec in [SoundCodec::Pcmu, SoundCodec::Pcma, SoundCodec::G722] {
            assert_eq!(codec.ticks(&[0; 160]), Some(160));
            assert_eq!(codec.ticks(&[]), Some(0));
        }
        for (packet, ms_x10) in [
            (&[0b0000_0000][..], Some(100)), // SILK, 10 ms
            (&[0b0001_1000], Some(600)),     // SILK, 60 ms
            (&[0b0110_1001], Some(400)),     // hybrid, two of 20 ms
            (&[0b1000_0000], Some(25)),      // CELT, 2.5 ms
            (&[0b1111_1000], Some(200)),     // CELT, 20 ms
            (&[0b1111_1011, 3], Some(600)),  // three of 20 ms
            (&[0b1111_1011, 7], None),       // over 120 ms
            (&[0b1111_1011, 0], None),
            (&[0b1111_1011], None),
            (&[], None),
        ] {
            let ticks = SoundCodec::Opus.ticks(packet);
            assert_eq!(ticks.map(|ticks| ticks * 10 / 48), ms_x10, "{packet:?}");
        }
    }
}
