//! The video codecs that weir passes on, and what a camera's stream asks of a decoder.

/// The codec of a camera's video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264 (AVC).
    H264,
    /// H.265 (HEVC).
    H265,
}

/// The profile and level of a stream, from its SPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecProfile {
    /// profile_idc, constraint flags and level_idc, as `profile-level-id` in SDP (RFC 6184 section
    /// 8.1).
    H264(u32),
    /// Profile, tier and level of H.265.
    H265(HevcProfile),
}

/// Profile, tier and level of an H.265 stream or decoder (RFC 7798 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HevcProfile {
    /// general_profile_idc, 0 to 31: 1 is Main, 2 Main 10.
    pub profile_id: u8,
    /// general_tier_flag: the High tier, of higher bit rates.
    pub is_high_tier: bool,
    /// general_level_idc, 30 times the level: 120 is level 4.
    pub level_id: u8,
}

impl Codec {
    /// The name in SDP, in `/api/cameras` and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
        }
    }

    /// The codec of an encoding name in a camera's SDP. Some cameras write HEVC.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("H264") => Some(Self::H264),
            _ if name.eq_ignore_ascii_case("H265") => Some(Self::H265),
            _ if name.eq_ignore_ascii_case("HEVC") => Some(Self::H265),
            _ => None,
        }
    }
}

impl std::fmt::Display for Codec {
    /// As the standards write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        })
    }
}

impl CodecProfile {
    /// The codec that it is a profile of.
    pub const fn codec(self) -> Codec {
        match self {
            Self::H264(_) => Codec::H264,
            Self::H265(_) => Codec::H265,
        }
    }

    /// It as one number, for the statistics; never 0.
    pub fn to_number(self) -> u32 {
        match self {
            Self::H264(profile_level_id) => 1 << 24 | profile_level_id & 0xff_ffff,
            Self::H265(HevcProfile { profile_id, is_high_tier, level_id }) => {
                u32::from_be_bytes([2, profile_id, u8::from(is_high_tier), level_id])
            }
        }
    }

    /// The one that has this number; `None` for 0 and other numbers.
    pub fn from_number(number: u32) -> Option<Self> {
        let [codec, profile_id, tier, level_id] = number.to_be_bytes();
        match codec {
            1 => Some(Self::H264(number & 0xff_ffff)),
            2 => Some(Self::H265(HevcProfile { profile_id, is_high_tier: tier > 0, level_id })),
            _ => None,
        }
    }
}

impl std::fmt::Display for CodecProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::H264(profile_level_id) => write!(f, "{profile_level_id:06x}"),
            Self::H265(profile) => profile.fmt(f),
        }
    }
}

impl std::fmt::Display for HevcProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.profile_id {
            1 => f.write_str("Main")?,
            2 => f.write_str("Main 10")?,
            other => write!(f, "profile {other}")?,
        }
        write!(f, ", level {}.{}", self.level_id / 30, self.level_id % 30 / 3)?;
        f.write_str(if self.is_high_tier { ", High tier" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_profile() {
        let hevc = |is_high_tier| HevcProfile { profile_id: 31, is_high_tier, level_id: 186 };
        for profile in [
            CodecProfile::H264(0),
            CodecProfile::H264(0xff_ffff),
            CodecProfile::H265(hevc(false)),
            CodecProfile::H265(hevc(true)),
        ] {
            assert_eq!(CodecProfile::from_number(profile.to_number()), Some(profile));
        }
        assert_eq!(CodecProfile::from_number(0), None);
        assert_eq!(CodecProfile::from_number(u32::MAX), None);
    }

    #[test]
    fn a_profile_is_said_in_the_standards_words() {
        let profile = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 93 };
        assert_eq!(profile.to_string(), "Main, level 3.1");
        let profile = HevcProfile { profile_id: 4, is_high_tier: true, level_id: 153 };
        assert_eq!(profile.to_string(), "profile 4, level 5.1, High tier");
        assert_eq!(CodecProfile::H264(0x42_e01f).to_string(), "42e01f");
    }

    #[test]
    fn cameras_names_of_codecs() {
        for (name, codec) in [
            ("H264", Some(Codec::H264)),
            ("h265", Some(Codec::H265)),
            ("HEVC", Some(Codec::H265)),
            ("H264-SVC", None),
            ("JPEG", None),
        ] {
            assert_eq!(Codec::from_name(name), codec, "{name}");
        }
    }
}
