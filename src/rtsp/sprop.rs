//! The parameter sets in a camera's SDP (RFC 6184 section 8.1, RFC 7798 section 7.1).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::codec::Codec;
use crate::limits::{PARAMETER_SET_BYTES_MAX, RTSP_SDP_PPS_MAX};

/// Base64 as cameras write it: with or without padding, and with trailing bits.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The parameter sets in the first fmtp value of each name, in `fmtp`, the values of all lines for
/// the payload type. At most one VPS, one SPS and [`RTSP_SDP_PPS_MAX`] PPS.
pub(super) fn parameter_sets<'a>(
    codec: Codec,
    fmtp: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Vec<u8>> {
    let names: &[&str] = match codec {
        Codec::H264 => &["sprop-parameter-sets"],
        Codec::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
    };
    let mut sets: Vec<Vec<u8>> = Vec::new();
    for encoded in names.iter().filter_map(|name| parameter(fmtp.clone(), name)) {
        let decoded = encoded.split(',').filter_map(|text| LENIENT.decode(text.trim()).ok());
        for bytes in decoded {
            for nal in nal_units(&bytes) {
                let Some(kind) = SetType::of(codec, nal) else { continue };
                let known = sets.iter().filter(|set| SetType::of(codec, set) == Some(kind));
                if known.count() < kind.count_max() {
                    sets.push(nal.to_vec());
                }
            }
        }
    }
    sets
}

/// The value of the first parameter of this name.
pub(super) fn parameter<'a>(fmtp: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    fmtp.flat_map(|parameters| parameters.split(';')).find_map(|parameter| {
        let (of, value) = parameter.split_once('=')?;
        of.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The types of parameter sets, by their NAL headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetType {
    Vps,
    Sps,
    Pps,
}

impl SetType {
    /// The type of a NAL unit that is long enough to be a parameter set.
    fn of(codec: Codec, nal: &[u8]) -> Option<Self> {
        let first = nal.first()?;
        let found = match (codec, first & 0x1f, first >> 1 & 0x3f) {
            (Codec::H264, 7, _) | (Codec::H265, _, 33) => Self::Sps,
            (Codec::H264, 8, _) | (Codec::H265, _, 34) => Self::Pps,
            (Codec::H265, _, 32) => Self::Vps,
            _ => return None,
        };
        let bytes_min = match (codec, found) {
            (Codec::H264, Self::Sps) => 4,
            (Codec::H264, _) => 2,
            (Codec::H265, _) => 3,
        };
        (nal.len() >= bytes_min).then_some(found)
    }

    fn count_max(self) -> usize {
        match self {
            Self::Vps | Self::Sps => 1,
            Self::Pps => RTSP_SDP_PPS_MAX,
        }
    }
}

/// NAL units between start codes, without trailing zeros; empty and too long ones are left out.
fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.windows(3).position(|window| window == [0, 0, 1]);
        let mut unit = &rest[..end.unwrap_or(rest.len())];
        while let [start @ .., 0] = unit {
            unit = start;
        }
        if (1..=PARAMETER_SET_BYTES_MAX).contains(&unit.len()) {
            units.push(unit);
        }
        match end {
            Some(end) => rest = &rest[end + 3..],
            None => return units,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(sets: &str) -> (Option<Vec<u8>>, usize) {
        let fmtp = format!("packetization-mode=1; sprop-parameter-sets={sets}");
        let sets = parameter_sets(Codec::H264, [&*fmtp].into_iter());
        let of = |kind| sets.iter().filter(move |nal| nal[0] & 0x1f == kind);
        (of(7).next().cloned(), of(8).count())
    }

    #[test]
    fn parameter_sets_are_cleaned() {
        let sps = Some(vec![0x67, 0x4d, 0x00, 0x29, 0x96]);
        assert_eq!(h264("Z00AKZY=,aO48gA==;"), (sps.clone(), 1));
        assert_eq!(h264("Z00AKZY,aO48gA"), (sps.clone(), 1), "no padding");
        assert_eq!(h264("Z00AKZYAAAAB,aO48gAAA"), (sps.clone(), 1), "start code and zeros behind");
        assert_eq!(h264("AAAAAWdNACmWAAAAAWjuPIA="), (sps.clone(), 1), "Annex B in one");
        assert_eq!(h264("Z00AKZY="), (sps, 0), "one alone");
        assert_eq!(h264("Z00="), (None, 0), "too short to be one");
        assert_eq!(h264("QUJD,*,"), (None, 0), "nonsense");
        assert_eq!(h264(""), (None, 0));
        let long = LENIENT.encode([&[0x67; 1][..], &[1; PARAMETER_SET_BYTES_MAX]].concat());
        assert_eq!(h264(&long), (None, 0), "over the limit");
    }

    #[test]
    fn those_of_h265_have_a_parameter_for_each_kind() {
        let (vps, sps, pps) = ([0x40, 1, 0x0c], [0x42, 1, 1, 1], [0x44, 1, 0xc1]);
        let text = |nal: &[u8]| LENIENT.encode(nal);
        let many = vec![text(&pps); RTSP_SDP_PPS_MAX + 3].join(",");
        let fmtp = [
            format!("profile-id=1;sprop-pps={many}; SPROP-SPS = {}", text(&sps)),
            format!("sprop-vps={},{}", text(&vps), text(&vps)),
        ];
        let found = parameter_sets(Codec::H265, fmtp.iter().map(String::as_str));
        assert_eq!(found[..2], [vps.to_vec(), sps.to_vec()], "one of each");
        assert_eq!(found[2..], [&pps; RTSP_SDP_PPS_MAX].map(|pps| pps.to_vec()));
        let header_alone = format!("sprop-vps={}", text(&[0x40, 1]));
        assert!(parameter_sets(Codec::H265, [&*header_alone].into_iter()).is_empty());
        let of_h264 = "sprop-parameter-sets=Z00AKZY=,aO48gA==";
        assert!(parameter_sets(Codec::H265, [of_h264].into_iter()).is_empty());
    }
}
