//! What a stream's SPS says of its pictures.

use super::{hevc_sps, sps};
use crate::codec::{Codec, CodecProfile};

/// Profile and size of a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// What it asks of a decoder.
    pub profile: CodecProfile,
    /// The width in pixels, after cropping; 0 if the SPS cannot be parsed so far.
    pub width: u32,
    /// The height in pixels, likewise.
    pub height: u32,
}

impl Picture {
    /// Reads an SPS, which is passed with its header; `None` for anything else.
    pub fn read(codec: Codec, sps: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => {
                sps::id(sps)?;
                let profile = CodecProfile::H264(sps::profile_level_id(sps)?);
                let (width, height) = sps::parse(sps).map_or((0, 0), |sps| (sps.width, sps.height));
                Some(Self { profile, width, height })
            }
            Codec::H265 => {
                hevc_sps::id(sps)?;
                let profile = CodecProfile::H265(hevc_sps::profile(sps)?);
                let size = hevc_sps::parse(sps);
                let (width, height) = size.map_or((0, 0), |sps| (sps.width, sps.height));
                Some(Self { profile, width, height })
            }
        }
    }
}
