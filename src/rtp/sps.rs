//! Parses an H.264 sequence parameter set (ISO/IEC 14496-10 section 7.3.2.1.1) for the picture's
//! size.
//!
//! Parsing stops after the size, since cameras deviate in the fields that follow. An invalid
//! parameter set gives `None` and is forwarded all the same: the decoder decides about it.

use super::bits::Bits;

/// The type of an SPS in its header byte.
const SPS: u8 = 7;
/// The most macroblocks along one side of a picture: four times what level 5.1 allows.
const SIDE_MACROBLOCKS_MAX: u32 = 2048;

/// The fields of an SPS that weir uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`, constraint flags and `level_idc`, as `profile-level-id` in SDP.
    pub profile_level_id: u32,
    /// The picture's width in pixels, after cropping.
    pub width: u32,
    /// The picture's height in pixels, after cropping.
    pub height: u32,
}

/// The `profile-level-id` of an SPS with its header byte, even if the rest is invalid.
pub fn profile_level_id(sps: &[u8]) -> Option<u32> {
    let [header, profile, constraints, level, ..] = *sps else {
        return None;
    };
    (header & 0x1F == SPS).then(|| u32::from_be_bytes([0, profile, constraints, level]))
}

/// The ID of an SPS, which is passed with its header byte.
pub fn id(sps: &[u8]) -> Option<u8> {
    profile_level_id(sps)?;
    u8::try_from(Bits::new(&sps[4..]).ue(31)?).ok()
}

/// Parses an SPS, which is passed with its header byte.
pub fn parse(sps: &[u8]) -> Option<Sps> {
    let profile_level_id = profile_level_id(sps)?;
    let mut bits = Bits::new(&sps[4..]);
    let id = u8::try_from(bits.ue(31)?).ok()?;
    let chroma = if has_chroma_info(sps[1]) { chroma_info(&mut bits)? } else { Chroma::Halved };
    bits.ue(12)?; // log2_max_frame_num_minus4
    picture_order_count(&mut bits)?;
    bits.ue(64)?; // max_num_ref_frames
    bits.bit()?; // gaps_in_frame_num_value_allowed_flag
    let width = 16 * (bits.ue(SIDE_MACROBLOCKS_MAX)? + 1);
    let map_units = bits.ue(SIDE_MACROBLOCKS_MAX)? + 1;
    let frames_only = bits.bit()?;
    if frames_only == 0 {
        bits.bit()?; // mb_adaptive_frame_field_flag
    }
    bits.bit()?; // direct_8x8_inference_flag
    let height = 16 * map_units * (2 - frames_only);
    let (crop_width, crop_height) = cropping(&mut bits, chroma, 2 - frames_only)?;
    Some(Sps {
        id,
        profile_level_id,
        width: width.checked_sub(crop_width).filter(|&width| width > 0)?,
        height: height.checked_sub(crop_height).filter(|&height| height > 0)?,
    })
}

/// The chroma format, which sets the unit of cropping.
#[derive(Debug, Clone, Copy)]
enum Chroma {
    /// 4:2:0: halved in both directions.
    Halved,
    /// 4:2:2: halved horizontally.
    HalvedAcross,
    /// Monochrome, 4:4:4, or separate colour planes.
    Full,
}

