//! Parses an H.265 sequence parameter set (ISO/IEC 23008-2 section 7.3.2.2.1) for profile, level
//! and the picture's size.
//!
//! Parsing stops after the size, since cameras deviate in the fields that follow (Tapo, Reolink).
//! An invalid parameter set gives `None` and is forwarded all the same: the decoder decides.

use super::bits::Bits;
use crate::codec::HevcProfile;

/// The type of an SPS in the first byte of its header.
const SPS: u8 = 33;
/// Bytes of a NAL unit's header.
const HEADER_BYTES: usize = 2;
/// The most pixels along one side of a picture: about four times what level 6.2 allows.
const SIDE_PIXELS_MAX: u32 = 32_768;
/// Profile Main and Main 10, whose decoders are told by the flags of compatibility.
const MAIN: u8 = 1;
const MAIN_10: u8 = 2;

/// The fields of an SPS that weir uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HevcSps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u8,
    /// What it asks of a decoder.
    pub profile: HevcProfile,
    /// The picture's width in pixels, after cropping.
    pub width: u32,
    /// The picture's height in pixels, after cropping.
    pub height: u32,
}

/// Profile, tier and level of an SPS with its header, even if the rest is invalid.
pub fn profile(sps: &[u8]) -> Option<HevcProfile> {
    begin(sps).map(|(profile, _)| profile)
}

/// The ID of an SPS, which is passed with its header.
pub fn id(sps: &[u8]) -> Option<u8> {
    u8::try_from(begin(sps)?.1.ue(15)?).ok()
}

/// Parses an SPS, which is passed with its header.
pub fn parse(sps: &[u8]) -> Option<HevcSps> {
    let (profile, mut bits) = begin(sps)?;
    let id = u8::try_from(bits.ue(15)?).ok()?;
    let chroma = bits.ue(3)?;
    if chroma == 3 {
        bits.bit()?; // separate_colour_plane_flag
    }
    let width = bits.ue(SIDE_PIXELS_MAX)?;
    let height = bits.ue(SIDE_PIXELS_MAX)?;
    let (mut across, mut down) = (0, 0);
    if bits.flag()? {
        // The conformance window, in units of chroma samples (table 6-1).
        let unit_across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_down = if chroma == 1 { 2 } else { 1 };
        across = unit_across * (bits.ue(SIDE_PIXELS_MAX)? + bits.ue(SIDE_PIXELS_MAX)?);
        down = unit_down * (bits.ue(SIDE_PIXELS_MAX)? + bits.ue(SIDE_PIXELS_MAX)?);
    }
    Some(HevcSps {
        id,
        profile,
        width: width.checked_sub(across).filter(|&width| width > 0)?,
        height: height.checked_sub(down).filter(|&height| height > 0)?,
    })
}