fn has_chroma_info(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma_info(bits: &mut Bits) -> Option<Chroma> {
    let format = bits.ue(3)?;
    if format == 3 {
        bits.bit()?; // separate_colour_plane_flag
    }
    bits.ue(6)?; // bit_depth_luma_minus8
    bits.ue(6)?; // bit_depth_chroma_minus8
    bits.bit()?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(match format {
        1 => Chroma::Halved,
        2 => Chroma::HalvedAcross,
        _ => Chroma::Full,
    })
}

/// Skips a scaling list (section 7.3.2.1.1.1).
fn scaling_list(bits: &mut Bits, entries: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..entries {
        if next != 0 {
            next = (last + bits.se()?.clamp(-128, 127)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Skips the fields of the picture order count.
fn picture_order_count(bits: &mut Bits) -> Option<()> {
    match bits.ue(2)? {
        0 => {
            bits.ue(12)?;
        }
        1 => {
            bits.bit()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue(255)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// The pixels cropped from width and height.
fn cropping(bits: &mut Bits, chroma: Chroma, fields: u32) -> Option<(u32, u32)> {
    if !bits.flag()? {
        return Some((0, 0));
    }
    let most = 16 * SIDE_MACROBLOCKS_MAX;
    let across = bits.ue(most)? + bits.ue(most)?;
    let down = bits.ue(most)? + bits.ue(most)?;
    let (unit_across, unit_down) = match chroma {
        Chroma::Halved => (2, 2 * fields),
        Chroma::HalvedAcross => (2, fields),
        Chroma::Full => (1, fields),
    };
    Some((across * unit_across, down * unit_down))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Random;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    /// SPS bytes as x264 writes them, with width and height.
    const SETS: [(&str, u32, u32); 7] = [
        ("67640028acd940780227e5c044000003000400000300c83c60c658", 1920, 1080),
        ("6742c01ed900a02ff97011000003000100000300320f162e48", 640, 360),
        ("67640028acd94078044fde0220000003002000000643e2c5b2c0", 1920, 1080), // interlaced
        ("677a000dbcd9415087888fc044000003000400000300c83c50a658", 322, 242), // 4:2:2
        ("67f4000d919b282a10f1f1f808800000030080000019078a14cb", 322, 242),   // 4:4:4
        ("674d401eeca05809360220000003002000000641e2c5b2c0", 704, 576),
        ("67640032acd9402880f5f97011000003000100000300320f183196", 2592, 1944),
    ];

    #[test]
    fn profile_and_size() {
        for (hex, width, height) in SETS {
            let sps = parse(&bytes(hex)).expect(hex);
            assert_eq!((sps.id, sps.width, sps.height), (0, width, height), "{hex}");
            let profile = u32::from_str_radix(&hex[2..8], 16).unwrap();
            assert_eq!(sps.profile_level_id, profile);
        }
    }

    /// What a reader that was not written here finds in an SPS that it takes.
    fn judged(sps: &[u8]) -> Option<Sps> {
        use h264_reader::nal::{Nal as _, RefNal, sps::SeqParameterSet};
        let theirs = SeqParameterSet::from_bits(RefNal::new(sps, &[], true).rbsp_bits()).ok()?;
        let (width, height) = theirs.pixel_dimensions().ok()?;
        let (profile, constraints) = (theirs.profile_idc.into(), theirs.constraint_flags.into());
        Some(Sps {
            id: theirs.id().id(),
            profile_level_id: u32::from_be_bytes([0, profile, constraints, theirs.level_idc]),
            width,
            height,
        })
    }

    #[test]
    fn an_independent_reader_finds_the_same() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/sps");
        let files = std::fs::read_dir(corpus).expect("a corpus").flatten();
        let mut all: Vec<_> = files.map(|file| std::fs::read(file.path()).unwrap()).collect();
        for (hex, width, height) in SETS {
            let theirs = judged(&bytes(hex)).expect(hex);
            assert_eq!((theirs.width, theirs.height), (width, height), "{hex}");
            all.push(bytes(hex));
        }
        let mut random = Random(72);
        for round in 0..20_000 {
            let mut sps = bytes(SETS[round % SETS.len()].0);
            let at = 1 + random.below(sps.len() - 1);
            sps[at] ^= 1 << random.below(8);
            all.push(sps);
        }
        let mut both = 0;
        for sps in all.iter().filter(|sps| !sps.is_empty()) {
            if let (Some(ours), Some(theirs)) = (parse(sps), judged(sps)) {
                assert_eq!(ours, theirs, "{sps:02x?}");
                both += 1;
            }
        }
        assert!(both > 5000, "{both} taken by both");
    }

    #[test]
    fn nonsense_is_none_and_never_a_panic() {
        assert_eq!(parse(&bytes("680028acd9")), None);
        let mut random = Random(71);
        for round in 0..200_000 {
            let mut sps = bytes(SETS[round % SETS.len()].0);
            for _ in 0..1 + random.below(8) {
                let at = 4 + random.below(sps.len() - 4);
                sps[at] = random.next().to_le_bytes()[0];
            }
            sps.truncate(1 + random.below(sps.len()));
            if let Some(sps) = parse(&sps) {
                assert!((1..=32_784).contains(&sps.width), "{sps:?}");
                assert!((1..=65_568).contains(&sps.height), "{sps:?}");
            }
        }
    }
}