/// The profile, and the bits after `profile_tier_level` (section 7.3.3).
fn begin(sps: &[u8]) -> Option<(HevcProfile, Bits<'_>)> {
    if sps.first()? >> 1 & 0x3F != SPS {
        return None;
    }
    let mut bits = Bits::new(sps.get(HEADER_BYTES..)?);
    bits.bits(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.bits(3)?; // less one
    bits.bit()?; // sps_temporal_id_nesting_flag
    bits.bits(2)?; // general_profile_space
    let is_high_tier = bits.flag()?;
    let profile_id = u8::try_from(bits.bits(5)?).ok()?;
    let compatible = bits.bits(32)?;
    bits.bits(32)?; // general_progressive_source_flag and further constraints
    bits.bits(16)?;
    let level_id = u8::try_from(bits.bits(8)?).ok()?;
    let profile_id = profile_for_decoders(profile_id, compatible);
    skip_sub_layers(&mut bits, sub_layers)?;
    Some((HevcProfile { profile_id, is_high_tier, level_id }, bits))
}

/// The lowest profile whose decoders take the stream: that of its own, or one that
/// general_profile_compatibility_flag names.
fn profile_for_decoders(profile_id: u8, compatible: u32) -> u8 {
    let takes = |profile: u8| compatible << profile & 1 << 31 != 0;
    [MAIN, MAIN_10].into_iter().find(|&profile| takes(profile)).unwrap_or(profile_id)
}

/// Skips the profiles and levels of temporal sub-layers.
fn skip_sub_layers(bits: &mut Bits, sub_layers: u32) -> Option<()> {
    if sub_layers == 0 {
        return Some(());
    }
    // Two flags for each, and reserved ones up to eight layers.
    let present = bits.bits(16)?;
    for layer in 0..sub_layers {
        if present << (2 * layer) & 1 << 15 != 0 {
            bits.bits(32)?;
            bits.bits(32)?;
            bits.bits(24)?;
        }
        if present << (2 * layer) & 1 << 14 != 0 {
            bits.bits(8)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Random;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    /// SPS bytes as x265 writes them, with profile, tier, level, width and height.
    const SETS: [(&str, &str, u32, u32); 5] = [
        (
            "420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84",
            "Main, level 4.0",
            1920,
            1080,
        ),
        (
            "4201010408000003009d0800000300003cb00a480f9c93b65959a4932bc05a020000030002000003003210",
            "profile 4, level 2.0", // 4:2:2
            322,
            242,
        ),
        (
            "42010102200000030090000003000003003fa005020169f4d96566924caf016808000003000800000300c840",
            "Main 10, level 2.1",
            640,
            358,
        ),
        (
            "420101016000000300900000030000030096a0014420079965959a4932bc05a02000000300200000030321",
            "Main, level 5.0",
            2592,
            1944,
        ),
        (
            "4201010408000003009e0800000300009990014901f39e7cb2b349265780b4040000030004000003006420",
            "profile 4, level 5.1", // 4:4:4
            322,
            242,
        ),
    ];

    #[test]
    fn profile_and_size() {
        for (hex, profile, width, height) in SETS {
            let sps = parse(&bytes(hex)).expect(hex);
            assert_eq!((sps.id, sps.width, sps.height), (0, width, height), "{hex}");
            assert_eq!(sps.profile.to_string(), profile);
            assert_eq!(super::profile(&bytes(hex)), Some(sps.profile));
            assert_eq!(super::id(&bytes(hex)), Some(0));
        }
    }

    /// Writes fields of so many bits, with emulation prevention, after the header of an SPS.
    fn written(fields: &[(u32, u64)]) -> Vec<u8> {
        let mut bits: Vec<u8> = Vec::new();
        for &(count, value) in fields {
            bits.extend((0..count).rev().map(|at| u8::from(value >> at & 1 == 1)));
        }
        let mut nal = vec![0x42, 1];
        for byte in bits.chunks(8) {
            let byte = byte.iter().enumerate().fold(0, |all, (at, bit)| all | bit << (7 - at));
            if nal[2..].ends_with(&[0, 0]) && byte <= 3 {
                nal.push(3);
            }
            nal.push(byte);
        }
        nal
    }

    /// An SPS of three sub-layers whose profile, tier and level are these bits.
    fn layered(tier_and_profile: u64, compatible: u64, present: u64) -> Vec<u8> {
        let mut fields = vec![(8, 0b0000_0101), (8, tier_and_profile), (32, compatible)];
        fields.extend([(48, 0), (8, 120), (16, present << 12)]);
        for layer in [present >> 2 & 3, present & 3] {
            fields.extend((layer & 2 != 0).then_some((44, 1)));
            fields.extend((layer & 2 != 0).then_some((44, 1)));
            fields.extend((layer & 1 != 0).then_some((8, 90)));
        }
        // ue(v): ID 1, chroma format 1, 15 x 7 pixels, no window.
        fields.extend([(3, 0b010), (3, 0b010), (9, 16), (7, 8), (1, 0), (7, 1)]);
        written(&fields)
    }

    #[test]
    fn sub_layers_are_skipped_and_compatibility_counts() {
        for present in 0..16 {
            let sps = parse(&layered(0x21, 0x6000_0000, present)).expect("sound");
            let profile = HevcProfile { profile_id: 1, is_high_tier: true, level_id: 120 };
            let expected = HevcSps { id: 1, profile, width: 15, height: 7 };
            assert_eq!(sps, expected, "{present:04b}");
        }
        for (profile_id, compatible, expected) in [
            (1, 0, 1),
            (2, 0x2000_0000, 2),
            (2, 0x6000_0000, 1),
            (3, 0x7000_0000, 1),
            (4, 0x0800_0000, 4),
        ] {
            let found = profile(&layered(profile_id, compatible, 0)).expect("sound");
            assert_eq!((found.profile_id, found.is_high_tier), (expected, false));
        }
    }

    #[test]
    fn nonsense_is_none_and_never_a_panic() {
        assert_eq!(parse(&bytes("4401c172b46240")), None);
        let whole = bytes(SETS[0].0);
        for len in 0..whole.len() {
            let part = parse(&whole[..len]);
            assert!(part.is_none() || part == parse(&whole), "{len}");
        }
        let mut random = Random(265);
        for round in 0..200_000 {
            let mut sps = bytes(SETS[round % SETS.len()].0);
            for _ in 0..1 + random.below(8) {
                let at = 2 + random.below(sps.len() - 2);
                sps[at] = random.next().to_le_bytes()[0];
            }
            sps.truncate(1 + random.below(sps.len()));
            if let Some(sps) = parse(&sps) {
                assert!((1..=SIDE_PIXELS_MAX).contains(&sps.width), "{sps:?}");
                assert!((1..=SIDE_PIXELS_MAX).contains(&sps.height), "{sps:?}");
                assert!(sps.id <= 15 && sps.profile.profile_id <= 31);
            }
        }
    }
}
